"""Excel workbooks (.xlsx): one sheet of them."""

import warnings
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import openpyxl

from curation.formats.columnar import holds_nul, plain
from curation.formats.rows import LIMITS, MEGABYTE, FormatError, Row, bad_row
from curation.formats.tables import column_names


def _open(file: IO[bytes]) -> Any:
    _refuse_bombs(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About styles and extensions, none of which is data.
            return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets through whatever its many parsers raise.
        raise FormatError(_damaged(error)) from error


def _refuse_bombs(file: IO[bytes]) -> None:
    """The size a zip declares for a member also bounds what is read of it, so it can be trusted from above."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            for member in members:
                _refuse_entities(archive, member)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise FormatError(_damaged(error)) from error
    file.seek(0)
    if len(members) > LIMITS.entries:
        raise FormatError("The workbook has too many parts: save it again, or as CSV.")
    for member in members:
        shared = member.filename.lower().endswith("sharedstrings.xml")
        ratio = member.file_size > LIMITS.ratio_from and member.file_size > LIMITS.ratio * max(member.compress_size, 1)
        if ratio or member.file_size > (LIMITS.sheet_strings if shared else LIMITS.unpacked):
            size = f"{member.file_size // MEGABYTE:,} MB"
            raise FormatError(f"The workbook would unpack to {size}, too much to read: save it as CSV.")


def _refuse_entities(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.filename.lower().endswith((".xml", ".rels")):
        with archive.open(member) as part:
            if b"<!DOCTYPE" in part.read(4096):
                raise FormatError(
                    "The workbook holds XML entity declarations, which no spreadsheet writes: it is refused."
                )


def sheets(file: IO[bytes]) -> list[str]:
    """The names of the sheets, in order. Raises FormatError."""
    book = _open(file)
    names = [sheet.title for sheet in book.worksheets]
    book.close()
    if not names:
        raise FormatError("The workbook has no sheet with cells.")
    return names


def first_with_rows(file: IO[bytes]) -> str:
    """The sheet that is read unless somebody chooses: the first one, but for those with nothing below a header. Raises FormatError."""
    book = _open(file)
    try:
        with_rows = (sheet.title for sheet in book.worksheets if next(_rows(sheet, 0), None) is not None)
        return next(with_rows, book.worksheets[0].title)
    finally:
        book.close()


def read_xlsx(file: IO[bytes], sheet: str, start: int = 0) -> Iterator[Row]:
    """A row for each row below the first one that is not empty, which names the columns; `line` is its number."""
    book = _open(file)
    try:
        titles = [each.title for each in book.worksheets]
        if sheet and sheet not in titles:
            raise FormatError(f"There is no sheet “{sheet[:80]}” in the workbook: it has {', '.join(titles[:20])}.")
        yield from _rows(book[sheet or titles[0]], start)
    finally:
        book.close()


def _rows(sheet: Any, start: int) -> Iterator[Row]:
    names: list[str] | None = None
    number = seen = 0
    cells_of = iter(sheet.iter_rows(values_only=True))
    while True:
        number += 1
        try:
            cells = list(next(cells_of))
        except StopIteration:
            return
        except Exception as error:  # As above: a damaged sheet raises anything.
            yield bad_row(number, "damaged", _damaged(error), "", f"row {number}")
            return
        while cells and cells[-1] in (None, ""):
            cells.pop()
        if not cells:
            continue
        if names is None:
            names = column_names(["" if cell is None else str(cell) for cell in cells])
            continue
        seen += 1
        if seen > start:
            yield _row(number, names, cells)


def _row(number: int, names: list[str], cells: list[Any]) -> Row:
    where = f"row {number}"
    if len(cells) > len(names):
        text = f"The row has {len(cells)} cells where the header has {len(names)}: name every column."
        return bad_row(number, "ragged", text, " | ".join(map(str, cells)), where)
    # A spreadsheet stores no empty cells at the end of a row.
    cells += [None] * (len(names) - len(cells))
    try:
        data = {name: plain(cell) for name, cell in zip(names, cells, strict=True)}
    except ValueError as error:
        return bad_row(number, "value", f"{error}.", "", where)
    if holds_nul(data):
        return bad_row(number, "nul", "The row holds a NUL character: remove it.", "", where)
    return Row(number, data)


def _damaged(error: Exception) -> str:
    reason = str(error).strip().split("\n")[0][:120].rstrip(".") or type(error).__name__
    return f"This is no readable .xlsx workbook ({reason}): save it again, or as CSV."
