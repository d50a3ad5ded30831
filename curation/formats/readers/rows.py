"""What readers return: rows, the source they come from, and the errors in words."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from atelier.characters import NUL, SIGN, WITH_NUL
from curation.chat import Problem

MEGABYTE = 1 << 20
NOTES = 50  # different notes on rows of one import
FILES_NAMED = 5  # of an archive, at one note
GUESS = "guess"  # the code of a note on how a file of an archive is read, at its first row
RAW = 100_000  # characters of a row that could not be read


class FormatError(Exception):
    """A file that cannot be read at all. The message states what was found and what to do."""


class RowError(Exception):
    """A row from which no record can be made; `problem` states why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Note(NamedTuple):
    """What was read otherwise than it stands in a row, or left out of it: the same text for the same thing in each row."""

    code: str
    text: str


class SourceRow(NamedTuple):
    """A row of a source: its data, or the problem that kept it from being read.

    `line` rises and never repeats within a source: the line of the file for JSONL and text tables, the number of the
    row for JSON arrays, Parquet and spreadsheets; in archives it counts on from file to file. `raw` holds the start of
    a row that could not be read, and is empty for the others. `file` names the file within an archive. `task` is the
    whole task in this row of another annotation tool's export, of which `data` are the columns. `notes` say what of the
    row was left out, or is doubted.
    """

    line: int
    data: dict[str, Any] | None
    problem: Problem | None = None
    raw: str = ""
    file: str = ""
    task: dict[str, Any] | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class ReadLimits:
    """Limits on the size of a file and of its parts, in bytes."""

    unpacked: int = 8 << 30  # of all that an archive holds
    ratio: int = 100  # unpacked to packed; looked at above `ratio_from`, as small repetitive files are no bombs
    ratio_from: int = 16 * MEGABYTE
    entries: int = 10_000
    row: int = 16 * MEGABYTE  # some seven of it are in a worker's memory at once, as texts and as JSON
    depth: int = 64  # of JSON
    columns: int = 2_000
    values: int = 250_000  # of a row, however deep they stand: each takes many times its bytes
    sheet_strings: int = 200 * MEGABYTE  # of a spreadsheet's shared strings, which must fit in memory


LIMITS = ReadLimits()


@dataclass(frozen=True)
class Source:
    """What sniffing found out about a file; may be changed by hand (say, the encoding) before reading.

    `format`: jsonl, json, csv, tsv, parquet, xlsx or text; of a zip, that of its first file. `compression`: nothing, gz
    or zip. `rows` is the number of rows: exact when `rows_exact`, otherwise estimated from the first rows, or None.
    `quoting` is one of `layouts.QUOTINGS`; `header` is the number of the row with the names, 0 for none. `chosen` names
    what a person said of all this. `problem` is the first row's if none of the first rows can be read.
    """

    format: str
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    compression: str = ""
    delimiter: str = ","
    quoting: str = "doubled"
    header: int = 1
    sheet: str = ""  # of a workbook, the one that is read
    sheets: tuple[str, ...] = ()  # of a workbook, all that can be chosen
    name: str = ""  # as the sender called the file: shown, never used as a path
    size: int = 0
    rows: int | None = None
    rows_exact: bool = False
    notes: tuple[str, ...] = ()
    row_notes: tuple[str, ...] = ()  # of the first rows, and after the import of all, with their counts
    chosen: tuple[str, ...] = ()
    problem: str = ""
    tool: str = ""  # another annotation tool, whose export it is: label_studio or argilla

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Source":
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        for key in ("columns", "notes", "row_notes", "chosen", "sheets"):
            known[key] = tuple(known.get(key, ()))
        return cls(**known)


def bad_row(line: int, code: str, message: str, raw: bytes | str = "", where: str = "") -> SourceRow:
    """Return a row with a problem. It keeps enough of its text to be fixed."""
    start = raw[:RAW]
    text = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
    return SourceRow(line, None, Problem(code, message, where or f"line {line}"), text.replace(NUL, SIGN))


def with_nul(line: int, raw: bytes | str = "", where: str = "") -> SourceRow:
    """The bad row for one that no database can hold."""
    return bad_row(line, "nul", f"The row {WITH_NUL}", raw, where)


class NoteCounts:
    """Counts of rows by what was noted of them; of a guess about the files of an archive, the files instead."""

    def __init__(self, known: Iterable[Iterable[Any]] = ()) -> None:
        self.found: dict[str, list[Any]] = {
            str(text): [int(count), int(line), *files] for text, count, line, *files in known
        }

    def add(self, row: SourceRow) -> None:
        """Count a row's notes; of each kind the first line is kept, and the first files of a guess."""
        for note in row.notes:
            files = [row.file] if note.code == GUESS else []
            if found := self.found.get(note.text):
                found[0] += 1
                found += files if len(found) < 2 + FILES_NAMED else []
            elif len(self.found) < NOTES:
                self.found[note.text] = [1, row.line, *files]

    def sentences(self) -> tuple[str, ...]:
        return tuple(_sentence(text, *found) for text, found in self.found.items())

    def to_json(self) -> list[list[Any]]:
        return [[text, *counted] for text, counted in self.found.items()]


def _sentence(text: str, count: int, line: int, *files: str) -> str:
    if not files:
        where = "in" if count == 1 else "the first in"
        return f"{text} ({count:,} row{'' if count == 1 else 's'}, {where} line {line:,}.)"
    more = count - len(files)
    return (
        f"{', '.join(files)}{f' and {more:,} more files' if more > 1 else ' and 1 more file' if more else ''}: {text}"
    )
