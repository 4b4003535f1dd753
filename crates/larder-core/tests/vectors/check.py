#!/usr/bin/env python3
"""Checks the golden vectors of docs/design/key.md with an implementation of its own.

Nothing here is shared with the Rust sources: Python's json reads, the canonical form is written below, PyPI
`multiformats` makes the CIDs.

    check.py                      checks key.json beside this file
    check.py --documents FILE     checks JSON lines {"text", "canonical", "key"}; null for a text that is refused.
                                  Where every integer fits a double, PyPI `rfc8785` writes the canonical form, too
    check.py --complete           fills in what new entries of key.json leave out (canonical, key, members, member)

Prints `N passed, 0 failed`; exit 1 on a mismatch, 2 where `multiformats` is missing.
"""

import argparse
import hashlib
import json
import math
import pathlib
import re
import sys

try:
    from multiformats import CID, multihash
except ImportError:
    print("`multiformats` is not installed\nhint: pip install multiformats", file=sys.stderr)
    sys.exit(2)

VECTORS = pathlib.Path(__file__).with_name("key.json")
DEPTH = 128
WRAPPING = 4
DIGITS = 4096


class Refused(ValueError):
    """The text is not JSON, or not a question."""


class Integer(str):
    """An integer literal, digit by digit."""


# --- reading ---


def parse_integer(literal):
    if len(literal.lstrip("-")) > DIGITS:
        raise Refused("too many digits")
    return Integer("0" if literal == "-0" else literal)


def parse_decimal(literal):
    value = float(literal)
    if math.isinf(value):
        raise Refused("beyond a double")
    return value


def parse_constant(word):
    raise Refused(f"{word} is not JSON")


def parse_object(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("a member occurs twice")
    return members


def check_tree(value, room):
    if isinstance(value, (dict, list)) and room == 0:
        raise Refused("too deep")
    if isinstance(value, dict):
        for name, member in value.items():
            check_tree(name, room)
            check_tree(member, room - 1)
    elif isinstance(value, list):
        for element in value:
            check_tree(element, room - 1)
    elif isinstance(value, str):
        value.encode("utf-8")  # refuses lone surrogates


def parse(data, depth=DEPTH):
    """Reads JSON from bytes. Integers become Integer, other numbers float."""
    try:
        text = data.decode("utf-8")
        decoder = json.JSONDecoder(
            object_pairs_hook=parse_object,
            parse_int=parse_integer,
            parse_float=parse_decimal,
            parse_constant=parse_constant,
        )
        value = decoder.decode(text)
        check_tree(value, depth)
        return value
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from error


# --- writing ---


def number(value):
    """ECMA-262, Number::toString(10)."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, exponent = f"{abs(value)!r}e0".split("e")[:2]
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = int(exponent) + len(whole) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    shown = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{sign}{shown}e{point - 1:+d}"


SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def string(text):
    def escape(match):
        return SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"

    return '"' + re.sub(r'["\\\x00-\x1f]', escape, text) + '"'


def canonical(value):
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, Integer):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(f"{string(name)}:{canonical(value[name])}" for name in names) + "}"


# --- questions ---

REQUIRED = {"larder": (Integer, float), "service": str, "operation": str, "share": str, "params": dict}
OPTIONAL = {"origin": str, "path": dict, "query": dict, "headers": dict, "body": object}
SHARE = re.compile(r"public|team|anonymous|credential:[a-z2-7]{51}[aq]")


def question(data):
    """The canonical bytes of a question's document."""
    document = parse(data, DEPTH + WRAPPING)
    if not isinstance(document, dict) or canonical(document.get("larder")) != "1":
        raise Refused("not version 1")
    for name, kind in REQUIRED.items():
        if not isinstance(document.get(name), kind) or kind is str and isinstance(document[name], Integer):
            raise Refused(f"`{name}` is missing or of another type")
    for name, member in document.items():
        kind = (REQUIRED | OPTIONAL).get(name)
        if kind is None or not isinstance(member, kind) or kind is str and isinstance(member, Integer):
            raise Refused(f"`{name}` is unknown or of another type")
    if not SHARE.fullmatch(document["share"]):
        raise Refused("not a share")
    said = {name: member for name, member in document.items() if name not in ("path", "query", "headers") or member}
    return canonical(said).encode()


def key(data):
    return str(CID("base32", 1, "raw", multihash.digest(data, "sha2-256")))


# --- query strings ---


def percent(text):
    """Decoded text; None for a bad escape or for what is not UTF-8."""
    text = text.replace("+", " ").encode()
    if re.search(rb"%(?![0-9A-Fa-f]{2})", text):
        return None
    try:
        return re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), text, flags=re.S).decode()
    except UnicodeDecodeError:
        return None


def query_members(query):
    found = {}
    for piece in filter(None, query.split("&")):
        name, equals, text = piece.partition("=")
        name, value = percent(name), percent(text)
        if name is None:
            return {"": {"query": query}}
        found.setdefault(name, []).append((value if value is not None else {"raw": text}) if equals else None)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


# --- bodies ---

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
PARAMETER = re.compile(rf';\s*({TOKEN})=({TOKEN}|"(?:[^"\\]|\\.)*")\s*', re.S)


def media(text):
    """Lower-case type and its parameters; None where it is not one, a parameter occurs twice, or there are more than 16."""
    essence, _, rest = text.partition(";")
    rest = (";" + rest).strip()
    parameters = {}
    while rest.strip("; "):
        match = PARAMETER.match(rest)
        if not match or match[1].lower() in parameters or len(parameters) == 16:
            return None
        parameters[match[1].lower()] = match[2][1:-1] if match[2].startswith('"') else match[2]
        rest = rest[match.end() :]
    return essence.strip().lower(), parameters


