"""Workbooks: what a cell shows is what arrives, and what it lacks is named."""

import datetime
from pathlib import Path
from typing import Any

import openpyxl
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import Source, SourceRow, read, read_as, sniff
from curation.formats.readers.xlsx import _with_zeros


def load(folder: Path, book: Any) -> tuple[Source, list[SourceRow]]:
    path = folder / "upload"
    book.save(path)
    source = sniff(path, "a.xlsx")
    return source, list(read(path, source))


def book_of(rows: list[list[Any]], formats: dict[str, str] | None = None) -> Any:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for place, form in (formats or {}).items():
        book.active[place].number_format = form
    return book


def test_formulas_without_values_and_errors_are_named_and_empty(tmp_path: Path) -> None:
    book = book_of([["id", "full", "share"], [1, "=A2&1", 0.5], [2, "x", "#DIV/0!"]])
    source, rows = load(tmp_path, book)
    assert [row.data for row in rows] == [{"id": 1, "full": None, "share": 0.5}, {"id": 2, "full": "x", "share": None}]
    assert [[note.code for note in row.notes] for row in rows] == [["formula"], ["cell-error"]]
    assert "“full” has formulas without stored values" in source.row_notes[0]
    assert "#DIV/0!" in source.row_notes[1]


def test_dates_stay_dates_and_zeros_stay(tmp_path: Path) -> None:
    day, time = datetime.datetime(2024, 3, 2), datetime.datetime(2024, 3, 2, 4, 5)
    rows = [["day", "time", "midnight", "zip", "nr", "plain", "text"], [day, time, day, 1234, 1234567, 7, "007"]]
    forms = {"A2": "yyyy-mm-dd", "B2": "yyyy-mm-dd hh:mm", "C2": "yyyy-mm-dd h:mm", "D2": "00000", "E2": '"K"000-0000'}
    _, [row] = load(tmp_path, book_of(rows, forms))
    assert row.data == {
        "day": "2024-03-02", "time": "2024-03-02T04:05:00", "midnight": "2024-03-02T00:00:00",
        "zip": "01234", "nr": "K123-4567", "plain": 7, "text": "007",
    }  # fmt: skip


@given(st.integers(0, 10**12), st.integers(2, 9))
def test_a_format_of_zeros_fills_a_number(value: int, width: int) -> None:
    assert _with_zeros(value, "0" * width) == str(value).zfill(width)


def test_merged_cells_all_have_the_value_and_are_named(tmp_path: Path) -> None:
    book = book_of([["topic", "text", "more"], ["boats", "a", 1], [None, "b", 2], [None, "c", 3], ["cars", "d", 4]])
    book.active.merge_cells("A2:A4")
    source, rows = load(tmp_path, book)
    assert [row.data["topic"] for row in rows if row.data] == ["boats", "boats", "boats", "cars"]
    assert "Merged cells" in source.row_notes[0]
    assert list(read(tmp_path / "upload", source, 2)) == rows[2:]


def test_a_title_above_the_names_is_no_header(tmp_path: Path) -> None:
    book = book_of([["Letters of May"], [], ["id", "text"], [1, "a"], [2, "b"]])
    book.active.merge_cells("A1:B1")
    source, rows = load(tmp_path, book)
    assert [row.data for row in rows] == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
    assert source.header == 2
    assert any("above the names" in note for note in source.notes)
    without = read_as(tmp_path / "upload", source, header="0")
    assert without.columns == ("column 1", "column 2")
