"""JSON whose numbers, keys and rows a fast parser would lose."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import FormatError, SourceRow, read, sniff
from curation.formats.readers.json_arrays import read_json
from curation.formats.readers.jsonl import row_from

HUGE = 340282366920938463463374607431768211000


def load(folder: Path, data: bytes, name: str) -> list[SourceRow]:
    path = folder / "upload"
    path.write_bytes(data)
    return list(read(path, sniff(path, name)))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_beyond_64_bits_keep_their_digits(tmp_path: Path, name: str) -> None:
    rows = [{"id": HUGE + n, "m": {"n": [-HUGE, 2**64 - 1, -(2**63), 2**64, -(2**63) - 1, 1.5]}} for n in range(3)]
    text = "\n".join(map(json.dumps, rows)) if name == "a.jsonl" else json.dumps(rows)
    found = load(tmp_path, text.encode(), name)
    inner = {"n": [str(-HUGE), 2**64 - 1, -(2**63), str(2**64), str(-(2**63) - 1), 1.5]}
    assert [row.data for row in found] == [{"id": str(HUGE + n), "m": inner} for n in range(3)]
    assert all([note.code for note in row.notes] == ["long-number"] for row in found)


@given(st.integers() | st.integers(2**62, 2**66) | st.integers(-(2**66), -(2**62)) | st.integers(10**25, 10**60))
def test_every_whole_number_stays_exact(number: int) -> None:
    row = row_from(1, json.dumps({"a": number, "b": "7" * 30}).encode())
    assert row.data is not None
    assert int(row.data["a"]) == number
    assert isinstance(row.data["a"], str) == bool(row.notes) == (not -(2**63) <= number < 2**64)


def test_a_key_that_stands_twice_is_told() -> None:
    for line in (b'{"a": 1, "a": 2}', b'{"b": {"a":1,"a" :2}}', b'{"a\\u0062": 1, "ab": 2}'):
        assert [note.code for note in row_from(1, line).notes] == ["key-twice"]
    [row] = read_json(iter([b'[{"a": 1, "a": 2}]']))
    assert (row.data, [note.code for note in row.notes]) == ({"a": 2}, ["key-twice"])
    for line in (b'{"a": "\\"b\\": \\"b\\":", "b": {"a" : 1}}', b'{"a": "\\u0022: x"}', b'{"a"\t: 1, "b"\t: 2}'):
        row = row_from(1, line)
        assert (row.data, row.notes) == (json.loads(line), ())


def test_byte_order_marks_are_left_out_of_lines_and_keys(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    rows = load(
        tmp_path, mark + b'{"a": 1}\n' + mark + b'{"a": 2}\n{"\\ufeffa": 3}\n{"' + mark + b'a": 4}\n', "a.jsonl"
    )
    assert [row.data for row in rows] == [{"a": n} for n in range(1, 5)]
    assert [[note.code for note in row.notes] for row in rows] == [[]] + [["byte-order-mark"]] * 3


BY_COLUMNS: dict[str, Any] = {
    "objects by number": {"question": {"0": "Q0", "1": "Q1"}, "answer": {"0": "A0", "1": "A1"}},
    "lists": {"question": ["Q0", "Q1"], "answer": ["A0", "A1"]},
    "columns apart": {"columns": ["a", "b"], "index": [0], "data": [["x", "y"]]},
}


@pytest.mark.parametrize("data", BY_COLUMNS.values(), ids=BY_COLUMNS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_table_by_columns_is_refused_with_the_reason(tmp_path: Path, data: Any, indent: int | None) -> None:
    with pytest.raises(FormatError, match=r"holds a table in one object .*orient"):
        load(tmp_path, json.dumps(data, indent=indent).encode(), "a.json")


def test_one_row_with_lists_is_a_row(tmp_path: Path) -> None:
    for row in ({"messages": [{"role": "user"}, {"role": "assistant"}], "tags": ["a"]}, {"a": {"b": "c"}, "d": "e"}):
        assert [found.data for found in load(tmp_path, json.dumps(row).encode(), "a.json")] == [row]


@pytest.mark.parametrize("text", ["{'a': 'b'}\n{'a': 'c'}\n", "[{'a': 'b'}, {'a': 'c'}]", '{"a": None}\n{"a": True}\n'])
def test_what_python_printed_is_named_and_is_the_reason_for_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "upload"
    path.write_text(text)
    source = sniff(path, "a.jsonl")
    assert "json.dumps" in source.problem
    assert not source.columns
