"""What readers give: rows, the source they come from, and the errors in words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from curation.chat import Problem

MEGABYTE = 1 << 20
RAW = 100_000  # characters of a row that could not be read


class FormatError(Exception):
    """A file that cannot be read at all. The message says what was found and what to do."""


class RowError(Exception):
    """A row from which no record can be made; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Row(NamedTuple):
    """One row of a source: its data, or the problem that kept it from being read.

    `line` rises and never repeats within a source: the line of the file for JSONL and text tables, the number of the
    row for JSON arrays, Parquet and spreadsheets; in archives it counts on from file to file. `raw` holds the start of
    a row that could not be read, and is empty for the others. `file` names the file within an archive. `task` is the whole
    of what another annotation tool's export says in this row, of which `data` are the columns.
    """

    line: int
    data: dict[str, Any] | None
    problem: Problem | None = None
    raw: str = ""
    file: str = ""
    task: dict[str, Any] | None = None


@dataclass(frozen=True)
class Limits:
    """How much a file may ask of us. Sizes in bytes."""

    unpacked: int = 8 << 30  # of all that an archive holds
    ratio: int = 100  # unpacked to packed; looked at above `ratio_from`, as small repetitive files are no bombs
    ratio_from: int = 16 * MEGABYTE
    entries: int = 10_000
    row: int = 32 * MEGABYTE
    depth: int = 64  # of JSON
    columns: int = 2_000
    sheet_strings: int = 200 * MEGABYTE  # of a spreadsheet's shared strings, which must fit in memory


LIMITS = Limits()


@dataclass(frozen=True)
class Source:
    """What sniffing found out about a file; may be changed by hand (say, the encoding) before reading.

    `format`: jsonl, json, csv, tsv, parquet, xlsx or text; of a zip, that of its first file. `compression`: nothing, gz
    or zip. `rows` is the number of rows: exact when `rows_exact`,
    otherwise reckoned from the first rows, or None.
    """

    format: str
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    compression: str = ""
    delimiter: str = ","
    sheet: str = ""  # of a workbook, the one that is read
    sheets: tuple[str, ...] = ()  # of a workbook, all that can be chosen
    name: str = ""  # as the sender called the file: shown, never used as a path
    size: int = 0
    rows: int | None = None
    rows_exact: bool = False
    notes: tuple[str, ...] = ()
    tool: str = ""  # another annotation tool, whose export it is: label_studio or argilla

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Source":
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        for key in ("columns", "notes", "sheets"):
            known[key] = tuple(known.get(key, ()))
        return cls(**known)


def bad_row(line: int, code: str, message: str, raw: bytes | str = "", where: str = "") -> Row:
    """A row with a problem. Keeps so much of its text that it can be mended."""
    start = raw[:RAW]
    text = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
    return Row(line, None, Problem(code, message, where or f"line {line}"), text.replace("\x00", "\N{SYMBOL FOR NULL}"))
