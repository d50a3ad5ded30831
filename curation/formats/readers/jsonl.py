"""Lines of bytes of bounded length, and the reader of JSON Lines."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator

import orjson

from curation.formats.readers.rows import LIMITS, Note, SourceRow, bad_row, with_nul

# Possessive, and a string that is never closed goes on to the end: each byte is looked at once, whatever the line holds.
BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([{\[])|([}\]])', re.DOTALL)
LONG_NUMBER = re.compile(rb"[0-9]{19}")
LEAST, MOST = -(2**63), 2**64 - 1  # the whole numbers that orjson reads and writes
MARK = codecs.BOM_UTF8
LONG = Note("long-number", "Whole numbers beyond 64 bits were kept as text, digit by digit.")
TWICE = Note("key-twice", "A key stands twice in an object; its last value was kept.")
MARKED = Note("byte-order-mark", "A byte order mark in the middle of the file, or in a key, was left out.")
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def lines(pieces: Iterable[bytes], limit: int = LIMITS.row) -> Iterator[bytes | None]:
    r"""Yield each line without its \n; None for one longer than `limit` bytes, of which no more than a piece is held."""
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


def read_jsonl(pieces: Iterable[bytes], start: int = 0, limit: int = LIMITS.row) -> Iterator[SourceRow]:
    """Yield a row for each line that is not blank, after the first `start` of them."""
    for number, line in numbered(pieces, start, limit):
        yield too_long(number, limit) if line is None else row_from(number, line)


def numbered(pieces: Iterable[bytes], start: int = 0, limit: int = LIMITS.row) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line) of each line that is not blank, after the first `start` of them; None for too long a line."""
    seen = 0
    for number, line in enumerate(lines(pieces, limit), 1):
        if line is not None and (not line or line.isspace()):
            continue
        seen += 1
        if seen > start:
            yield number, line


def row_from(number: int, line: bytes) -> SourceRow:
    """Return the row of one line of JSON."""
    marked = line.startswith(MARK)
    line = line.removeprefix(MARK) if marked else line
    row = row_in(number, line)
    return row._replace(notes=(MARKED, *row.notes)) if marked and number > 1 else row


def row_in(number: int, raw: bytes, where: str = "") -> SourceRow:
    """Return the row of the text of one JSON value, exactly as it stands there."""
    if refused := too_nested(number, raw, where):
        return refused
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return not_json(number, raw, error, where)
    row = row_of(number, data, raw, where)
    return row if row.data is None else _exact(row, raw)


def _exact(row: SourceRow, raw: bytes) -> SourceRow:
    """Read a row again where the fast parser loses digits, keys or names."""
    is_marked = b"\xef\xbb\xbf" in raw or b"ufeff" in raw.lower()
    # As many names come out as stand there, unless one stands twice or the text has a mark like a name's end.
    twice = raw.count(b'":') + raw.count(b'" :') != orjson.dumps(row.data).count(b'":')
    if not (twice or is_marked or LONG_NUMBER.search(raw)):
        return row
    notes: set[Note] = set()

    def whole(digits: str) -> int | str:
        number = whole_number(digits)
        if isinstance(number, str):
            notes.add(LONG)
        return number

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = {(key.removeprefix("\ufeff") if is_marked else key): value for key, value in pairs}
        if len(found) < len(pairs):
            notes.add(TWICE)
        if is_marked and any(key.startswith("\ufeff") for key, _ in pairs):
            notes.add(MARKED)
        return found

    data = json.loads(raw, parse_int=whole, object_pairs_hook=unique)
    return row._replace(data=data, notes=(*row.notes, *sorted(notes))) if notes else row


def whole_number(digits: str) -> int | str:
    """Return a whole number, as its digits if it has more than 64 bits: no JSON library here would write it again."""
    return int(digits) if len(digits) < 19 or (len(digits) < 30 and LEAST <= int(digits) <= MOST) else digits


def row_of(number: int, data: object, raw: bytes, where: str = "") -> SourceRow:
    """Return the row of a JSON value: bad unless it is an object that a database can store."""
    if not isinstance(data, dict):
        text = f"This is {_kind(data)}, not an object. Each row must look like {{…}}."
        return bad_row(number, "not-an-object", text, raw, where)
    if b"\\u0000" in raw and ESCAPED_NUL.search(raw):
        return with_nul(number, raw, where)
    return SourceRow(number, data)


def too_nested(number: int, raw: bytes, where: str = "") -> SourceRow | None:
    """Return the bad row for JSON whose brackets nest too deep or are too many; None for any other.

    Brackets in strings are not counted.
    """
    if raw.count(b"{") + raw.count(b"[") <= LIMITS.depth:
        return None
    depth = opened = 0
    for match in BRACKETS.finditer(raw):
        if match[1]:
            depth, opened = depth + 1, opened + 1
            if depth > LIMITS.depth:
                text = f"The row is nested deeper than {LIMITS.depth} levels. Flatten it."
                return bad_row(number, "row-too-deep", text, raw, where)
            if opened > LIMITS.values:
                return too_wide(number, raw, where)
        elif match[2]:
            depth -= 1
    return None


def too_long(number: int, limit: int, where: str = "") -> SourceRow:
    return bad_row(number, "row-too-long", f"The row is longer than {limit >> 20} MB. Split it.", "", where)


def too_wide(number: int, raw: bytes = b"", where: str = "") -> SourceRow:
    return bad_row(number, "row-too-wide", f"The row holds more than {LIMITS.values:,} values. Split it.", raw, where)


def not_json(number: int, raw: bytes, error: orjson.JSONDecodeError, where: str = "") -> SourceRow:
    """Return a bad row with a sentence made from the parser's words, and the usual cause if there is one."""
    if "memory" in error.msg:  # the parser's words for what Python calls by another name
        raise MemoryError
    hint = ""
    if re.search(rb"[:\[,]\s*(NaN|-?Infinity)\b", raw):
        hint = " NaN and Infinity aren't JSON. Write null."
    elif re.match(rb"\s*\[?\s*\{\s*'", raw):
        hint = " JSON needs double quotes, not single ones. Python prints so; write the rows with json.dumps."
    elif re.search(rb"[:\[,]\s*(None|True|False)\b", raw):
        hint = " None, True and False are Python's. Write null, true and false, as json.dumps does."
    text = f"This is not valid JSON: {error.msg[:100]} (character {error.pos + 1}).{hint}"
    return bad_row(number, "not-json", text, raw, where)


def _kind(data: object) -> str:
    names = {list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(data), "something else")
