#!/usr/bin/env python3
"""The repository's texts: links that lead somewhere, commands that exist, nothing of the machine they were written on.

usage: texts.py [BINARY]      (with the larder binary, the commands that README and the guides show are looked up in its help)
"""
import re
import subprocess
import sys

from names import ROOT

BINARY_SUFFIXES = {".png", ".gguf", ".lock", ".sqlite", ".db", ".body", ".bin"}
# Folders of the machines that the project is built on, and hosts of package registries and their mirrors.
FOREIGN = [
    (re.compile(r"(?<![\w.])/(work|root|home/\w+|Users/\w+|workspace)/"), "a path of somebody's machine"),
    (re.compile(r"(?<![\w/])(\.\./)*shared/(design|upstreams|captures|tools|hooks)\b"), "a path that no clone has"),
    (re.compile(r"\bhttps?://((index|static|registry|files|proxy|repo1?|deb)\.[\w.-]+|[\w.-]*(mirror|proxy)[\w-]*\.[\w.-]+)", re.I), "a registry's host"),
]
# These tell what is looked for, so they hold it.
EXEMPT = {".ci/checks/texts.py"}
LINK = re.compile(r"\[[^\]\n]*\]\(<?([^)<>\s]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]\n]+\]:\s*(\S+)", re.M)
COMMAND = re.compile(r"^\s*(?:\$ )?(?:\w+=\S+ )*(?:larder|cargo run --release --) ([a-z][a-z-]*)((?: [^#|&;\n]*)?)", re.M)


def tracked():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def foreign(file, text):
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, why in FOREIGN:
            if found := pattern.search(line):
                yield f"{file.relative_to(ROOT)}:{number}: `{found[0]}` is {why}"


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+\s+(.*?)\s*#*$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", h)).strip().lower().replace(" ", "-") for h in heads]
    return {name if plain[:n].count(name) == 0 else f"{name}-{plain[:n].count(name)}" for n, name in enumerate(plain)}


def links(file, text):
    shown = re.sub(r"```.*?```|`[^`\n]*`", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
    for match in LINK.finditer(shown):
        target = match[1] or match[2]
        number = shown.count("\n", 0, match.start()) + 1
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        other = (file.parent / path).resolve() if path else file
        if not other.exists():
            yield f"{file.relative_to(ROOT)}:{number}: `{target}` leads nowhere"
        elif anchor and other.suffix == ".md" and anchor not in anchors(other.read_text()):
            yield f"{file.relative_to(ROOT)}:{number}: `{target}`: there is no such heading"


def fenced(text):
    """The lines of shell blocks."""
    return "\n".join(re.findall(r"```(?:sh|bash|shell|console)\n(.*?)```", text, re.S))


def commands(file, text, binary):
    for name, rest in COMMAND.findall(fenced(text)):
        done = subprocess.run([binary, name, "--help"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            yield f"{file.relative_to(ROOT)}: shows `larder {name}`, which does not exist"
            continue
        for flag in re.findall(r"(?<=\s)--[a-z][a-z-]*", rest.split(" -- ")[0]):
            if flag not in done.stdout:
                yield f"{file.relative_to(ROOT)}: shows `larder {name} {flag}`, which its help does not know"


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else None
    files, wrong = tracked(), []
    for file in files:
        if file.suffix in BINARY_SUFFIXES or str(file.relative_to(ROOT)) in EXEMPT:
            continue
        text = file.read_text(errors="replace")
        wrong += foreign(file, text)
        if file.suffix == ".md":
            wrong += links(file, text)
            wrong += commands(file, text, binary) if binary else []
    print("\n".join(wrong) if wrong else "", end="\n" if wrong else "")
    print(f"texts: {len(files)} files, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
