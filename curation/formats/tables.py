"""Comma- and tab-separated text, and whole text files."""

import csv
import io
from collections.abc import Iterable, Iterator

from curation.formats.lines import lines
from curation.formats.rows import LIMITS, FormatError, Row, bad_row

DELIMITERS = (",", "\t", ";", "|")
NUL = "\x00"


def guess_delimiter(sample: str, default: str = ",") -> str:
    """The delimiter that cuts the first lines into the most columns, the same number in each."""
    _allow_long_cells()
    best, most = default, 0.0
    for delimiter in dict.fromkeys((default or ",", *DELIMITERS)):
        try:
            # The last line of a sample may be cut.
            widths = [len(cells) for cells in csv.reader(sample.splitlines(True)[:50], delimiter=delimiter) if cells]
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        agreeing = sum(1 for width in widths if width == widths[0]) / len(widths)
        if agreeing * min(widths[0], 50) > most + 0.001:
            best, most = delimiter, agreeing * min(widths[0], 50)
    return best


def column_names(header: list[str]) -> list[str]:
    """The header's cells made into names: none empty, none twice. Raises FormatError for too many."""
    if len(header) > LIMITS.columns:
        raise FormatError(f"The table has {len(header):,} columns; at most {LIMITS.columns:,} can be read.")
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = base = " ".join(str(cell).replace(NUL, "").split())[:200] or f"column {number}"
        count = 1
        while name in names:
            count += 1
            name = f"{base} {count}"
        names.append(name)
    return names


def read_csv(pieces: Iterable[bytes], delimiter: str, start: int = 0) -> Iterator[Row]:
    """A row for each line of cells below the header, after the first `start`; cells are text."""
    _allow_long_cells()
    reader = csv.reader(_text_lines(pieces), delimiter=delimiter)
    names: list[str] | None = None
    seen = 0
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            seen += 1
            if seen > start:
                text = f"This row cannot be read ({error}): a quote opened at its beginning may never be closed."
                yield bad_row(line, "csv", text)
            continue
        if not cells:
            continue
        if names is None:
            names = column_names(cells)
            continue
        seen += 1
        if seen > start:
            yield _row(line, names, cells, delimiter)


def _row(line: int, names: list[str], cells: list[str], delimiter: str) -> Row:
    width = len(names)
    if len(cells) > width and not any(cells[width:]):
        cells = cells[:width]
    if len(cells) != width:
        return bad_row(line, "ragged", _why_ragged(names, cells), line_of(cells, delimiter))
    if any(NUL in cell for cell in cells):
        return bad_row(line, "nul", "The row holds a NUL character: remove it.", line_of(cells, delimiter))
    if any("\ufffd" in cell for cell in cells):
        text = "The row holds characters that its encoding does not know: choose the file's encoding."
        return bad_row(line, "encoding", text, line_of(cells, delimiter))
    return Row(line, dict(zip(names, cells, strict=True)))


def _why_ragged(names: list[str], cells: list[str]) -> str:
    """What a row of another width than the header's lacks or has too much of, and what would be right."""
    counts = f"The row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'} where the header has {len(names)}"
    if len(cells) > len(names):
        return f"{counts}: quote cells that hold the delimiter."
    if "\n" in cells[-1]:
        return f"{counts}: its last cell runs over several lines, so a quote that opens there may never be closed."
    missing = [f"“{name}”" for name in names[len(cells) :]]
    return f"{counts}: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''} missing. Write empty cells for them."


def line_of(cells: list[str], delimiter: str) -> str:
    """The cells as a line of such a table, so that it can be read again once it is mended."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def _text_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    for line in lines(pieces):
        # A line too long for us is given as one too long for the reader, which reports it with its number.
        yield "x" * (LIMITS.row + 1) if line is None else line.decode("utf-8", "replace") + "\n"


def unix_lines(pieces: Iterable[bytes], sample: bytes) -> Iterable[bytes]:
    r"""Old files end their lines with \r alone; the reader wants \n."""
    if b"\r" in sample and b"\n" not in sample:
        return (piece.replace(b"\r", b"\n") for piece in pieces)
    return pieces


def _allow_long_cells() -> None:
    csv.field_size_limit(LIMITS.row)


def read_text(pieces: Iterable[bytes], name: str, start: int = 0) -> Iterator[Row]:
    """One document: the whole file as `text`, its name as `name`. An empty file is a bad row."""
    if start:
        return
    whole = b""
    for piece in pieces:
        whole += piece
        if len(whole) > LIMITS.row:
            yield bad_row(1, "row-too-long", f"The text is longer than {LIMITS.row >> 20} MB: split it.", whole, name)
            return
    try:
        text = whole.decode()
    except UnicodeDecodeError as error:
        yield bad_row(
            1, "encoding", f"Byte {error.start + 1} is not valid UTF-8: choose the file's encoding.", whole, name
        )
        return
    if not text.strip():
        yield bad_row(1, "empty-text", "The file holds no text.", "", name)
    elif NUL in text:
        yield bad_row(1, "nul", "The text holds a NUL character: it may be no text file.", whole, name)
    else:
        yield Row(1, {"name": name, "text": text.replace("\r\n", "\n")})