def is_json(content_type):
    kind, parameters = media(content_type or "") or ("", {})
    utf8 = parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")
    return utf8 and (kind == "application/json" or "/" in kind and kind.endswith("+json"))


def multipart(content_type, data):
    kind, parameters = media(content_type or "") or ("", {})
    boundary = parameters.pop("boundary", "")
    if not kind.startswith("multipart/") or not re.fullmatch(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]", boundary):
        return None
    pieces = (b"\r\n" + data).split(b"\r\n--" + boundary.encode())
    if pieces[0] != b"" or pieces[-1] not in (b"--", b"--\r\n") or len(pieces) < 2:
        return None
    parts = [part(piece) for piece in pieces[1:-1]]
    if None in parts:
        return None
    return {"type": kind + "".join(f';{name}="{value}"' for name, value in parameters.items()), "parts": parts}


def part(piece):
    if not piece.startswith(b"\r\n") or b"\r\n\r\n" not in piece:
        return None
    head, content = piece.split(b"\r\n\r\n", 1)
    said, others = {"sha256": hashlib.sha256(content).hexdigest()}, {}
    for line in head.split(b"\r\n")[1:]:
        match = re.fullmatch(rf"({TOKEN}):([^\r\n\0]*)", line.decode("utf-8"))
        if not match:
            return None
        name, value = match[1].lower(), match[2].strip(" \t")
        if name in others or name == "content-type" and "type" in said:
            return None
        if name == "content-disposition":
            kind, parameters = media(value) or ("", {})
            if kind != "form-data" or set(parameters) - {"name", "filename", "filename*"} or set(parameters) & set(said):
                return None
            said |= parameters
        elif name == "content-type":
            said["type"] = value
        else:
            others[name] = value
    return said | ({"headers": others} if others else {})


def body_member(content_type, data):
    if not data:
        return None
    if is_json(content_type):
        try:
            value = parse(data)
            return {"json": value} if value is None or isinstance(value, dict) else value
        except Refused:
            pass
    elif (member := multipart(content_type, data)) is not None:
        return member
    kind = content_type
    if kind is not None:
        essence, _, parameters = kind.partition(";")
        kind = essence.strip().lower() + (";" + parameters.strip() if parameters.strip() else "")
    return {"type": kind, "sha256": hashlib.sha256(data).hexdigest()}


# --- checking ---


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def equal(self, name, ours, theirs):
        if ours == theirs:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{name}:\n  here:  {ours!r}\n  there: {theirs!r}", file=sys.stderr)


def answer(data):
    """Canonical text and key; a pair of None where the text is refused."""
    try:
        text = question(data)
        return text.decode(), key(text)
    except Refused:
        return None, None


def check_vectors(file, tally):
    for vector in file["vectors"]:
        tally.equal(vector["name"], answer(vector["question"].encode()), (vector["canonical"], vector["key"]))
    for vector in file["refused"]:
        data = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["question"].encode()
        tally.equal(vector["name"], answer(data), (None, None))
    for vector in file["queries"]:
        tally.equal(vector["query"], canonical(query_members(vector["query"])), vector["members"])
    for vector in file["bodies"]:
        ours = canonical(body_member(vector["content_type"], vector["body"].encode()))
        tally.equal(vector["name"], ours, vector["member"])
    keys = {vector["name"]: vector["key"] for vector in file["vectors"]}
    for first, second in file["same"]:
        tally.equal(f"{first} / {second}", keys[first], keys[second])
    for first, second in file["must_differ"]:
        tally.equal(f"{first} / {second}", keys[first] != keys[second], True)


def check_documents(path, tally):
    documents = by_jcs = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            document = json.loads(line)
            documents += 1
            tally.equal(document["text"], answer(document["text"].encode()), (document["canonical"], document["key"]))
            if document["canonical"] and (theirs := jcs(document["text"])) is not None:
                by_jcs += 1
                tally.equal(document["text"], theirs, document["canonical"])
    print(f"{documents} documents, {by_jcs} of them by rfc8785, too")
    tally.equal("enough documents", documents >= 10_000 and by_jcs >= 5_000, True)


def jcs(text):
    """The canonical form by PyPI `rfc8785`; None where an integer is beyond what JCS can say."""
    import rfc8785

    said = json.loads(text)
    said = {name: member for name, member in said.items() if name not in ("path", "query", "headers") or member}
    try:
        return rfc8785.dumps(said).decode()
    except rfc8785.IntegerDomainError:
        return None


def complete(file):
    for vector in file["vectors"]:
        if "key" not in vector:
            vector["canonical"], vector["key"] = answer(vector["question"].encode())
    for vector in file["queries"]:
        vector.setdefault("members", canonical(query_members(vector["query"])))
    for vector in file["bodies"]:
        vector.setdefault("member", canonical(body_member(vector["content_type"], vector["body"].encode())))
    VECTORS.write_text(json.dumps(file, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", metavar="FILE")
    parser.add_argument("--complete", action="store_true")
    arguments = parser.parse_args()
    tally = Tally()
    file = json.loads(VECTORS.read_text(encoding="utf-8"))
    if arguments.complete:
        complete(file)
    if arguments.documents:
        check_documents(arguments.documents, tally)
    else:
        check_vectors(file, tally)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
