"""The layout of a table of text: its delimiter, its quotes, and the row with the names, guessed from the beginning."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from curation.formats.readers.rows import LIMITS

DELIMITERS = (",", "\t", ";", "|")
# How a cell is quoted, in words, as a person may choose it.
QUOTINGS = {
    "doubled": "double quotes, doubled inside a cell",
    "backslash": "double quotes, with a backslash inside a cell",
    "single": "single quotes",
    "none": "no quotes: they are characters",
}
WORDS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "pipes"}
HEADERS = 20  # the lowest row that may be chosen as the header
SAMPLE = 65536  # characters that are looked at
LOOKED_AT = 200  # lines of a sample
SEP = re.compile(r'\ufeff?"?sep=([^\r\n])"?\r?\n?', re.IGNORECASE)  # what Excel writes and reads above a table
ESCAPED = re.compile(r'\\(["\\])')
ESCAPED_OUTSIDE = re.compile(r'\\(["\\,;|\t])')
STANDINS = re.compile("[\udc00-\udc7f]")
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
# Such a cell in the first row tells of names, whatever else is there.
NAMES = frozenset(
    [
        "id",
        "key",
        "name",
        "text",
        "label",
        "labels",
        "title",
        "question",
        "answer",
        "prompt",
        "response",
        "instruction",
        "input",
        "output",
        "content",
        "context",
        "category",
        "class",
        "source",
        "target",
        "sentence",
        "date",
        "url",
        "lang",
        "language",
        "score",
        "group",
        "topic",
        "summary",
        "body",
    ]
)


class Layout(NamedTuple):
    """How a table of text is laid out. `header` is the number of the row with the names, or 0 if there is none."""

    delimiter: str
    quoting: str = "doubled"
    header: int = 1


def guess_layout(sample: str, default: str = ",") -> Layout:
    """Return the layout under which most rows of the sample have the same number of cells. An empty delimiter is no table."""
    allow_long_cells()
    marked = SEP.match(sample)
    sample = sample[marked.end() :] if marked else sample.removeprefix("\ufeff")
    lines = _lines(sample)[:LOOKED_AT]
    delimiters = (marked[1],) if marked else dict.fromkeys((default or ",", *DELIMITERS))
    quotings = ["doubled", *(["none", "backslash"] if '"' in sample or "\\" in sample else []),
                *(["single"] if re.search(r"(?:^|[,;|\t\n])'", sample) else [])]  # fmt: skip
    best, most, table = Layout(marked[1] if marked else default), 0.0, []
    for quoting in quotings:
        for delimiter in delimiters:
            rows = list(_rows(lines, delimiter, quoting))
            if (fit := _fit(rows, delimiter)) > most + 0.001:
                best, most, table = Layout(delimiter, quoting), fit, rows
    return best._replace(header=guess_header(table)) if table else best


def _lines(sample: str) -> list[str]:
    """Return the lines as the reader sees them; without the last, which may be cut, if the sample is no whole file."""
    text = sample.replace("\r\n", "\n")
    lines = (text if "\n" in text else text.replace("\r", "\n")).split("\n")
    whole = lines[:-1] if len(sample) >= SAMPLE and len(lines) > 1 else lines
    return [line + "\n" for line in whole if line]


def is_table(sample: str, layout: Layout) -> bool:
    """Return whether a text is a table beyond doubt: every line has as many cells as the first, which are plain names."""
    rows = list(_rows(_lines(sample), layout.delimiter, layout.quoting))
    width = len(rows[0])
    names = all(re.fullmatch(r"[^\W\d]\w{0,29}", cell.strip()) and cell[:1] != " " for cell in rows[0])
    return width > 1 and len(rows) > 1 and names and all(len(row) == width for row in rows)


def _fit(rows: list[list[str]], delimiter: str) -> float:
    """Return how well the rows agree in their number of cells, times this number; 0 for a single column."""
    if not rows:
        return 0.0
    header = guess_header(rows)
    width = len(rows[max(header - 1, 0)])
    if width < 2:
        return 0.0
    table = rows[max(header - 1, 0) :]
    agreeing = sum(1 for row in table if len(row) == width and not swallowed(row, width, delimiter))
    return agreeing / len(table) * min(width, 50)


def swallowed(cells: list[str], width: int, delimiter: str) -> str:
    """Return the cell whose line breaks look like the ends of rows, as after a quote that is never closed; else nothing."""
    for cell in cells:
        breaks = cell.count("\n")
        if not breaks or width < 2 or delimiter not in cell:
            continue
        inner = cell.split("\n")[1:-1]
        if inner and all(line.count(delimiter) == width - 1 for line in inner):
            return cell
        if not inner and width > 2 and cell.count(delimiter) == width - 1:
            return cell
    return ""


def guess_header(rows: list[list[str]]) -> int:
    """Return the number of the row with the names: below a title, or 0 if the first row looks like the others."""
    for number, row in enumerate(rows[: HEADERS // 2]):
        titles = [cell.strip() for cell in row if cell.strip()]
        if len(titles) > 1 or (titles and titles[0].casefold() in NAMES):
            break
        below = rows[number + 1 :]
        agreeing = sum(1 for other in below if len(other) == len(below[0]))
        if len(below) > 1 and len(below[0]) > 1 and agreeing > 0.8 * len(below) and _is_names(below[0]):
            return number + 2
    return 0 if len(rows) > 2 and len(rows[0]) > 1 and _has_no_names(rows) else 1


def _is_names(row: list[str]) -> bool:
    cells = [cell.strip() for cell in row]
    named = all(cells) and len(set(cells)) == len(cells) and max(map(len, cells)) <= 40
    return named and not any(NUMBER.fullmatch(cell) for cell in cells)


def _has_no_names(rows: list[list[str]]) -> bool:
    """Return whether the first row goes on in those below: numbers that count on, or a value that comes again."""
    first = [cell.strip() for cell in rows[0]]
    if any(cell.casefold() in NAMES or not cell for cell in first):
        return False
    below = [row for row in rows[1:] if len(row) == len(first)]
    for place, cell in enumerate(first):
        column = [row[place].strip() for row in below]
        if re.fullmatch(r"\d{1,9}", cell) and column[:2] == [str(int(cell) + 1), str(int(cell) + 2)]:
            return True
        if not NUMBER.fullmatch(cell) and column.count(cell) and rows[0] not in below:
            return True
    return False


def _rows(lines: Iterable[str], delimiter: str, quoting: str) -> Iterator[list[str]]:
    reader = cells_of(lines, delimiter, quoting)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield []
            continue
        if cells:
            yield cells


def cells_of(lines: Iterable[str], delimiter: str, quoting: str) -> Iterator[list[str]]:
    """Return a reader of the lines' cells. Under "backslash" each cell is for `restored`."""
    if quoting == "none":
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    if quoting == "backslash":
        lines = map(standing_in, lines)
    return csv.reader(lines, delimiter=delimiter, quotechar="'" if quoting == "single" else '"', strict=True)


def standing_in(line: str) -> str:
    """Put halves of characters, which no text of a file has, in place of what a backslash escapes."""
    if "\\" not in line:
        return line
    pattern = ESCAPED if '"' in line.replace('\\"', "") else ESCAPED_OUTSIDE
    return pattern.sub(lambda found: chr(0xDC00 + ord(found[1])), line)


def restored(cell: str) -> str:
    """Put back what `standing_in` replaced."""
    return STANDINS.sub(lambda found: chr(ord(found[0]) - 0xDC00), cell)


def allow_long_cells() -> None:
    csv.field_size_limit(LIMITS.row)
