"""The reader of Excel workbooks (.xlsx), one sheet of them."""

import datetime
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import IO, Any
from xml.etree.ElementTree import iterparse
from xml.parsers import expat

from curation.formats.readers import layouts
from curation.formats.readers.delimited import column_names
from curation.formats.readers.parquet import holds_nul, plain
from curation.formats.readers.rows import LIMITS, MEGABYTE, FormatError, Note, SourceRow, bad_row, with_nul

PROLOG = 1 << 16
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
STRINGS_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def _open(file: IO[bytes]) -> Any:
    _refuse_bombs(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles and extensions, none of which is data.
            return _loaded(file)
    except MemoryError:
        raise
    except Exception as error:  # openpyxl lets through whatever its many parsers raise.
        raise FormatError(_damaged(error)) from error


def _refuse_bombs(file: IO[bytes]) -> None:
    """Refuse decompression bombs.

    The size that a zip declares for a member also bounds what is read of it, so it can be trusted.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _refuse_sizes(members)
            for member in members:
                with archive.open(member) as part:
                    _refuse_declarations(part)
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise FormatError(_damaged(error)) from error
    file.seek(0)


def _refuse_sizes(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > LIMITS.entries:
        raise FormatError("The workbook has too many parts. Save it again, or as CSV.")
    for member in members:
        shared = member.filename.lower().endswith("sharedstrings.xml")
        ratio = member.file_size > LIMITS.ratio_from and member.file_size > LIMITS.ratio * max(member.compress_size, 1)
        if ratio or member.file_size > (LIMITS.sheet_strings if shared else LIMITS.unpacked):
            size = f"{member.file_size // MEGABYTE:,} MB"
            raise FormatError(f"The workbook would unpack to {size}, which is too large. Save it as CSV.")


class _FirstElement(Exception):
    """The first element of an XML file: no declaration can follow."""


def _refuse_declarations(part: IO[bytes]) -> None:
    """Raise FormatError for XML with a document type, wherever it is and whatever the file is called.

    The check uses the parser that reads the sheets later. What it cannot read at all, it cannot read then either.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler = _begin
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    try:
        while block := part.read(PROLOG):
            parser.Parse(block)
    except (_FirstElement, expat.ExpatError):
        return


def _begin(*_: object) -> None:
    raise _FirstElement


def _refuse(*_: object) -> None:
    raise FormatError(
        "The workbook is refused because it contains XML entity declarations, which no spreadsheet writes."
    )


def _loaded(file: IO[bytes]) -> Any:
    """Return the workbook, read on demand. Of its strings only the words are kept."""
    import openpyxl.reader.excel  # slow to import, and most files have no use for it

    class Reader(openpyxl.reader.excel.ExcelReader):  # type: ignore[misc]
        def read_strings(self) -> None:
            part = self.package.find(STRINGS_TYPE)
            if part is not None:
                with self.archive.open(part.PartName[1:]) as source:
                    self.shared_strings = _shared_strings(source)

    reader = Reader(file, read_only=True, data_only=True, keep_links=False)
    reader.read()
    return reader.wb


def _shared_strings(source: IO[bytes]) -> list[str]:
    """Return the texts that cells name by number. The library's own reader takes twenty times as long."""
    strings: list[str] = []
    root = None
    for event, node in iterparse(source, ("start", "end")):  # noqa: S314 - declarations were refused before
        if root is None:
            root = node
        if event == "end" and node.tag == f"{SHEET}si":
            # A text, or runs of differently written text; what helps to pronounce it is none.
            parts = [each.text if each.tag == f"{SHEET}t" else each.findtext(f"{SHEET}t") for each in node
                     if each.tag in (f"{SHEET}t", f"{SHEET}r")]  # fmt: skip
            strings.append("".join(filter(None, parts)).replace("x005F_", ""))
            root.clear()
    return strings


def sheets(file: IO[bytes]) -> list[str]:
    """Return the names of the sheets, in order. Raises FormatError."""
    book = _open(file)
    names = [sheet.title for sheet in book.worksheets]
    book.close()
    if not names:
        raise FormatError("The workbook has no sheet with cells.")
    return names


def first_with_rows(file: IO[bytes]) -> str:
    """Return the sheet that is read unless somebody chooses: the first one with rows below a header, else the first.

    Raises FormatError.
    """
    book = _open(file)
    try:
        with_rows = (sheet.title for sheet in book.worksheets if next(_rows(sheet, 0), None) is not None)
        return next(with_rows, book.worksheets[0].title)
    finally:
        book.close()


def read_xlsx(file: IO[bytes], sheet: str, start: int = 0, header: int = 1) -> Iterator[SourceRow]:
    """Yield a row for each row below the `header`th that is not empty, which names the columns; `line` is its number.

    Cells of a merged range all have its value. With `header` 0 the columns have numbers for names.
    """
    book = _open(file)
    try:
        titles = [each.title for each in book.worksheets]
        if sheet and sheet not in titles:
            raise FormatError(f"The workbook has no sheet “{sheet[:80]}”, only {', '.join(titles[:20])}.")
        yield from _rows(book[sheet or titles[0]], start, header)
    finally:
        book.close()


def guess_header(file: IO[bytes], sheet: str) -> int:
    """Return the number of the row with the names: 1, or a later one if a title stands above."""
    book = _open(file)
    try:
        first = [row for row in islice(_cells_of(book[sheet]), FIRST) if row]
    finally:
        book.close()
    return max(
        1, layouts.guess_header([["" if cell.value is None else str(cell.value) for cell in row] for row in first])
    )


FIRST = 30  # rows by which the header is known
MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"')
ZEROS = re.compile(r'(?:0|[- /]|\\.|"[^"]*")*')  # number formats of digits and what stands between them
TIMES = re.compile(r"[hs]|AM/PM", re.IGNORECASE)


class _Formula:
    """What a cell holds whose formula has no stored value."""


NO_VALUE = _Formula()


def _cells_of(sheet: Any) -> Iterator[list[Any]]:
    """Yield each row's cells; a formula without a stored value has NO_VALUE."""
    from openpyxl.cell.read_only import EMPTY_CELL, ReadOnlyCell
    from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

    class Parser(WorkSheetParser):  # type: ignore[misc]
        def parse_cell(self, element: Any) -> Any:
            cell = super().parse_cell(element)
            if cell["value"] is None and element.find(FORMULA_TAG) is not None:
                cell["value"] = NO_VALUE
            return cell

    book = sheet.parent
    with sheet._get_source() as source:
        formats = {"date_formats": book._date_formats, "timedelta_formats": book._timedelta_formats}
        parser = Parser(source, sheet._shared_strings, data_only=True, epoch=book.epoch, **formats)
        number = 0
        for place, found in parser.parse():
            while number < place - 1:
                number += 1
                yield []
            number = max(number, place)
            row = [EMPTY_CELL] * (found[-1]["column"] if found else 0)
            for cell in found:
                row[cell["column"] - 1] = ReadOnlyCell(sheet, **cell)
            while row and row[-1].value in (None, ""):
                row.pop()
            yield row


def _rows(sheet: Any, start: int, header: int = 1) -> Iterator[SourceRow]:
    names: list[str] | None = None
    number = rows = seen = 0
    merged = _MergedCells(sheet)
    cells_of = _cells_of(sheet)
    while True:
        number += 1
        try:
            cells = next(cells_of)
        except StopIteration:
            return
        except MemoryError:
            raise
        except Exception as error:  # As above: a damaged sheet raises anything.
            yield bad_row(number, "damaged", _damaged(error), "", f"row {number}")
            return
        values = [_value(cell) for cell in cells]
        filled = merged.fill(number, values) if rows >= header and values else False
        if not values:
            continue
        rows += 1
        if rows == header:
            names = column_names(["" if value is None else str(value) for value in values])
        if rows <= header:
            continue
        names = names or column_names([""] * len(values))
        seen += 1
        row = _row(number, names, values)
        if seen > start:
            yield row._replace(notes=(*row.notes, FILLED)) if filled else row


FILLED = Note("merged-cells", "Merged cells: each of them has the value of the whole.")


class _MergedCells:
    """The merged ranges of a sheet, and the value of each that was seen."""

    def __init__(self, sheet: Any) -> None:
        self.coming = sorted(_merged(sheet), key=itemgetter(1), reverse=True)
        self.open: list[tuple[tuple[int, int, int, int], Any]] = []  # ranges that rows are in, with their values

    def fill(self, number: int, values: list[Any]) -> bool:
        """Put the values of ranges that this row is in into its empty cells; return whether there were any."""
        while self.coming and self.coming[-1][1] <= number:
            left, top, *_ = new = self.coming.pop()
            self.open.append((new, values[left - 1] if top == number and left <= len(values) else None))
        self.open = [each for each in self.open if each[0][3] >= number and each[1] is not None]
        filled = False
        for (left, _, right, _), value in self.open:
            values += [None] * (right - len(values))
            for column in range(left - 1, right):
                if values[column] is None:
                    values[column], filled = value, True
        return filled


def _merged(sheet: Any) -> list[tuple[int, int, int, int]]:
    """Return the merged ranges as left, top, right, bottom: they stand behind the cells, so the whole sheet is searched."""
    from openpyxl.utils import range_boundaries

    found: list[tuple[int, int, int, int]] = []
    rest = b""
    with sheet._get_source() as source:
        while block := source.read(PROLOG):
            text = rest + block
            found += [range_boundaries(match[1].decode()) for match in MERGED.finditer(text)]
            at = text.rfind(b"<")
            rest = text[at:] if at >= 0 and len(text) - at < 200 else b""
            if len(found) > MOST_MERGED:
                break
    return [each for each in found[:MOST_MERGED] if each[2] <= LIMITS.columns]


MOST_MERGED = 5000


class _Error(str):
    """The words of a cell's error, such as #DIV/0!."""


def _value(cell: Any) -> Any:
    """Return a cell's value as its number format shows it: dates without times, numbers with their zeros."""
    value = cell.value
    if cell.data_type == "e":
        return _Error(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time() and not TIMES.search(_format(cell)):
        return value.date()
    if type(value) is int and value >= 0 and "00" in (form := _format(cell)) and ZEROS.fullmatch(form):
        return _with_zeros(value, form)
    return value


def _format(cell: Any) -> str:
    """Return the number format, without colours, conditions and places."""
    return re.sub(r"\[[^\]]*\]", "", cell.number_format or "").split(";")[0]


def _with_zeros(value: int, form: str) -> str:
    """Return a number in a format of zeros: as many digits at least, and what stands between them."""
    parts = re.findall(r'0|[- /]|\\.|"[^"]*"', form)
    digits = list(str(value).zfill(parts.count("0")))
    spare = len(digits) - parts.count("0")
    shown = ["".join(digits[:spare])] if spare else []
    rest = iter(digits[spare:])
    first = parts.index("0")
    texts = [next(rest) if part == "0" else part.strip('"').removeprefix("\\") for part in parts]
    return "".join([*texts[:first], *shown, *texts[first:]])


def _row(number: int, names: list[str], cells: list[Any]) -> SourceRow:
    where = f"row {number}"
    if len(cells) > len(names):
        text = f"The row has {len(cells)} cells, but the header has {len(names)}. Name every column."
        return bad_row(number, "ragged", text, " | ".join(map(str, cells)), where)
    # A spreadsheet stores no empty cells at the end of a row.
    cells += [None] * (len(names) - len(cells))
    data: dict[str, Any] = {}
    notes = []
    for name, cell in zip(names, cells, strict=True):
        if cell is NO_VALUE:
            text = f"“{name}” has formulas without stored values, read as empty. Open the workbook in a spreadsheet and save it."
            notes.append(Note("formula", text))
        elif isinstance(cell, _Error):
            notes.append(Note("cell-error", f"“{name}” has cells with an error ({cell}), read as empty."))
        try:
            data[name] = None if cell is NO_VALUE or isinstance(cell, _Error) else plain(cell)
        except ValueError as error:
            notes.append(Note("cell-left-out", f"“{name}”: {error}; such cells were left out."))
    if holds_nul(data):
        return with_nul(number, where=where)
    return SourceRow(number, data, notes=tuple(notes))


def _damaged(error: Exception) -> str:
    reason = str(error).strip().split("\n")[0][:120].rstrip(".") or type(error).__name__
    return f"This .xlsx workbook cannot be read ({reason}). Save it again, or as CSV."
