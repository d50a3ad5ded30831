"""Lines of bytes with a bound on their length, and rows of JSON Lines."""

import re
from collections.abc import Iterable, Iterator

import orjson

from curation.formats.rows import LIMITS, Row, bad_row

BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|([{\[])|([}\]])', re.DOTALL)
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def lines(pieces: Iterable[bytes], limit: int = LIMITS.row) -> Iterator[bytes | None]:
    r"""Each line without its \n; None for one longer than `limit` bytes, of which no more than a piece is held."""
    tail: list[bytes] = []
    held = 0
    too_long = False
    for piece in pieces:
        first, *rest = piece.split(b"\n")
        held += len(first)
        if held > limit:
            too_long, tail = True, []
        if not too_long:
            tail.append(first)
        if not rest:
            continue
        yield None if too_long else b"".join(tail)
        last = rest.pop()
        if len(piece) > limit:
            yield from (None if len(line) > limit else line for line in rest)
        else:
            yield from rest
        tail, held, too_long = [last], len(last), False
    if too_long:
        yield None
    elif held:
        yield b"".join(tail)


def read_jsonl(pieces: Iterable[bytes], start: int = 0, limit: int = LIMITS.row) -> Iterator[Row]:
    """A row for each line that is not blank, after the first `start` of them."""
    loads = orjson.loads
    seen = 0
    for number, line in enumerate(lines(pieces, limit), 1):
        if line is not None and (not line or line.isspace()):
            continue
        seen += 1
        if seen <= start:
            continue
        if line is None:
            yield too_long(number, limit)
            continue
        if line.count(b"{") + line.count(b"[") > LIMITS.depth and depth_of(line) > LIMITS.depth:
            yield too_deep(number, line)
            continue
        try:
            data = loads(line)
        except orjson.JSONDecodeError as error:
            yield not_json(number, line, error)
            continue
        yield row_of(number, data, line)


def row_of(number: int, data: object, raw: bytes, where: str = "") -> Row:
    """A row for a JSON value: bad unless it is an object that a database can hold.

    Whole numbers beyond 64 bits have become floating-point ones, as orjson reads them.
    """
    if not isinstance(data, dict):
        text = f"This is {_kind(data)}, not an object: each row must look like {{…}}."
        return bad_row(number, "not-an-object", text, raw, where)
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        return bad_row(number, "nul", "The row holds a NUL character (\\u0000): remove it.", raw, where)
    return Row(number, data)


def depth_of(text: bytes) -> int:
    """How deep brackets nest in JSON, those in strings not counted."""
    depth = deepest = 0
    for match in BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif match[2]:
            depth -= 1
    return deepest


def too_long(number: int, limit: int, where: str = "") -> Row:
    return bad_row(number, "row-too-long", f"The row is longer than {limit >> 20} MB: split it.", "", where)


def too_deep(number: int, raw: bytes, where: str = "") -> Row:
    text = f"The row is nested deeper than {LIMITS.depth} levels: flatten it."
    return bad_row(number, "row-too-deep", text, raw, where)


def not_json(number: int, raw: bytes, error: orjson.JSONDecodeError, where: str = "") -> Row:
    """A sentence from the parser's words, and the usual cause where there is one."""
    hint = ""
    if re.search(rb"[:\[,]\s*(NaN|-?Infinity)\b", raw):
        hint = " NaN and Infinity are not JSON: write null."
    elif re.match(rb"\s*\{\s*'", raw):
        hint = " JSON takes double quotes, not single ones."
    text = f"This is not valid JSON: {error.msg[:100]} (character {error.pos + 1}).{hint}"
    return bad_row(number, "not-json", text, raw, where)


def _kind(data: object) -> str:
    names = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(data), "something else")
