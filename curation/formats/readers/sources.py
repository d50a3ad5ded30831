"""Sniffing and reading of files: the entry point to all readers.

source = sniff(path, "articles.csv.gz")
for row in read(path, source): ...
"""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Sized
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from curation.formats.annotation_tools import argilla, label_studio
from curation.formats.readers import archives, delimited, encodings, json_arrays, jsonl, layouts, parquet, xlsx
from curation.formats.readers.encodings import Readable
from curation.formats.readers.rows import GUESS, FormatError, Note, NoteCounts, Source, SourceRow, bad_row
from curation.formats.readers.sniffing import SAMPLE, kind_of

SAMPLE_ROWS, SAMPLE_BYTES = 50, 16 << 20
READINGS = ("encoding", "delimiter", "quoting", "header", "sheet")  # what a person may know better
TEXTS = ("jsonl", "json", "csv", "tsv", "text")
TABLES = ("csv", "tsv")  # of text
# Other tools' exports: how a row is known, and how rows are made of it.
TOOLS: dict[str, tuple[Callable[[dict[str, Any]], bool], Callable[[Iterator[SourceRow]], Iterator[SourceRow]]]] = {
    "label_studio": (label_studio.is_task, label_studio.rows),
    "label_studio_min": (label_studio.is_minimal, label_studio.minimal_rows),
    "argilla": (lambda row: argilla.is_record(row) or argilla.is_flat(row), argilla.rows),
}


class PeekedStream:
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
    """Return what the file is, its columns and about how many rows it has, from its beginning.

    `name` is what the sender called it. Raises FormatError, with what to do, for a file that cannot be read at all.
    """
    return first_look(path, name)[0]


def first_look(path: str | Path, name: str = "") -> tuple[Source, list[SourceRow]]:
    """Sniff the file and return its first rows too, for which it need not be opened once more."""
    path = Path(path)
    size = path.stat().st_size
    shown = archives.shown(name or path.name)
    if not size:
        raise FormatError(f"{shown} is empty. Choose a file with rows.")
    with path.open("rb") as file:
        source = _source_of(file, size, shown)
    return _looked_at(path, _with_rows(path, source), asks_tool=True)


def read_as(path: str | Path, source: Source, **said: str) -> Source:
    """Return the source as a person chose: `encoding`, `delimiter`, `quoting`, `header` or `sheet`. Raises FormatError."""
    return look_again(path, source, **said)[0]


def look_again(path: str | Path, source: Source, **said: str) -> tuple[Source, list[SourceRow]]:
    """Read the source as a person chose, like `read_as`, and return its first rows too."""
    wishes = {name: value for name, value in said.items() if value}
    told = replace(source, notes=tuple(note for note in source.notes if note not in guesses(source)))
    if sheet := wishes.pop("sheet", ""):
        told = replace(_at_sheet(told, sheet), tool="")
    values = {name: check_wish(told, name, value) for name, value in wishes.items()}
    if values.get("delimiter") and told.format == "text":
        told = replace(told, format="csv")
    new = [name for name, value in values.items() if value != getattr(source, name)] + ["sheet"] * bool(sheet)
    # Each file of a zip has guesses of its own: what is said holds for all that it goes with, and the rest is guessed.
    chosen = tuple(values) if source.compression == "zip" else tuple(dict.fromkeys((*source.chosen, *new)))
    told = replace(told, **values, chosen=chosen)
    if told.format in ("csv", "tsv"):
        told = replace(told, format="tsv" if told.delimiter == "\t" else "csv")
    return _looked_at(Path(path), _with_rows(Path(path), told), asks_tool=bool(sheet))


