"""What a file is, and its rows: the door to all readers.

source = sniff(path, "articles.csv.gz")
for row in read(path, source): ...
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from curation.formats import archives, argilla, arrays, columnar, encodings, label_studio, lines, spreadsheets, tables
from curation.formats.encodings import Readable
from curation.formats.rows import FormatError, Row, Source, bad_row
from curation.formats.sniffing import SAMPLE, kind_of

SAMPLE_ROWS = 50
TEXTS = ("jsonl", "json", "csv", "tsv", "text")
# Other tools' exports: how a row is known, and how rows are made of it.
TOOLS: dict[str, tuple[Callable[[dict[str, Any]], bool], Callable[[Iterator[Row]], Iterator[Row]]]] = {
    "label_studio": (label_studio.is_task, label_studio.rows),
    "label_studio_min": (label_studio.is_minimal, label_studio.minimal_rows),
    "argilla": (lambda row: argilla.is_record(row) or argilla.is_flat(row), argilla.rows),
}


class Peeked:
    """A stream whose beginning was looked at."""

    def __init__(self, stream: Readable) -> None:
        self.stream = stream
        self.head = b"".join(itertools.takewhile(bool, (stream.read(SAMPLE // 4) for _ in range(4))))
        self.sample = self.head

    def read(self, size: int = -1, /) -> bytes:
        if self.head:
            head, self.head = self.head, b""
            return head
        return self.stream.read(size)


def sniff(path: str | Path, name: str = "") -> Source:
    """What the file is, its columns and about how many rows it has, from its beginning.

    `name` is what the sender called it. Raises FormatError, saying what to do, for what cannot be read at all.
    """
    path = Path(path)
    size = path.stat().st_size
    shown = archives.shown(name or path.name)
    if not size:
        raise FormatError(f"{shown} is empty: choose a file with rows.")
    with path.open("rb") as file:
        source = _source_of(file, size, shown)
    return _with_columns(path, replace(_with_rows(path, source), tool=_tool_of(path, source)), shown)


def read_as(path: str | Path, source: Source, *, encoding: str = "", delimiter: str = "", sheet: str = "") -> Source:
    """The source as a person says that it is to be read, with the columns and rows that it then has. Raises FormatError."""
    if sheet:
        source = replace(_at_sheet(source, sheet), tool="")
        source = replace(source, tool=_tool_of(Path(path), source))
    if encoding and (encoding not in encodings.NAMES or source.format not in TEXTS or source.compression == "zip"):
        raise FormatError(f"This file cannot be read as {encoding[:40]!r}: use one of {', '.join(encodings.NAMES)}.")
    if delimiter and (delimiter not in tables.DELIMITERS or source.format not in ("csv", "tsv")):
        raise FormatError(f"This file cannot be cut at {delimiter[:4]!r}: use a comma, a tab, a semicolon or a bar.")
    said = replace(source, encoding=encoding or source.encoding, delimiter=delimiter or source.delimiter)
    if said.format in ("csv", "tsv"):
        said = replace(said, format="tsv" if said.delimiter == "\t" else "csv")
    return _with_columns(Path(path), _with_rows(Path(path), said), source.name)


def _at_sheet(source: Source, sheet: str) -> Source:
    """The workbook at this sheet, with a note when it has others. Raises FormatError."""
    if not source.sheets:
        packed = (
            " A workbook in a zip or gz is read at its first sheet: unpack it to choose." if source.compression else ""
        )
        raise FormatError(f"This file has no sheet {sheet[:80]!r} to choose.{packed}")
    if sheet not in source.sheets:
        raise FormatError(f"There is no sheet “{sheet[:80]}” in the workbook: it has {', '.join(source.sheets[:20])}.")
    others = tuple(note for note in source.notes if note != _sheet_note(source))
    chosen = replace(source, sheet=sheet, notes=others)
    return replace(chosen, notes=(*others, _sheet_note(chosen))) if len(source.sheets) > 1 else chosen


def _sheet_note(source: Source) -> str:
    names = ", ".join(source.sheets[:20]) + (", …" if len(source.sheets) > 20 else "")
    return f"The workbook has {len(source.sheets):,} sheets ({names}), and of them “{source.sheet}” is read."


def _with_columns(path: Path, source: Source, shown: str) -> Source:
    rows = list(itertools.islice(read(path, source), SAMPLE_ROWS))
    columns = tuple(dict.fromkeys(column for row in rows for column in row.data or ()))
    if not rows and len(source.sheets) > 1:
        text = "holds no rows: it needs a header line and at least one line below it"
        raise FormatError(f"The sheet “{source.sheet}” of {shown} {text}.")
    if not rows:
        raise FormatError(f"{shown} holds no rows: a table needs a header line and at least one line below it.")
    return replace(source, columns=columns)


def _tool_of(path: Path, source: Source) -> str:
    """Another annotation tool whose export this is, by the first rows; nothing for any other file."""
    for row in itertools.islice(read(path, source), SAMPLE_ROWS):
        tool = next((name for name, (is_one, _) in TOOLS.items() if row.data and is_one(row.data)), "")
        if tool or not source.compression:
            return tool
    return ""


def _source_of(file: IO[bytes], size: int, name: str) -> Source:
    peeked = Peeked(file)
    compression = ""
    if peeked.sample.startswith(b"\x1f\x8b"):
        file.seek(0)
        compression, peeked = "gz", Peeked(archives.open_gzip(file, size, name))
    source = kind_of(peeked.sample, name.removesuffix(".gz") if compression else name)
    if source.format == "zip" and compression:
        raise FormatError(f"{name} is a zip packed once more: unpack it first.")
    if source.format == "zip":
        compression, source = "zip", _first_of_zip(file, size)
    return replace(source, name=name, size=size, compression=compression)


def _first_of_zip(file: IO[bytes], size: int) -> Source:
    """What the first readable file in a zip is. Raises FormatError with the first one's reason when there is none."""
    reason = "The zip holds no files: choose another."
    with archives.open_zip(file, size) as archive:
        for number, member in enumerate(archives.members_of(archive)):
            name = archives.shown(member.filename)
            try:
                source = kind_of(Peeked(archives.open_member(archive, member)).sample, name)
            except FormatError as error:
                reason = reason if number else str(error)
                continue
            if source.format != "zip":
                return source
            reason = f"{name} is a zip within a zip: unpack it first."
    raise FormatError(reason)


