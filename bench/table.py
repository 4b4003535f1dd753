"""The table: what was measured, beside what, and whether that is what we want."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

README = Path(__file__).resolve().parent / "README.md"
HEAD = "| work | goal | larder | peers | larder ÷ peer | met |\n|---|---|---|---|---|---|\n"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->"


@dataclass
class Line:
    """One line. `peers` are {name: figure} in the same unit; `larder` is None where it could not be measured, and `met`
    where there is no goal. `delta`: the figure is a difference, so that a ratio would say nothing."""

    work: str
    goal: str
    larder: float | None = None
    unit: str = ""
    peers: dict = field(default_factory=dict)
    met: bool | None = None
    delta: bool = False

    def ratios(self):
        """{name: larder's figure ÷ the peer's}."""
        return {} if self.delta else {name: self.larder / figure for name, figure in self.peers.items()}

    def row(self):
        """The line as Markdown."""
        ours = "not measured" if self.larder is None else f"{shown(self.larder)} {self.unit}"
        peers = "<br>".join(f"{name} {shown(figure)}" for name, figure in self.peers.items())
        ratios = "<br>".join(f"{ratio:.3g}×" for ratio in self.ratios().values())
        met = {True: "yes", False: "**no**", None: "–"}[self.met]
        return f"| {self.work} | {self.goal} | {ours} | {peers} | {ratios} | {met} |"


def shown(figure):
    """Three digits that count; thousands are whole."""
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def rows(lines):
    """The lines as Markdown."""
    return "\n".join(line.row() for line in lines)


def write(folder, machine, lines, in_readme):
    """Prints the table, leaves it in `folder` as Markdown and JSON, and in the README if that is wished."""
    facts = "\n".join(f"- {name}: {fact}" for name, fact in machine.items())
    text = f"{facts}\n\n{HEAD}{rows(lines)}\n"
    (folder / "table.md").write_text(text)
    found = [{**asdict(line), "ratios": line.ratios()} for line in lines]
    (folder / "table.json").write_text(json.dumps({"machine": machine, "rows": found}, indent=1, ensure_ascii=False) + "\n")
    if in_readme:
        before, rest = README.read_text().split(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")
    print(text)