def check_wish(source: Source, name: str, value: str) -> Any:
    """Return the value of a wish for how to read a file. Raises FormatError for one that does not go with it."""
    is_zip = source.compression == "zip"
    is_table, is_text = is_zip or source.format in TABLES, is_zip or source.format in TEXTS
    if name == "encoding" and (value not in encodings.NAMES or not is_text):
        raise FormatError(f"This file cannot be read as {value[:40]!r}. Use one of {', '.join(encodings.NAMES)}.")
    value = {"\\t": "\t", "tab": "\t"}.get(value, value) if name == "delimiter" else value
    if name == "delimiter" and not (value in layouts.DELIMITERS and (is_table or source.format == "text")):
        raise FormatError(f"This file cannot be split at {value[:4]!r}. Use comma, tab, semicolon or pipe.")
    if name == "quoting" and (value not in layouts.QUOTINGS or not is_table):
        raise FormatError(
            f"This file has no quoting {value[:20]!r}. Tables of text take {', '.join(layouts.QUOTINGS)}."
        )
    if name == "header":
        rows = {str(number): number for number in range(layouts.HEADERS + 1)}
        if value not in rows or not (is_table or source.format == "xlsx"):
            text = f"Choose 0 to {layouts.HEADERS} for tables; 0 is a table without names"
            raise FormatError(f"This file cannot have its names in row {value[:10]!r}. {text}.")
        return rows[value]
    if name not in READINGS:
        raise FormatError(f"Nothing about a file is called {name[:20]!r}. Choose among {', '.join(READINGS)}.")
    return value


def guesses(source: Source) -> tuple[str, ...]:
    """Return what was guessed about the file and not chosen, as notes."""
    if source.compression == "zip":
        return ()
    found = []
    if source.format in TEXTS and source.encoding in encodings.GUESSED and "encoding" not in source.chosen:
        found.append(f"The encoding is guessed: {encodings.NAMES.get(source.encoding, source.encoding)}.")
    if source.format in ("csv", "tsv"):
        cut = layouts.WORDS.get(source.delimiter, repr(source.delimiter))
        parts = {"delimiter": f"cells are split at {cut}", "quoting": f"cells have {layouts.QUOTINGS[source.quoting]}"}
        said = [text for name, text in parts.items() if name not in source.chosen]
        found += [f"Guessed: {', '.join(said)}."] if said else []
    if source.format in ("csv", "tsv", "xlsx") and source.header != 1 and "header" not in source.chosen:
        above = f"{source.header - 1} row{'s' if source.header > 2 else ''} above the names"
        text = (
            f"{above} {'are' if source.header > 2 else 'is'} not read"
            if source.header
            else "the first row isn't a header"
        )
        found.append(f"Guessed: {text}.")
    return tuple(found)


def _at_sheet(source: Source, sheet: str) -> Source:
    """Return the workbook at this sheet, with a note if it has others. Raises FormatError."""
    if not source.sheets:
        packed = (
            " Only the first sheet of a workbook in a zip or gz is read. Unpack it to choose another."
            if source.compression
            else ""
        )
        raise FormatError(f"This file has no sheet {sheet[:80]!r} to choose.{packed}")
    if sheet not in source.sheets:
        raise FormatError(f"The workbook has no sheet “{sheet[:80]}”, only {', '.join(source.sheets[:20])}.")
    others = tuple(note for note in source.notes if note != _sheet_note(source))
    chosen = replace(source, sheet=sheet, notes=others)
    return replace(chosen, notes=(*others, _sheet_note(chosen))) if len(source.sheets) > 1 else chosen


def _sheet_note(source: Source) -> str:
    names = ", ".join(source.sheets[:20]) + (", …" if len(source.sheets) > 20 else "")
    return f"The workbook has {len(source.sheets):,} sheets ({names}). “{source.sheet}” is read."