def _with_rows(path: Path, source: Source) -> Source:
    """The number of rows, where it is cheap to know or to reckon; the sheet of a workbook."""
    with path.open("rb") as file:
        if source.compression:
            return source
        if source.format == "parquet":
            return replace(source, rows=columnar.open_parquet(file, source.size).metadata.num_rows, rows_exact=True)
        if source.format == "xlsx":
            if source.sheet:
                return source
            names = tuple(spreadsheets.sheets(file))
            file.seek(0)
            return _at_sheet(replace(source, sheets=names), spreadsheets.first_with_rows(file))
        sample = file.read(SAMPLE)
    seen = sum(1 for _ in _parse(iter([sample]), sample, source, 0))
    whole = len(sample) == source.size
    return replace(source, rows=seen if whole else max(seen - 1, 1) * source.size // len(sample), rows_exact=whole)


def read(path: str | Path, source: Source, start: int = 0) -> Iterator[Row]:
    """The rows of the file after the first `start`, good and bad, in memory that does not grow with it.

    Raises FormatError when the whole file turns out to be damaged, or to be a bomb.
    """
    if source.tool:
        # What a tool calls a row is not what the file has as one, so they are counted after they were made.
        yield from itertools.islice(TOOLS[source.tool][1](read(path, replace(source, tool=""))), start, None)
        return
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        if source.compression == "zip":
            yield from itertools.islice(_read_zip(file, size), start, None)
            return
        stream = archives.open_gzip(file, size, source.name or "The file") if source.compression else file
        yield from _read_stream(stream, source, start, size)


def _read_stream(stream: Readable, source: Source, start: int, size: int) -> Iterator[Row]:
    if source.format in ("parquet", "xlsx"):
        yield from _read_seekable(stream, source, start, size)
        return
    peeked = Peeked(stream)
    yield from _parse(encodings.blocks(peeked), peeked.sample, source, start)


def _parse(pieces: Iterator[bytes], sample: bytes, source: Source, start: int) -> Iterator[Row]:
    utf8 = encodings.as_utf8(pieces, source.encoding)
    if source.format == "jsonl":
        return lines.read_jsonl(utf8, start)
    if source.format == "json":
        return arrays.read_json(utf8, start)
    if source.format in ("csv", "tsv"):
        return tables.read_csv(tables.unix_lines(utf8, sample), source.delimiter, start)
    if source.format == "text":
        return tables.read_text(utf8, source.name.removesuffix(".gz"), start)
    raise FormatError(f"The format {source.format} is not known: choose the file again.")


def _read_seekable(stream: Readable, source: Source, start: int, size: int) -> Iterator[Row]:
    """Parquet and workbooks are read from their end; from within a pack they are unpacked to disk first."""
    with tempfile.TemporaryFile() as spool:
        file = cast(IO[bytes], spool)
        if hasattr(stream, "seek"):
            file = cast(IO[bytes], stream)
        else:
            for block in encodings.blocks(stream):
                spool.write(block)
            size = spool.tell()
            spool.seek(0)
        if source.format == "parquet":
            yield from columnar.read_parquet(file, size, start)
        else:
            yield from spreadsheets.read_xlsx(file, source.sheet, start)


def _read_zip(file: IO[bytes], size: int) -> Iterator[Row]:
    """The rows of each file in turn. A file that cannot be read is a bad row, and the next one goes on."""
    with archives.open_zip(file, size) as archive:
        line = 0
        for member in archives.members_of(archive):
            name = archives.shown(member.filename)
            base = line
            try:
                for row in _read_member(archives.open_member(archive, member), member.file_size, name):
                    line = base + row.line
                    yield _in_file(row, line, name)
            except FormatError as error:
                line += 1
                yield bad_row(line, "file", str(error), "", name)._replace(file=name)


def _read_member(stream: Readable, size: int, name: str) -> Iterator[Row]:
    peeked = Peeked(stream)
    if peeked.sample.startswith(b"\x1f\x8b"):
        unpacked = archives.open_gzip(cast(IO[bytes], peeked), size, name)
        peeked, name = Peeked(unpacked), name.removesuffix(".gz")
    if not peeked.sample:
        raise FormatError(f"{name} is empty.")
    source = replace(kind_of(peeked.sample, name), name=name)
    if source.format == "zip":
        raise FormatError(f"{name} is a zip within a zip: unpack it first.")
    yield from _read_stream(peeked, source, 0, size)


def _in_file(row: Row, line: int, name: str) -> Row:
    problem = row.problem and replace(row.problem, where=f"{name}, {row.problem.where}")
    return Row(line, row.data, problem, row.raw, name)
