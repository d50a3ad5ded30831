"""Comma- and tab-separated text, and whole text files."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator

from atelier.characters import NUL
from curation.formats.readers.jsonl import lines
from curation.formats.readers.layouts import SEP, Layout, allow_long_cells, cells_of, restored, swallowed
from curation.formats.readers.rows import LIMITS, FormatError, Note, SourceRow, bad_row, with_nul


def column_names(header: list[str]) -> list[str]:
    """Turn the header's cells into names: none empty, none twice. Raises FormatError for too many."""
    if len(header) > LIMITS.columns:
        raise FormatError(f"The table has {len(header):,} columns; at most {LIMITS.columns:,} can be read.")
    names: dict[str, None] = {}
    counts: dict[str, int] = {}  # where the search for a free name goes on: from 2 for each cell it would take years
    for number, cell in enumerate(header, 1):
        name = base = " ".join(str(cell).replace(NUL, "").replace("\ufeff", "").split())[:200] or f"column {number}"
        while name in names:
            counts[base] = counts.get(base, 1) + 1
            name = f"{base} {counts[base]}"
        names[name] = None
    return list(names)


def read_csv(pieces: Iterable[bytes], layout: Layout, start: int = 0) -> Iterator[SourceRow]:
    """Yield a row for each line of cells below the header, after the first `start`; cells are text."""
    allow_long_cells()
    taken = _Lines(pieces)
    reader = cells_of(taken, layout.delimiter, layout.quoting)
    names: list[str] | None = None
    rows = seen = 0
    while True:
        taken.since = []
        line = taken.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            rows, seen = rows + 1, seen + 1
            if seen > start:
                yield bad_row(line, "csv", _why_broken(error), "".join(taken.since))
            continue
        if not cells:
            continue
        rows += 1
        if layout.quoting == "backslash":
            cells = [restored(cell) for cell in cells]
        if rows == layout.header:
            names = column_names(cells)
        if rows <= layout.header:
            continue
        names = names or column_names([""] * len(cells))
        seen += 1
        if seen > start:
            row = _row(line, names, cells, layout)
            yield row._replace(notes=(MARKED, *row.notes)) if taken.marked else row
        taken.marked = False


MARKED = Note("byte-order-mark", "A byte order mark in the middle of the file was left out.")
PRINTED = re.compile(r"\s*\[?\s*\{\s*'\w+'\s*:")
TALK = frozenset(
    ("messages", "conversations", "conversation", "chosen", "rejected", "dialog", "dialogue", "turns", "tools")
)


class _Lines:
    """The lines of a table: their number, those since the last row, and whether one began with a byte order mark."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.lines = lines(pieces)
        self.number = 0
        self.marked = False
        self.since: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        if line is None:
            # A line too long for us is given as one too long for the reader, which reports it with its number.
            return "x" * (LIMITS.row + 1)
        if line.startswith(codecs.BOM_UTF8):
            self.marked, line = self.number > 1, line.removeprefix(codecs.BOM_UTF8)
        if self.number == 1 and SEP.fullmatch(line.decode("utf-8", "replace")):
            return next(self)  # says where Excel is to cut, and is no row
        text = line.decode("utf-8", "replace") + "\n"
        if len(self.since) < 100:
            self.since.append(text)
        return text


def _why_broken(error: csv.Error) -> str:
    if "expected after" in str(error):
        return "A quote closes before the end of its cell. Double the quotes inside a cell, or choose another quoting for the file."
    reason = "the file ends inside of it" if "unexpected end" in str(error) else str(error)
    return (
        f"This row cannot be read ({reason}). Its last cell runs on, so a quote that opens there may never be closed."
    )


def _row(line: int, names: list[str], cells: list[str], layout: Layout) -> SourceRow:
    width, delimiter = len(names), layout.delimiter
    if len(cells) > width and not any(cells[width:]):
        cells = cells[:width]
    if len(cells) != width:
        return bad_row(line, "ragged", _why_ragged(names, cells), line_of(cells, delimiter))
    if any(NUL in cell for cell in cells):
        return with_nul(line, line_of(cells, delimiter))
    if any("\ufffd" in cell for cell in cells):
        text = "The row has characters that are invalid in its encoding. Choose the file's encoding."
        return bad_row(line, "encoding", text, line_of(cells, delimiter))
    data = dict(zip(names, cells, strict=True))
    if printed := next((name for name, cell in data.items() if name in TALK and PRINTED.match(cell)), ""):
        text = f"“{printed}” holds what Python prints, not JSON. Write that column with json.dumps."
        return bad_row(line, "python-printed", text, line_of(cells, delimiter))
    if doubted := swallowed(cells, width, delimiter):
        return SourceRow(line, data, notes=(_doubt(names[cells.index(doubted)]),))
    return SourceRow(line, data)


def _doubt(name: str) -> Note:
    text = f"A cell of “{name}” runs over lines that look like rows of their own, so a quote may never be closed. Check it, or choose another quoting."
    return Note("swallowed-lines", text)


def _why_ragged(names: list[str], cells: list[str]) -> str:
    """Explain what a row of another width than the header's lacks or has too much of, and what would be right."""
    counts = f"The row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'} but the header has {len(names)}"
    if len(cells) > len(names):
        return f"{counts}. Quote cells that hold the delimiter."
    if "\n" in cells[-1]:
        return f"{counts}. Its last cell runs over several lines, so a quote that opens there may never be closed."
    missing = [f"“{name}”" for name in names[len(cells) :]]
    return f"{counts}: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''} missing. Write empty cells for them."


def line_of(cells: list[str], delimiter: str) -> str:
    """Return the cells as a line of such a table, so that it can be read again once it is fixed."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def unix_lines(pieces: Iterable[bytes], sample: bytes) -> Iterable[bytes]:
    r"""Convert the \r line ends of old files to the \n that the reader needs."""
    if b"\r" in sample and b"\n" not in sample:
        return (piece.replace(b"\r", b"\n") for piece in pieces)
    return pieces


def read_text(pieces: Iterable[bytes], name: str, start: int = 0) -> Iterator[SourceRow]:
    """Yield one document: the whole file as `text`, its name as `name`. An empty file is a bad row."""
    if start:
        return
    whole = b""
    for piece in pieces:
        whole += piece
        if len(whole) > LIMITS.row:
            yield bad_row(1, "row-too-long", f"The text is longer than {LIMITS.row >> 20} MB. Split it.", whole, name)
            return
    try:
        text = whole.decode()
    except UnicodeDecodeError as error:
        yield bad_row(
            1, "encoding", f"Byte {error.start + 1} is not valid UTF-8. Choose the file's encoding.", whole, name
        )
        return
    if not text.strip():
        yield bad_row(1, "empty-text", "The file contains no text.", "", name)
    elif NUL in text:
        yield bad_row(1, "nul", "The text contains a NUL character, so it may not be a text file.", whole, name)
    else:
        yield SourceRow(1, {"name": name, "text": text.replace("\r\n", "\n")})