def _looked_at(path: Path, source: Source, asks_tool: bool) -> tuple[Source, list[SourceRow]]:
    """Return the source with its columns and the tool that it comes from; and its first rows."""
    coming = read(path, replace(source, tool=""))
    seen: list[SourceRow] = []
    if asks_tool:
        source = replace(source, tool=_tool_of(coming, seen, bool(source.compression)))
    rows = itertools.chain(seen, coming)
    first = list(few(TOOLS[source.tool][1](rows) if source.tool else rows, SAMPLE_ROWS))
    columns = tuple(dict.fromkeys(column for row in first for column in row.data or ()))
    if not first and len(source.sheets) > 1:
        text = "has no rows. It needs a header line and at least one line below it"
        raise FormatError(f"The sheet “{source.sheet}” of {source.name} {text}.")
    if not first:
        raise FormatError(f"{source.name} has no rows. A table needs a header line and at least one line below it.")
    if len(first) == 1 and source.format in ("json", "jsonl") and (way := by_columns(first[0].data, source.name)):
        raise FormatError(f"{source.name} holds a table in one object ({way}), not rows. {ROWS_PLEASE}")
    if len(first) == 1 and _is_one_object(first[0].data, source):
        source = replace(source, notes=(*source.notes, f"{source.name} holds one object, which is read as one row."))
    counts = NoteCounts()
    for row in first:
        counts.add(row)
    problem = next((row.problem for row in first if row.problem), None) if not columns else None
    notes = tuple(dict.fromkeys((*source.notes, *guesses(source))))
    told = f"{problem.where.capitalize()}: {problem.message}" if problem else ""
    return replace(source, columns=columns, notes=notes, row_notes=counts.sentences(), problem=told), first


ROWS_PLEASE = 'Write an object a row, as pandas does with to_json(path, orient="records", lines=True).'


def _is_one_object(data: dict[str, Any] | None, source: Source) -> bool:
    """Return whether the only row may be a whole file in one object: not in JSON Lines, unless it has nothing but lists."""
    if not data or source.tool or source.compression or source.format not in ("json", "jsonl"):
        return False
    lists = all(isinstance(value, list) and len(value) > 1 for value in data.values())
    return lists or not source.name.lower().endswith((".jsonl", ".ndjson"))


def by_columns(data: dict[str, Any] | None, name: str) -> str:
    """Return how the one object of a file holds many rows, column by column; nothing if it is a row itself."""
    columns = list((data or {}).values())
    if len(columns) < 2:
        return ""
    numbered = [column for column in columns if isinstance(column, dict) and list(column) == _numbers(column)]
    if len(numbered) == len(columns) and all(len(column) == len(columns[0]) > 0 for column in columns):
        return "each column an object with the rows' numbers"
    lists = [column for column in columns if isinstance(column, list)]
    plain = any(all(not isinstance(cell, dict | list) for cell in column) for column in lists)
    # In JSON Lines one object is one row, whatever lists it holds.
    one_row = name.lower().endswith((".jsonl", ".ndjson"))
    if (
        not one_row
        and len(lists) == len(columns)
        and plain
        and all(len(column) == len(columns[0]) > 1 for column in columns)
    ):
        return "each column a list"
    if len(columns) > 1 and all(isinstance(row, dict) for row in columns) and list(data or {}) == _numbers(columns):
        return "each row under its number"
    if set(data or {}) >= {"schema", "data"} and isinstance((data or {})["data"], list):
        return "with a schema beside its data"
    split = data is not None and set(data) >= {"columns", "data"} and len(lists) == len(columns)
    return "columns and data apart" if split else ""


def _numbers(rows: Sized) -> list[str]:
    return [*map(str, range(len(rows)))]


def few(rows: Iterator[SourceRow], count: int) -> Iterator[SourceRow]:
    """Yield the first rows, so many and no more than `SAMPLE_BYTES` of them; one in any case."""
    held = 0
    for row in itertools.islice(rows, count):
        yield row
        held += _weight(row.data)
        if held > SAMPLE_BYTES:
            return


