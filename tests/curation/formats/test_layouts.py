"""Tables of text: delimiters, quotes, and the row with the names."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import FormatError, Source, SourceRow, read, read_as, sniff
from curation.formats.readers.layouts import guess_layout


def load(folder: Path, text: str | bytes, name: str = "a.csv") -> tuple[Source, list[SourceRow]]:
    path = folder / "upload"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = sniff(path, name)
    return source, list(read(path, source))


def data_of(rows: list[SourceRow]) -> list[Any]:
    assert [row.problem for row in rows if row.problem] == []
    return [row.data for row in rows]


BARE = (
    'id\ttext\tlabel\n1\tA shelf of 7" depth\tgood\n2\t"Half a saying, left open\tbad\n3\tA third one\tgood\n'
    '4\tcloses with a quote"\tbad\n5\tA fifth one\tgood\n'
)
TABLES: dict[str, tuple[str, str, str, int, list[list[str]]]] = {
    "quotes that are characters": ("a.tsv", BARE, "none", 1, [line.split("\t") for line in BARE.splitlines()[1:]]),
    "a quoted word at the beginning of a cell": (
        "a.tsv", 'id\ttext\n1\t"Yes" was the word\n2\tNo\n', "none", 1, [["1", '"Yes" was the word'], ["2", "No"]],
    ),
    "doubled quotes": ("a.csv", 'id,text\n1,"He said ""no"", twice"\n2,b\n', "doubled", 1, [["1", 'He said "no", twice'], ["2", "b"]]),
    "doubled quotes in TSV": ("a.tsv", 'id\ttext\n1\t"He said ""no"""\n', "doubled", 1, [["1", 'He said "no"']]),
    "line breaks in cells": (
        "a.csv", 'id,text,x\n1,"Dear Ann,\ncome,\nsoon",y\n2,b,z\n', "doubled", 1, [["1", "Dear Ann,\ncome,\nsoon", "y"], ["2", "b", "z"]],
    ),
    "backslashes before quotes": (
        "a.csv", 'id,text\n1,"She said \\"never\\", then C:\\\\dir"\n2,"b \\n c"\n', "backslash", 1,
        [["1", 'She said "never", then C:\\dir'], ["2", "b \\n c"]],
    ),
    "backslashes before delimiters": ("a.csv", "id,text\n1,red\\, green\n2,blue\n", "backslash", 1, [["1", "red, green"], ["2", "blue"]]),
    "a path that ends with a backslash": ("a.csv", 'id,text\n1,"C:\\dir\\"\n2,b\n', "doubled", 1, [["1", "C:\\dir\\"], ["2", "b"]]),
    "single quotes": ("a.csv", "id,text\n1,'red, green'\n2,'it''s blue'\n", "single", 1, [["1", "red, green"], ["2", "it's blue"]]),
    "apostrophes": ("a.csv", "id,text\n1,'tis late\n2,b\n", "doubled", 1, [["1", "'tis late"], ["2", "b"]]),
    "Excel's line": ("a.csv", "sep=;\nid;text\n1;red, green\n2;blue\n", "doubled", 1, [["1", "red, green"], ["2", "blue"]]),
    "a title": ("a.csv", "Letters of May\nid,text\n1,red\n2,blue\n", "doubled", 2, [["1", "red"], ["2", "blue"]]),
    "a padded title": ("a.csv", "Letters of May,,\n,,\nid,text,x\n1,red,\n2,blue,\n", "doubled", 3, [["1", "red", ""], ["2", "blue", ""]]),
    "no names": ("a.csv", "1,red\n2,green\n3,blue\n", "doubled", 0, [["1", "red"], ["2", "green"], ["3", "blue"]]),
    "no names, labels alone": (
        "a.csv", "a red one,good\nb,bad\nc,good\n", "doubled", 0, [["a red one", "good"], ["b", "bad"], ["c", "good"]],
    ),
    "years as names": ("a.csv", "country,2019,2020\nNorway,1,2\nChad,3,4\n", "doubled", 1, [["Norway", "1", "2"], ["Chad", "3", "4"]]),
    "a table in a text file": ("a.txt", "id,text\n1,Hello\n2,You\n", "doubled", 1, [["1", "Hello"], ["2", "You"]]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "quoting", "header", "cells"), TABLES.values(), ids=TABLES)
def test_the_layout_of_a_table_is_told_from_its_lines(
    tmp_path: Path, name: str, text: str, quoting: str, header: int, cells: list[list[str]]
) -> None:
    source, rows = load(tmp_path, text, name)
    assert [list(row.values()) for row in data_of(rows)] == cells
    assert (source.quoting, source.header) == (quoting, header)
    assert any(note.startswith("Guessed: cells are split at") for note in source.notes)
    assert any("above the names" in note or "isn't a header" in note for note in source.notes) == (header != 1)
    for start in range(len(rows) + 1):
        assert list(read(tmp_path / "upload", source, start)) == rows[start:]


