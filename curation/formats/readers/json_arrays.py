"""A reader of JSON arrays of any size, row by row: only the current row and one block are in memory.

A row's end is found by counting brackets outside strings; what is between is given to the JSON parser. So a bad row
costs itself only, and the rows after it are read.
"""

import re
from collections.abc import Iterable, Iterator

from curation.formats.readers.jsonl import row_in, too_long
from curation.formats.readers.rows import LIMITS, SourceRow

TOKEN = re.compile(rb'["{}\[\]]')
# A table of rows under one key: {"data": [{...}]}, {"version": "1.1", "data": [{...}]}, {"count": 3, "next": null, "results": [{...}]}.
# Only what tells of a whole file may stand before it: after an "id" the object is a row itself.
WRAPPED = re.compile(
    rb"""\s*\{\s*
    (?:"(?:version|format|schema|description|licen[cs]e|language|split|count|total|page|next|previous|created|created_at|exported_at)"
        \s*:\s*(?:"(?:[^"\\]|\\.)*"|[-+.\w]+)\s*,\s*)*
    "(?:data|rows|items|records|examples|results|train|dataset)"\s*:\s*(?=\[\s*[{\]])""",
    re.VERBOSE,
)
PART = re.compile(rb"[^,]+")
HEAD = 4096  # bytes within which the rows of such a file must begin


def before_rows(text: bytes) -> int:
    """Return how many bytes precede the list of rows in an object like {"data": [{...}]}; 0 if there is no such list."""
    found = WRAPPED.match(text[:HEAD])
    return found.end() if found else 0


def read_json(pieces: Iterable[bytes], start: int = 0, limit: int = LIMITS.row) -> Iterator[SourceRow]:
    """Yield a row for each element of the array, or for each of several objects one after another. `line` counts elements."""
    for number, chunk in enumerate(values(pieces, limit), 1):
        if number <= start:
            continue
        where = f"row {number}"
        if chunk is None:
            yield too_long(number, limit, where)
        else:
            yield row_in(number, chunk, where)


def values(pieces: Iterable[bytes], limit: int = LIMITS.row) -> Iterator[bytes | None]:
    """Yield the text of each value in the array (or stream of objects); None for one longer than `limit` bytes."""
    return _Splitter(limit).split(pieces)


class _Splitter:
    """Finds where one value ends and the next begins. `base` is 1 inside the outer array, 0 for a stream of objects."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.buffer = b""
        self.at = 0  # of the next byte to look at
        self.begin = 0  # of the present value, or of the gap before it
        self.depth = 0
        self.base = 0
        self.in_string = False
        self.wrapped = self.done = False
        self.dropping = False  # the present value is too long: it is read past, not kept

    def split(self, pieces: Iterable[bytes]) -> Iterator[bytes | None]:
        source = iter(pieces)
        self._open(source)
        for piece in source:
            self._shrink()
            self.buffer += piece
            yield from self._scan()
            if self.done:
                return
        yield from self._rest()

    def _open(self, source: Iterator[bytes]) -> None:
        """Step over `[`, or over `{"data": [`."""
        for piece in source:
            self.buffer += piece
            if len(self.buffer) > HEAD:
                break
        wrapped = before_rows(self.buffer)
        self.at = wrapped or len(self.buffer) - len(self.buffer.lstrip())
        if self.buffer[self.at : self.at + 1] == b"[":
            self.base = self.depth = 1
            self.at += 1
        self.begin = self.at
        self.wrapped = bool(wrapped)

    def _shrink(self) -> None:
        """Discard what is done; a value that grew beyond the limit is discarded but for what escapes need."""
        if len(self.buffer) - self.begin > self.limit:
            self.dropping = True
        if self.dropping:
            run = len(self.buffer) - len(self.buffer.rstrip(b"\\"))
            self.buffer = b"\\" if run % 2 else b""
            self.begin, self.at = 0, len(self.buffer)
        elif self.begin:
            self.buffer = self.buffer[self.begin :]
            self.at -= self.begin
            self.begin = 0

    def _scan(self) -> Iterator[bytes | None]:
        while True:
            if self.in_string and not self._leave_string():
                return
            match = TOKEN.search(self.buffer, self.at)
            if match is None:
                self.at = len(self.buffer)
                return
            self.at = match.end()
            token = match[0]
            if token == b'"':
                self.in_string = True
            elif token in b"{[":
                if self.depth == self.base:
                    yield from self._gap(match.start())
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth == self.base:
                    yield self._value()
                elif self.depth < self.base:
                    yield from self._gap(match.start())
                    self._close_array()
                    if self.done:
                        return

    def _leave_string(self) -> bool:
        """Move to after the closing quote; return False if it is not read yet."""
        while (quote := self.buffer.find(b'"', self.at)) >= 0:
            before = quote
            while before and self.buffer[before - 1] == 0x5C:
                before -= 1
            self.at = quote + 1
            if (quote - before) % 2 == 0:
                self.in_string = False
                return True
        self.at = len(self.buffer)
        return False

    def _value(self) -> bytes | None:
        value = None if self.dropping or self.at - self.begin > self.limit else self.buffer[self.begin : self.at]
        self.begin, self.dropping = self.at, False
        return value

    def _gap(self, end: int) -> Iterator[bytes | None]:
        """Yield what is between two values: anything but commas and space is a value of its own, and a bad row."""
        gap = b"" if self.dropping else self.buffer[self.begin : end].strip(b", \t\r\n")
        if self.dropping:
            yield None
        elif gap:
            yield from (part[0] for part in PART.finditer(gap) if part[0].strip()) if b'"' not in gap else [gap]
        self.begin, self.dropping = end, False

    def _close_array(self) -> None:
        """Close the outer array: after it follows a stream, in which nothing is expected."""
        self.begin = self.at
        self.base = self.depth = 0
        self.done = self.wrapped  # What else the object around the rows holds is none of them.

    def _rest(self) -> Iterator[bytes | None]:
        yield from self._scan()
        rest = self.buffer[self.begin :].strip(b", \t\r\n")
        if self.done:
            return
        if self.dropping:
            yield None
        elif rest:
            yield rest