def _weight(value: Any) -> int:
    """Return about how many bytes a value takes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + 100 * len(value)
    return sum(map(_weight, value)) + 8 if isinstance(value, list) else 8


def _tool_of(coming: Iterator[SourceRow], seen: list[SourceRow], packed: bool) -> str:
    """Return the annotation tool whose export this is, by the first rows; nothing for any other file.

    Notes the rows it took.
    """
    for row in few(coming, SAMPLE_ROWS):
        seen.append(row)
        tool = next((name for name, (is_one, _) in TOOLS.items() if row.data and is_one(row.data)), "")
        if tool or not packed:
            return tool
    return ""


def _source_of(file: IO[bytes], size: int, name: str) -> Source:
    peeked = PeekedStream(file)
    compression = ""
    if peeked.sample.startswith(b"\x1f\x8b"):
        file.seek(0)
        compression, peeked = "gz", PeekedStream(archives.open_gzip(file, size, name))
    source = kind_of(peeked.sample, name.removesuffix(".gz") if compression else name)
    if source.format == "zip" and compression:
        raise FormatError(f"{name} is a zip that was compressed again. Unpack it first.")
    if source.format == "zip":
        compression, source = "zip", _first_of_zip(file, size)
    return replace(source, name=name, size=size, compression=compression)


def _first_of_zip(file: IO[bytes], size: int) -> Source:
    """Return the format of the first readable file in a zip.

    Raises FormatError with the first one's reason if there is none.
    """
    reason = "The zip contains no files. Choose another."
    with archives.open_zip(file, size) as archive:
        for number, member in enumerate(archives.members_of(archive)):
            name = archives.shown(member.filename)
            try:
                source = kind_of(PeekedStream(archives.open_member(archive, member)).sample, name)
            except FormatError as error:
                reason = reason if number else str(error)
                continue
            if source.format != "zip":
                return source
            reason = f"{name} is a zip within a zip. Unpack it first."
    raise FormatError(reason)


def _with_rows(path: Path, source: Source) -> Source:
    """Add the number of rows, if it is cheap to know or to estimate; and the sheet of a workbook."""
    with path.open("rb") as file:
        if source.compression:
            return source
        if source.format == "parquet":
            return replace(source, rows=parquet.open_parquet(file, source.size).metadata.num_rows, rows_exact=True)
        if source.format == "xlsx":
            if source.sheet:
                return source
            names = tuple(xlsx.sheets(file))
            file.seek(0)
            found = _at_sheet(replace(source, sheets=names), xlsx.first_with_rows(file))
            file.seek(0)
            return replace(found, header=xlsx.guess_header(file, found.sheet))
        sample = file.read(SAMPLE)
    seen = sum(1 for _ in _parse(iter([sample]), sample, source, 0))
    whole = len(sample) == source.size
    return replace(source, rows=seen if whole else max(seen - 1, 1) * source.size // len(sample), rows_exact=whole)


def read(path: str | Path, source: Source, start: int = 0) -> Iterator[SourceRow]:
    """Yield the rows of the file after the first `start`, good and bad, in memory that does not grow with it.

    Raises FormatError when the whole file turns out to be damaged, or to be a bomb.
    """
    if source.tool:
        # What a tool calls a row is not what the file has as one, so they are counted after they were made.
        yield from itertools.islice(TOOLS[source.tool][1](read(path, replace(source, tool=""))), start, None)
        return
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        if source.compression == "zip":
            yield from itertools.islice(_read_zip(file, size, source), start, None)
            return
        stream = archives.open_gzip(file, size, source.name or "The file") if source.compression else file
        yield from _read_stream(stream, source, start, size)


def json_lines(path: str | Path, source: Source, start: int = 0) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines of JSON Lines that are in no archive, as `jsonl.numbered` does. Raises FormatError."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        stream = archives.open_gzip(file, size, source.name or "The file") if source.compression else file
        peeked = PeekedStream(stream)
        yield from jsonl.numbered(encodings.as_utf8(encodings.blocks(peeked), source.encoding), start)


def _read_stream(stream: Readable, source: Source, start: int, size: int) -> Iterator[SourceRow]:
    if source.format in ("parquet", "xlsx"):
        yield from _read_seekable(stream, source, start, size)
        return
    peeked = PeekedStream(stream)
    yield from _parse(encodings.blocks(peeked), peeked.sample, source, start)


def _parse(pieces: Iterator[bytes], sample: bytes, source: Source, start: int) -> Iterator[SourceRow]:
    utf8 = encodings.as_utf8(pieces, source.encoding)
    if source.format == "jsonl":
        return jsonl.read_jsonl(utf8, start)
    if source.format == "json":
        return json_arrays.read_json(utf8, start)
    if source.format in ("csv", "tsv"):
        return delimited.read_csv(
            delimited.unix_lines(utf8, sample),
            layouts.Layout(source.delimiter, source.quoting, source.header),
            start,
        )
    if source.format == "text":
        return delimited.read_text(utf8, source.name.removesuffix(".gz"), start)
    raise FormatError(f"The format {source.format} is unknown. Choose the file again.")


def _read_seekable(stream: Readable, source: Source, start: int, size: int) -> Iterator[SourceRow]:
    """Read Parquet and workbooks, which are read from their end; compressed ones are unpacked to disk first."""
    # Named where it can be: looking for a folder in which a file can be written hides that the disk is full.
    folder = os.environ.get("TMPDIR")
    with tempfile.TemporaryFile(dir=folder if folder and Path(folder).is_dir() else None) as spool:
        file = cast(IO[bytes], spool)
        if hasattr(stream, "seek"):
            file = cast(IO[bytes], stream)
        else:
            for block in encodings.blocks(stream):
                spool.write(block)
            size = spool.tell()
            spool.seek(0)
        if source.format == "parquet":
            yield from parquet.read_parquet(file, size, start)
        else:
            yield from xlsx.read_xlsx(file, source.sheet, start, source.header)


def _read_zip(file: IO[bytes], size: int, whole: Source) -> Iterator[SourceRow]:
    """Yield the rows of each file in turn, the first one with notes on how it is read.

    A file that cannot be read is a bad row, and reading continues with the next one.
    """
    with archives.open_zip(file, size) as archive:
        line = 0
        for member in archives.members_of(archive):
            name = archives.shown(member.filename)
            base = line
            try:
                for row in _read_member(archives.open_member(archive, member), member.file_size, name, whole):
                    line = base + row.line
                    yield _in_file(row, line, name)
            except FormatError as error:
                line += 1
                yield bad_row(line, "file", str(error), "", name)._replace(file=name)


def _read_member(stream: Readable, size: int, name: str, whole: Source) -> Iterator[SourceRow]:
    peeked = PeekedStream(stream)
    if peeked.sample.startswith(b"\x1f\x8b"):
        unpacked = archives.open_gzip(cast(IO[bytes], peeked), size, name)
        peeked, name = PeekedStream(unpacked), name.removesuffix(".gz")
    if not peeked.sample:
        raise FormatError(f"{name} is empty.")
    source = _as_chosen(replace(kind_of(peeked.sample, name), name=name), whole)
    if source.format == "zip":
        raise FormatError(f"{name} is a zip within a zip. Unpack it first.")
    rows = _read_stream(peeked, source, 0, size)
    notes = tuple(Note(GUESS, text) for text in (*source.notes, *guesses(source)))
    for row in itertools.islice(rows, 1):
        yield row._replace(notes=(*notes, *row.notes))
    yield from rows


def _as_chosen(source: Source, whole: Source) -> Source:
    """Return a file of a zip, read as was chosen for all of them, as far as that goes with its format."""
    said = {name: getattr(whole, name) for name in whole.chosen if name in READINGS}
    is_table = source.format in TABLES or (source.format == "text" and "delimiter" in said)
    fits = {"encoding": source.format in TEXTS, "header": is_table or source.format == "xlsx"}
    said = {name: value for name, value in said.items() if fits.get(name, is_table) and name != "sheet"}
    form = source.format
    if is_table:
        form = "tsv" if said.get("delimiter", source.delimiter) == "\t" else "csv"
    return replace(source, **said, format=form, chosen=tuple(said))


def _in_file(row: SourceRow, line: int, name: str) -> SourceRow:
    problem = row.problem and replace(row.problem, where=f"{name}, {row.problem.where}")
    return row._replace(line=line, problem=problem, file=name)
