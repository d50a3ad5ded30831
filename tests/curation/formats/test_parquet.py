"""Parquet: what its schema knows arrives, and one cell never costs a row."""

import datetime
import decimal
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import SourceRow, read, sniff
from curation.formats.readers.parquet import read_parquet


def written(table: pa.Table) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(table, file)
    file.seek(0)
    return file


def rows_of(table: pa.Table) -> list[SourceRow]:
    file = written(table)
    return list(read_parquet(file, len(file.getvalue())))


def test_keys_of_other_rows_are_not_in_a_struct() -> None:
    calls = [
        [{"function": {"name": "weather", "arguments": {"town": "Oslo"}}}],
        [
            {
                "function": {
                    "name": "book",
                    "arguments": {"place": "Lind", "guests": 3, "wishes": [{"a": 1}, {"b": None}]},
                }
            }
        ],
    ]
    rows = rows_of(pa.table({"calls": calls, "info": [{"b": 2}, {"a": [], "c": "x"}], "note": [None, "n"]}))
    assert [row.data for row in rows] == [
        {"calls": calls[0], "info": {"b": 2}, "note": None},
        {"calls": [{"function": {"name": "book", "arguments": {"place": "Lind", "guests": 3, "wishes": [{"a": 1}, {}]}}}],
         "info": {"a": [], "c": "x"}, "note": "n"},
    ]  # fmt: skip


LEAVES = st.none() | st.integers(-5, 5)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), LEAVES, min_size=1), min_size=1, max_size=5))
def test_each_row_keeps_its_own_keys(rows: list[dict[str, Any]]) -> None:
    table = pa.table({"s": pa.array(rows, pa.struct([(key, pa.int64()) for key in "abc"]))})
    own = [{"s": {key: value for key, value in sorted(row.items()) if value is not None}} for row in rows]
    assert [row.data for row in rows_of(table)] == own


def test_names_of_class_labels_arrive_also_within_lists_and_structs() -> None:
    label = {"names": ["bad", "good"], "_type": "ClassLabel"}
    features = {
        "label": label, "tags": {"feature": label, "_type": "Sequence"}, "old": [label], "in": {"deep": label},
        "turns": {"feature": {"mood": label}, "_type": "Sequence"},
    }  # fmt: skip
    table = pa.table({
        "label": [0, 1, -1, 7], "tags": [[0, 1], [], None, [1]], "old": [[1]] * 4, "in": [{"deep": 1}] * 4,
        "turns": [{"mood": [0, 1]}] * 4,
    })  # fmt: skip
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    found = [row.data for row in rows_of(table)]
    assert [row["label"] for row in found if row] == ["bad", "good", None, 7]
    assert [row["tags"] for row in found if row] == [["bad", "good"], [], None, ["good"]]
    assert found[0] is not None
    assert (found[0]["old"], found[0]["in"], found[0]["turns"]) == (
        ["good"],
        {"deep": "good"},
        {"mood": ["bad", "good"]},
    )


@pytest.mark.parametrize(
    "noted", [b"no json", b"[]", b'{"info": 3}', b'{"info": {"features": {"a": {"_type": "ClassLabel"}}}}']
)
def test_notes_of_a_schema_that_cannot_be_read_change_nothing(noted: bytes) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({b"huggingface": noted})
    assert [row.data for row in rows_of(table)] == [{"a": 1}]


UTC = datetime.UTC
VALUES: dict[str, tuple[Any, pa.DataType, Any]] = {
    "a map": ([("a", 1), ("b", None)], pa.map_(pa.string(), pa.int64()), {"a": 1, "b": None}),
    "a map with numbers as keys": ([(1, {"x": 1})], pa.map_(pa.int64(), pa.struct([("x", pa.int8()), ("y", pa.int8())])), {"1": {"x": 1}}),
    "a map with a key twice": ([("a", 1), ("a", 2)], pa.map_(pa.string(), pa.int64()), [["a", 1], ["a", 2]]),
    "a decimal": (decimal.Decimal("1.50"), pa.decimal128(5, 2), "1.50"),
    "a long id": (decimal.Decimal(10**37 + 1), pa.decimal128(38, 0), str(10**37 + 1)),
    "a large number": (2**64 - 1, pa.uint64(), 2**64 - 1),
    "a time with a zone": (datetime.datetime(2024, 1, 2, 3, 4, tzinfo=UTC), pa.timestamp("s", "+01:00"), "2024-01-02T04:04:00+01:00"),
    "nanoseconds": (1_700_000_000_000_000_001, pa.timestamp("ns"), "2023-11-14T22:13:20.000000001"),
    "a far time": (10**15, pa.timestamp("ms"), None),
    "a date": (datetime.date(2024, 1, 2), pa.date32(), "2024-01-02"),
    "a duration": (datetime.timedelta(seconds=90), pa.duration("s"), "0:01:30"),
    "bytes that are text": (b"text", pa.binary(), "text"),
    "a category": ("x", pa.dictionary(pa.int8(), pa.string()), "x"),
    "a fixed list": ([1, 2], pa.list_(pa.int8(), 2), [1, 2]),
}  # fmt: skip


@pytest.mark.parametrize(("value", "kind", "wanted"), VALUES.values(), ids=VALUES)
def test_values_arrive_not_codes(value: Any, kind: pa.DataType, wanted: Any) -> None:
    [row] = rows_of(pa.table({"t": ["x"], "v": pa.array([value], kind)}))
    assert row.data is not None
    if wanted is None:
        assert row.data["t"] == "x"
        assert "v" in row.data or row.notes
    else:
        assert row.data["v"] == wanted
        assert row.notes == ()


def test_pictures_are_left_out_and_the_rows_stay(tmp_path: Path) -> None:
    picture = b"\x89PNG\xff\xfe"
    table = pa.table({
        "text": ["a", "b"], "image": [{"bytes": picture, "path": "0.png"}, {"bytes": picture, "path": None}],
        "raw": [picture, b"fine"], "many": [[picture, b"one"], []],
    })  # fmt: skip
    path = tmp_path / "upload"
    path.write_bytes(written(table).getvalue())
    source = sniff(path, "a.parquet")
    rows = list(read(path, source))
    assert [row.data for row in rows] == [
        {"text": "a", "image": {"path": "0.png"}, "many": ["one"]}, {"text": "b", "image": {}, "raw": "fine", "many": []},
    ]  # fmt: skip
    assert (
        "“image.bytes” holds bytes that aren't text; such cells were left out. (2 rows, the first in line 1.)"
        in source.row_notes
    )
    assert len(rows[0].notes) == 3
