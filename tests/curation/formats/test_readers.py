"""Files of every kind, good and bad, read row by row."""

import datetime
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.formats import FormatError, Source, SourceRow, read, read_as, sniff
from curation.formats.readers.json_arrays import read_json
from curation.formats.readers.jsonl import read_jsonl

ROWS = [{"id": 1, "text": "Où est-il ?"}, {"id": 2, "text": 'She said "no",\nthen left.'}, {"id": 3, "text": "Ærø [{"}]
AS_TEXT = [{key: str(value) for key, value in row.items()} for row in ROWS]


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def csv_text(delimiter: str = ",") -> str:
    quoted = ((str(row["id"]), '"' + str(row["text"]).replace('"', '""') + '"') for row in ROWS)
    return "\n".join(delimiter.join(cells) for cells in [("id", "text"), *quoted]) + "\n"


def parquet_bytes(rows: list[Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def xlsx_bytes(rows: list[list[Any]], sheets: tuple[str, ...] = ("Rows",)) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def load(folder: Path, name: str, data: bytes) -> tuple[Source, list[SourceRow]]:
    path = folder / "upload"
    path.write_bytes(data)
    source = sniff(path, name)
    # As a job does, which finds the source as JSON on its row.
    assert Source.from_json(json.loads(json.dumps(source.to_json()))) == source
    return source, list(read(path, source))


def data_of(rows: list[SourceRow]) -> list[Any]:
    assert [row.problem for row in rows if row.problem] == []
    return [row.data for row in rows]


SPACED = jsonl(ROWS).replace(b"}\n", b"}\r\n\r\n").rstrip()
OBJECTS = b"\n".join(json.dumps(row, indent=1).encode() for row in ROWS)
PRETTY = json.dumps(ROWS, ensure_ascii=False, indent=2).encode()
GOOD: dict[str, tuple[str, bytes, str, list[Any]]] = {
    "JSON Lines": ("a.jsonl", jsonl(ROWS), "jsonl", ROWS),
    "JSON Lines with CRLF, blank lines and no end": ("a.jsonl", SPACED, "jsonl", ROWS),
    "JSON Lines named .json": ("a.json", jsonl(ROWS), "jsonl", ROWS),
    "JSON Lines without a name": ("upload", jsonl(ROWS), "jsonl", ROWS),
    "a JSON array": ("a.json", json.dumps(ROWS).encode(), "json", ROWS),
    "a pretty JSON array": ("a.json", PRETTY, "json", ROWS),
    "a JSON array named .jsonl": ("a.jsonl", PRETTY, "json", ROWS),
    "an array in an object in one line": ("a.json", b'{"version": "1.1", "data": ' + json.dumps(ROWS).encode() + b"}", "json", ROWS),
    "a page of a REST answer": ("a.json", b'{"count": 3, "next": null, "results": ' + PRETTY + b"}", "json", ROWS),
    "a row with a list of its own": ("a.json", b'{"id": 1, "items": [{"a": 1}]}', "jsonl", [{"id": 1, "items": [{"a": 1}]}]),
    "an array in an object": ("a.json", b'{"data": ' + PRETTY + b', "count": 3, "more": [{"a": 1}]}', "json", ROWS),
    "pretty objects one after another": ("a.jsonl", OBJECTS, "json", ROWS),
    "one object": ("a.json", json.dumps(ROWS[0], indent=1).encode(), "json", ROWS[:1]),
    "UTF-8 with BOM": ("a.jsonl", b"\xef\xbb\xbf" + jsonl(ROWS), "jsonl", ROWS),
    "UTF-16": ("a.jsonl", jsonl(ROWS).decode().encode("utf-16"), "jsonl", ROWS),
    "UTF-16 without a mark": ("a.csv", csv_text().encode("utf-16-le"), "csv", AS_TEXT),
    "CSV": ("a.csv", csv_text().encode(), "csv", AS_TEXT),
    "CSV with a mark and CRLF": ("a.csv", b"\xef\xbb\xbf" + csv_text().replace("\n", "\r\n").encode(), "csv", None),
    "CSV in Latin-1": ("a.csv", csv_text().encode("cp1252"), "csv", AS_TEXT),
    "CSV with semicolons": ("a.csv", csv_text(";").encode(), "csv", AS_TEXT),
    "TSV": ("a.tsv", csv_text("\t").encode(), "tsv", AS_TEXT),
    "Parquet": ("a.parquet", parquet_bytes(ROWS), "parquet", ROWS),
    "Excel": ("a.xlsx", xlsx_bytes([["id", "text"], *[list(row.values()) for row in ROWS]]), "xlsx", ROWS),
    "text": ("a.txt", "Où est-il ?".encode("cp1252"), "text", [{"name": "a.txt", "text": "Où est-il ?"}]),
    "Markdown": ("a.md", b"# T\r\n\r\nx", "text", [{"name": "a.md", "text": "# T\n\nx"}]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "form", "rows"), GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("packed", ["", "gz", "zip"])
def test_every_format_is_read_plain_and_packed(
    tmp_path: Path, name: str, data: bytes, form: str, rows: list[Any] | None, packed: str
) -> None:
    if packed == "gz":
        name, data = f"{name}.gz", gzip.compress(data)
    source, found = load(
        tmp_path, "a.zip" if packed == "zip" else name, zip_bytes({name: data}) if packed == "zip" else data
    )
    assert (source.format, source.compression) == (form, packed)
    if rows is not None:
        assert data_of(found) == rows
        assert source.columns == tuple(rows[0])
    assert len({row.line for row in found}) == len(found)


@pytest.mark.parametrize(("name", "data", "form", "rows"), GOOD.values(), ids=GOOD)
def test_reading_starts_where_it_left_off(tmp_path: Path, name: str, data: bytes, form: str, rows: list[Any]) -> None:
    source, whole = load(tmp_path, name, data)
    for start in range(len(whole) + 2):
        assert list(read(tmp_path / "upload", source, start)) == whole[start:]


def test_lines_are_the_ones_of_the_file(tmp_path: Path) -> None:
    _, rows = load(tmp_path, "a.csv", csv_text().encode())
    assert [row.line for row in rows] == [2, 3, 5]  # the second holds a line break
    _, rows = load(tmp_path, "a.jsonl", b'\n{"a":1}\n\n{"a":2}\n')
    assert [row.line for row in rows] == [2, 4]


BAD_LINES = {
    "not JSON": (b'{"a": 1', "not-json", "not valid JSON"),
    "single quotes": (b"{'a': 1}", "not-json", "double quotes"),
    "NaN": (b'{"a": NaN}', "not-json", "Write null"),
    "a list": (b"[1, 2]", "not-an-object", "a list, not an object"),
    "a number": (b"17", "not-an-object", "a number"),
    "an escaped NUL": (b'{"a": "x\\u0000y"}', "nul", "NUL"),
    "a bare NUL": (b'{"a": "x\x00y"}', "not-json", "not valid JSON"),
    "half a character": (b'{"a": "\\ud800"}', "not-json", "not valid JSON"),
    "bytes that are no UTF-8": (b'{"a": "\xff\xfe"}', "not-json", "not valid JSON"),
    "deep brackets": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "row-too-deep", "nested deeper"),
    "deep and never closed": (b'{"a":' * 100_000, "row-too-deep", "nested deeper"),
}


@pytest.mark.parametrize(("line", "code", "words"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, code: str, words: str) -> None:
    good = "é".encode() * 20
    data = b'{"a": "' + good + b'"}\n' + line + b'\n{"a": 2}\n'
    _, rows = load(tmp_path, "a.jsonl", data)
    assert [row.line for row in rows] == [1, 2, 3]
    problem = rows[1].problem
    assert problem is not None
    assert (problem.code, problem.where) == (code, "line 2")
    assert words in problem.message
    assert rows[1].raw
    assert "\x00" not in rows[1].raw
    assert rows[0].data
    assert rows[2].data == {"a": 2}


def test_an_escaped_backslash_before_u0000_is_no_nul(tmp_path: Path) -> None:
    _, rows = load(tmp_path, "a.jsonl", b'{"a": "C:\\\\u0000"}\n')
    assert data_of(rows) == [{"a": "C:\\u0000"}]


def test_a_line_without_end_is_one_bad_row_and_is_not_held() -> None:
    pieces = [b'{"a": 1}\n{"b": "', *[b"x" * 1000] * 50, b'"}\n{"c": 3}\n']
    rows = list(read_jsonl(iter(pieces), limit=10_000))
    assert [row.data for row in rows] == [{"a": 1}, None, {"c": 3}]
    assert rows[1].problem is not None
    assert rows[1].problem.code == "row-too-long"


def test_an_element_without_end_is_one_bad_row_and_is_not_held() -> None:
    pieces = [b'[{"a": 1}, {"b": "', *[b'x\\"' * 300] * 50, b'"}, {"c": 3}]']
    rows = list(read_json(iter(pieces), limit=10_000))
    assert [row.data for row in rows] == [{"a": 1}, None, {"c": 3}]


BAD_ARRAYS = {
    "an element that is no object": (b'[{"a": 1}, 17, {"a": 2}]', [True, False, True]),
    "a text": (b'[{"a": 1}, "x, ] y", {"a": 2}]', [True, False, True]),
    "a bad element": (b'[{"a": 1}, {"a": nul}, {"a": 2}]', [True, False, True]),
    "cut off": (b'[{"a": 1}, {"a": 2}, {"a"', [True, True, False]),
    "cut off in a text": (b'[{"a": 1}, {"a": "2', [True, False]),
    "something after it": (b'[{"a": 1}] x', [True, False]),
    "a trailing comma": (b'[{"a": 1},]', [True]),
    "a deep element": (b'[{"a": 1}, {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b'}, {"a": 2}]', [True, False, True]),
}


@pytest.mark.parametrize(("data", "good"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_a_bad_element_costs_itself_only(tmp_path: Path, data: bytes, good: list[bool]) -> None:
    _, rows = load(tmp_path, "a.json", data)
    assert [row.data is not None for row in rows] == good


VALUES = st.text() | st.integers(-(2**63), 2**63 - 1) | st.lists(st.text())


@given(st.lists(st.dictionaries(st.text(max_size=5), VALUES)), st.integers(1, 40))
def test_an_array_is_read_wherever_its_blocks_end(rows: list[Any], size: int) -> None:
    rows = [{str(key).replace("\x00", ""): value for key, value in row.items()} for row in rows]
    data = json.dumps(rows).replace("\\u0000", " ").encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [row.data for row in read_json(iter(pieces))] == json.loads(data)
    lines = b"".join(json.dumps(row).replace("\\u0000", " ").encode() + b"\n" for row in rows)
    pieces = [lines[at : at + size] for at in range(0, len(lines), size)]
    assert [row.data for row in read_jsonl(iter(pieces))] == json.loads(data)


RAGGED = b"a,b\n1,2\n1,2,3\n1\n1,2,,\n"


def test_ragged_rows_are_reported_and_empty_cells_at_the_end_forgiven(tmp_path: Path) -> None:
    _, rows = load(tmp_path, "a.csv", RAGGED)
    assert [row.problem.code if row.problem else row.data for row in rows] == [
        {"a": "1", "b": "2"}, "ragged", "ragged", {"a": "1", "b": "2"},
    ]  # fmt: skip
    assert rows[1].problem is not None
    assert "3 cells but the header has 2" in rows[1].problem.message
    assert rows[2].problem is not None
    assert (
        rows[2].problem.message == "The row has 1 cell but the header has 2: “b” missing. Write empty cells for them."
    )


def test_a_quote_that_swallowed_the_next_line_is_named_as_the_reason(tmp_path: Path) -> None:
    source, rows = load(tmp_path, "a.csv", b'a,b\n1,2\n3,4\n"5,6\n7,8\n')
    assert data_of(rows)[2:] == [{"a": '"5', "b": "6"}, {"a": "7", "b": "8"}]  # the quote is but a character
    rows = list(read(tmp_path / "upload", read_as(tmp_path / "upload", source, quoting="doubled")))
    assert rows[2].problem is not None
    assert "a quote that opens there may never be closed" in rows[2].problem.message


def test_a_quote_that_is_never_closed_does_not_hang(tmp_path: Path) -> None:
    _, rows = load(tmp_path, "a.csv", b'a,b\n1,2\n3,"' + b"x,y\n" * 50_000)
    assert rows[0].data == {"a": "1", "b": "2"}
    assert len(rows) >= 2


def test_columns_without_a_name_or_named_twice_get_one(tmp_path: Path) -> None:
    source, _ = load(tmp_path, "a.csv", b"a,,a\n1,2,3\n")
    assert source.columns == ("a", "column 2", "a 2")


def test_old_line_ends_are_understood(tmp_path: Path) -> None:
    _, rows = load(tmp_path, "a.csv", b"a,b\r1,2\r3,4\r")
    assert data_of(rows) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_values_of_parquet_become_what_json_holds(tmp_path: Path) -> None:
    table = pa.table({
        "when": [datetime.datetime(2026, 1, 2, 3, 4)], "share": [float("nan")], "raw": [b"text"],
        "messages": [[{"role": "user", "content": "x"}]],
    })  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file)
    _, [row] = load(tmp_path, "a.parquet", file.getvalue())
    assert row.data == {
        "when": "2026-01-02T03:04:00", "share": None, "raw": "text", "messages": [{"role": "user", "content": "x"}],
    }  # fmt: skip


def test_bytes_in_parquet_are_a_bad_row(tmp_path: Path) -> None:
    _, [row] = load(tmp_path, "a.parquet", parquet_bytes([{"image": b"\xff\xd8"}]))
    assert row.problem is not None
    assert "aren't text" in row.problem.message


def test_other_sheets_are_mentioned(tmp_path: Path) -> None:
    source, _ = load(tmp_path, "a.xlsx", xlsx_bytes([["a"], [1]], ("One", "Two")))
    assert (source.sheet, source.sheets) == ("One", ("One", "Two"))
    assert "2 sheets (One, Two)" in source.notes[0]


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_another_sheet_can_be_read(tmp_path: Path) -> None:
    data = workbook(Cover=[["What this is"]], Rows=[["a"], [1], [2]], More=[["b", "c"], [3, 4]])
    source, rows = load(tmp_path, "a.xlsx", data)
    assert source.sheet == "Rows"  # the cover has nothing below its one line
    assert data_of(rows) == [{"a": 1}, {"a": 2}]
    more = read_as(tmp_path / "upload", source, sheet="More")
    assert (more.columns, len(more.notes)) == (("b", "c"), 1)
    assert "“More” is read" in more.notes[0]
    assert data_of(list(read(tmp_path / "upload", more))) == [{"b": 3, "c": 4}]
    back = read_as(tmp_path / "upload", more, sheet="Rows")
    assert (back.sheet, back.columns, back.notes, back.chosen) == (
        source.sheet,
        source.columns,
        source.notes,
        ("sheet",),
    )
    with pytest.raises(FormatError, match=r"“Cover” of a\.xlsx has no rows"):
        read_as(tmp_path / "upload", source, sheet="Cover")
    with pytest.raises(FormatError, match="only Cover, Rows, More"):
        read_as(tmp_path / "upload", source, sheet="Less")


def test_what_is_no_open_workbook_has_no_sheets_to_choose(tmp_path: Path) -> None:
    table, _ = load(tmp_path, "a.csv", b"a\n1\n")
    with pytest.raises(FormatError, match=r"no sheet 'Rows' to choose\.$"):
        read_as(tmp_path / "upload", table, sheet="Rows")
    packed, rows = load(tmp_path, "a.zip", zip_bytes({"a.xlsx": workbook(One=[["a"], [1]], Two=[["b"], [2]])}))
    assert data_of(rows) == [{"a": 1}]
    with pytest.raises(FormatError, match="Unpack it to choose"):
        read_as(tmp_path / "upload", packed, sheet="Two")


def test_a_zip_holds_several_files_and_names_are_only_shown(tmp_path: Path) -> None:
    members = {
        "../../etc/evil.jsonl": b'{"a": 1}\n{"a": 2}\n', "/abs/notes.txt": b"Hello", "b.csv": b"a\n3\n",
        "__MACOSX/._b.csv": b"junk", ".DS_Store": b"junk", "c.pdf": b"%PDF-1.4",
        "d.zip": zip_bytes({"x.jsonl": b'{"a":1}'}),
    }  # fmt: skip
    before = set(tmp_path.rglob("*"))
    _, rows = load(tmp_path, "a.zip", zip_bytes(members))
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "upload"}
    assert [row.file for row in rows] == [
        "../../etc/evil.jsonl", "../../etc/evil.jsonl", "/abs/notes.txt", "b.csv", "c.pdf", "d.zip",
    ]  # fmt: skip
    assert [row.data is not None for row in rows] == [True] * 4 + [False] * 2
    assert [row.line for row in rows] == sorted({row.line for row in rows})
    assert rows[-1].problem is not None
    assert "Unpack it first" in rows[-1].problem.message


REFUSED = {
    "nothing": ("a.jsonl", b"", "is empty"),
    "a header alone": ("a.csv", b"a,b\n", "no rows"),
    "white space": ("a.jsonl", b"\n\n  \n", "no rows"),
    "a PDF": ("a.txt", b"%PDF-1.7", "a PDF"),
    "an old workbook": ("a.xls", b"\xd0\xcf\x11\xe0" + b"\x00" * 100, "save it as .xlsx"),
    "a pickle": ("a.jsonl", b"\x80\x04\x95abc", "pickle"),
    "noise": ("a.csv", bytes(range(32)) * 40, "readable text"),
    "a damaged Parquet": ("a.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1", "Parquet"),
    "a damaged workbook": ("a.xlsx", b"PK\x03\x04" + b"\x00" * 100, "workbook"),
    "a damaged zip": ("a.zip", b"PK\x03\x04" + b"\x00" * 100, "damaged"),
    "a cut gz": ("a.jsonl.gz", gzip.compress(jsonl(ROWS * 5000))[:500], "damaged"),
    "an empty zip": ("a.zip", zip_bytes({}), "no files"),
    "a zip in a zip": ("a.zip", zip_bytes({"b.zip": zip_bytes({"c.txt": b"x"})}), "Unpack it first"),
    "a bomb of zeros": ("a.jsonl.gz", gzip.compress(b"0" * (40 << 20)), "refused"),
    "a bomb in a zip": ("a.zip", zip_bytes({"a.txt": b"0" * (40 << 20)}), "refused"),
    "a workbook with entities": (
        "a.xlsx", zip_bytes({"[Content_Types].xml": b"<!DOCTYPE x [<!ENTITY a 'b'>]>"}), "refused",
    ),
    "a workbook with a bomb": (
        "a.xlsx",
        zip_bytes({"[Content_Types].xml": b"<x/>", "xl/sharedStrings.xml": b" " * (40 << 20)}),
        "Save it as CSV",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_with_advice(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        load(tmp_path, name, data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.parquet", "a.xlsx", "a.zip", "a.gz", "a.txt"]),
    st.sampled_from([b"", b"{", b"[{", b"a,b\n", b"PK\x03\x04", b"PAR1", b"\x1f\x8b\x08"]),
)
def test_no_bytes_raise_anything_but_a_format_error(tmp_path: Path, data: bytes, name: str, start: bytes) -> None:
    try:
        _, rows = load(tmp_path, name, start + data)
    except FormatError as error:
        assert len(str(error)) > 10  # noqa: PT017 - either outcome is right
    else:
        assert all((row.data is None) != (row.problem is None) for row in rows)


def test_a_person_may_say_how_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes("Größe;Łódź\nein Maß;żółw\n".encode("cp1250"))
    guessed = sniff(path, "a.csv")
    said = read_as(path, guessed, encoding="cp1250")
    assert said.columns == ("Größe", "Łódź")
    assert data_of(list(read(path, said))) == [{"Größe": "ein Maß", "Łódź": "żółw"}]
    cut = read_as(path, said, delimiter="\t")
    assert (cut.format, cut.columns, cut.encoding) == ("tsv", ("Größe;Łódź",), "cp1250")
    back = read_as(path, cut, delimiter=";")
    assert (back.columns, back.chosen) == (said.columns, ("encoding", "delimiter"))
    assert guessed.notes[0].startswith("The encoding is guessed: ")
    assert back.notes == ("Guessed: cells have double quotes, doubled inside a cell.",)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", csv_text().encode(), {"encoding": "rot13"}),
        ("a.csv", csv_text().encode(), {"delimiter": "e"}),
        ("a.jsonl", jsonl(ROWS), {"delimiter": ";"}),
        ("a.parquet", parquet_bytes(ROWS), {"encoding": "utf-8"}),
        ("a.zip", zip_bytes({"a.csv": csv_text().encode()}), {"encoding": "klingon"}),
        ("a.csv", b"x", {"encoding": "utf-16"}),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, name: str, data: bytes, said: dict[str, str]) -> None:
    path = tmp_path / "upload"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        read_as(path, sniff(path, name) if len(data) > 1 else Source("csv"), **said)
