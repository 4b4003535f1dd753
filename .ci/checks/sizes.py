#!/usr/bin/env python3
"""No Rust source over 800 lines and no function over 80 (STYLE.md). Tables of tests are exempt."""
import re
import sys

from names import sources

FILE, FUNCTION = 800, 80
FN = re.compile(r"^(\s*)(?:pub(?:\([^)]*\))?\s+)?(?:default\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?(?:extern\s+\"[^\"]*\"\s+)?fn\s+(\w+)")


def functions(lines):
    """(name, first line, length) of each function that has a body."""
    for start, line in enumerate(lines):
        if not (match := FN.match(line)):
            continue
        for end in range(start, len(lines)):
            if end == start and lines[end].rstrip().endswith(("}", ";")):
                break
            if lines[end].rstrip() == match[1] + "}":
                yield match[2], start + 1, end - start + 1
                break


def main():
    wrong = 0
    for shown, text in sources():
        lines = text.rstrip().split("\n")
        if len(lines) > FILE:
            wrong += 1
            print(f"{shown}: {len(lines)} lines, at most {FILE}")
        for name, at, length in functions(lines):
            if length > FUNCTION:
                wrong += 1
                print(f"{shown}:{at}: `{name}` has {length} lines, at most {FUNCTION}")
    print(f"sizes: {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
