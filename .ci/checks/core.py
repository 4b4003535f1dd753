#!/usr/bin/env python3
"""larder-core is pure: it depends on nothing that acts, and calls nothing that does.

Its dependency tree must be `core-dependencies.txt`, in both directions; `core.py --write` writes that file anew, and
the change is for a reviewer to see.
"""
import re
import subprocess
import sys

from names import ROOT, TEST_FILE, without_tests

LIST = ROOT / ".ci/checks/core-dependencies.txt"
SOURCES = ROOT / "crates/larder-core/src"
ACTS = {
    r"std::(fs|net(?!::(Ip|Socket))|env|process|thread|os)\b": "files, sockets, variables, processes and threads belong to the engine",
    r"std::\{[^}]*\b(fs|net(?!::(Ip|Socket))|env|process|thread)\b": "files, sockets, variables, processes and threads belong to the engine",
    r"\b(SystemTime|Instant)::now\b": "time is a parameter",
    r"\b(print|eprint)(ln)?!|\bdbg!": "the core prints nothing",
    r"\btokio\b|\basync\s+(fn|move|\{)|\.await\b": "the core does not wait",
    r"\bstd::io::(stdin|stdout|stderr)\b": "the core reads and prints nothing",
    r"\bthread_local!|\bstatic\s+mut\b": "the core remembers nothing",
}


def tree():
    """The names of larder-core's normal and build dependencies, on every platform."""
    command = ["cargo", "tree", "--locked", "-p", "larder-core", "-e", "normal,build", "--prefix", "none", "--target", "all", "--format", "{p}"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({line.split()[0] for line in text.splitlines() if line.strip()} - {"larder-core"})


def dependencies():
    allowed = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    found, wrong = tree(), 0
    for name in sorted(set(found) ^ set(allowed)):
        wrong += 1
        word = "depends on" if name in found else "no longer depends on"
        print(f"larder-core {word} `{name}`\nhint: if that is meant and `{name}` is pure: .ci/checks/core.py --write")
    return len(found), wrong


def calls():
    wrong = 0
    for file in sorted(SOURCES.rglob("*.rs")):
        if TEST_FILE.search(str(file.relative_to(ROOT))):
            continue
        for number, line in enumerate(without_tests(file.read_text()).split("\n"), 1):
            code = re.sub(r"//.*", "", line)
            for pattern, why in ACTS.items():
                if re.search(pattern, code):
                    wrong += 1
                    print(f"{file.relative_to(ROOT)}:{number}: `{line.strip()}`\nhint: {why}")
    return wrong


def main():
    if "--write" in sys.argv:
        head = "# What larder-core is built from. Each is pure: no runtime, sockets, files or clock.\n"
        LIST.write_text(head + "".join(name + "\n" for name in tree()))
        return
    count, wrong = dependencies()
    wrong += calls()
    print(f"core: {count} dependencies, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