def test_prose_in_a_text_file_stays_a_text(tmp_path: Path) -> None:
    for text in (
        "Hello, Ann\nGood night, Bob\n",
        "one\ntwo\n",
        "{braces} are\nnot JSON\n",
        "[1] A note\n[2] Another\n",
    ):
        source, [row] = load(tmp_path, text, "a.txt")
        assert (source.format, row.data) == ("text", {"name": "a.txt", "text": text})


def test_json_in_a_text_file_is_rows(tmp_path: Path) -> None:
    for text in ('{"a": 1}\n{"a": 2}\n', '[{"a": 1},\n {"a": 2}]\n'):
        source, rows = load(tmp_path, text, "a.txt")
        assert data_of(rows) == [{"a": 1}, {"a": 2}]
        assert "The name ends in .txt" in source.notes[0]


def test_a_cell_with_lines_like_rows_is_doubted_in_its_row_and_before(tmp_path: Path) -> None:
    text = (
        "id,text,label\n" + "".join(f'{n},"a, b{n}",x\n' for n in range(40)) + '40,"open,x\n41,b,x\n42,c,x\n43,d",x\n'
    )
    source, rows = load(tmp_path, text)
    doubted = [row for row in rows if row.notes]
    assert [row.line for row in doubted] == [42]
    assert "rows of their own" in doubted[0].notes[0].text
    assert "(1 row, in line 42.)" in source.row_notes[0]


def test_a_letter_of_many_lines_is_not_doubted(tmp_path: Path) -> None:
    _, rows = load(
        tmp_path, 'id,text,label\n1,"Dear Ann,\n\nI write, as I said,\nfrom here.\nYours, Bob",x\n2,"a\nb",y\n'
    )
    assert not any(row.notes for row in rows)


def test_a_quote_that_closes_too_early_is_refused_not_dropped(tmp_path: Path) -> None:
    text = "id,text\n" + "".join(f'{n},"a, b"\n' for n in range(30)) + '30,"Yes" he said\n'
    _, rows = load(tmp_path, text)
    assert rows[-1].problem is not None
    assert "closes before the end" in rows[-1].problem.message
    assert '"Yes" he said' in rows[-1].raw


def test_byte_order_marks_are_no_part_of_keys_or_cells(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    _, rows = load(tmp_path, mark + mark + b"id,text\n1,a\n" + mark + b"2,b\n")
    assert data_of(rows) == [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]
    assert [len(row.notes) for row in rows] == [0, 1]


def test_a_person_chooses_quotes_and_header(tmp_path: Path) -> None:
    source, _ = load(tmp_path, BARE, "a.tsv")
    path = tmp_path / "upload"
    assert len(list(read(path, read_as(path, source, quoting="doubled")))) == 3
    bare = read_as(path, source, header="0")
    assert (bare.columns, len(list(read(path, bare)))) == (("column 1", "column 2", "column 3"), 6)
    assert bare.chosen == ("header",)
    lower = read_as(path, source, header="2")
    assert lower.columns[0] == "1"
    for said in ({"quoting": "loud"}, {"header": "x"}, {"header": "99"}, {"colour": "red"}):
        with pytest.raises(FormatError):
            read_as(path, source, **said)


def test_a_text_can_be_read_as_a_table(tmp_path: Path) -> None:
    source, _ = load(tmp_path, "A: b; c\nd; e\n", "a.txt")
    said = read_as(tmp_path / "upload", source, delimiter=";")
    assert (said.format, said.columns) == ("csv", ("A: b", "c"))


def test_a_column_that_python_printed_is_refused_with_the_reason(tmp_path: Path) -> None:
    _, [row] = load(tmp_path, "id,messages\n1,\"[{'role': 'user', 'content': 'Hi'}]\"\n")
    assert row.problem is not None
    assert "what Python prints" in row.problem.message


CELLS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029\x85\ufeff\ufffd"), max_size=12
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;\t"))
def test_what_the_csv_writer_wrote_is_read_the_same(
    tmp_path_factory: Any, rows: list[list[str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["id", "text", "label"], *rows])
    path = tmp_path_factory.mktemp("csv") / "upload"
    path.write_bytes(out.getvalue().encode())
    source = sniff(path, "a.csv")
    assert (source.delimiter, source.quoting, source.header) == (delimiter, "doubled", 1)
    assert [list(row.values()) for row in data_of(list(read(path, source)))] == rows


@given(
    st.lists(st.lists(st.sampled_from(["a", 'b"', '"c', 'd"e', "f g"]), min_size=3, max_size=3), min_size=3, max_size=8)
)
def test_quotes_in_lines_of_equal_width_never_lose_a_row(rows: list[list[str]]) -> None:
    lines = ["id\ttext\tlabel", *("\t".join(row) for row in rows)]
    layout = guess_layout("\n".join(lines) + "\n", "\t")
    if layout.quoting != "none":
        assert len(list(csv.reader((line + "\n" for line in lines), delimiter="\t"))) == len(lines)
