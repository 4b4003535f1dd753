#!/usr/bin/env python3
"""No service's or tool's name in the Rust sources: adapters are data, and what larder knows of a service stands there.

Names are those of the adapter files, their `name` and `command`, and the variables by which their clients are pointed
here. Comments and documentation count. Tests do not: `#[cfg(test)]` modules, files under `tests/` and `benches/`, files
named `tests.rs` or `…_tests.rs`, and the crates that hold only what tests need.
"""
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "crates/larder-core/adapters"
TEST_FILE = re.compile(r"(^|/)(tests|benches|larder-testkit|larder-properties)(/|$)|(^|/|_)tests\.rs$")


def names():
    """Words to look for."""
    found = set()
    for file in sorted(ADAPTERS.glob("*.toml")):
        if file.name.endswith(".test.toml"):
            continue
        adapter = tomllib.loads(file.read_text())
        http, tool = adapter.get("http", {}), adapter.get("tool", {})
        found |= {file.stem, adapter["name"], *http.get("env", {}), tool.get("command", adapter["name"])}
    return sorted(found)


def without_tests(text):
    """The text with every `#[cfg(test)]` item blanked; line numbers stay."""
    lines, out, skip = text.split("\n"), [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if skip is None and re.match(r"\s*#\[cfg\((all\()?test\b", line):
            skip = ("item", indent)
            out.append("")
            continue
        if skip is None:
            out.append(line)
            continue
        out.append("")
        state, at = skip
        if state == "item" and not line.strip().startswith("#["):
            skip = ("body", at) if line.rstrip().endswith("{") else None
        elif state == "body" and indent == at and line.strip().startswith("}"):
            skip = None
    return "\n".join(out)


def sources():
    for file in sorted(ROOT.glob("crates/*/src/**/*.rs")) + sorted(ROOT.glob("crates/*/build.rs")):
        shown = str(file.relative_to(ROOT))
        if not TEST_FILE.search(shown):
            yield shown, without_tests(file.read_text())


def main():
    known = names()
    if not known:
        sys.exit(f"no adapters under {ADAPTERS}")
    pattern = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(map(re.escape, known)) + r")(?![A-Za-z0-9_])", re.I)
    wrong, files = 0, 0
    for shown, text in sources():
        files += 1
        for number, line in enumerate(text.split("\n"), 1):
            for word in pattern.findall(line):
                wrong += 1
                print(f"{shown}:{number}: names `{word}`\nhint: what is known of it belongs into an adapter; say `a service` or `a tool`")
    print(f"names: {files} files, {len(known)} names, {wrong} found")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
