"""Files that hold a table in one object, or what Python printed: never read as one document without a word."""

import json
from pathlib import Path

import pytest

from curation.formats import FormatError, read, sniff

ROWS = [{"id": 1, "text": "a b"}, {"id": 2, "text": "c d"}]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("data", "way"),
    [
        ({"id": [1, 2], "text": ["a", "b"]}, "each column a list"),
        ({"id": {"0": 1, "1": 2}, "text": {"0": "a", "1": "b"}}, "each column an object with the rows' numbers"),
        ({"0": {"text": "a"}, "1": {"text": "b"}}, "each row under its number"),
        ({"columns": ["a"], "index": [0], "data": [[1]]}, "columns and data apart"),
        ({"schema": {"fields": [{"name": "text"}]}, "data": [{"text": "a"}]}, "with a schema beside its data"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.txt", "a"])
def test_a_table_in_one_object_is_refused_with_the_way_out(tmp_path, data, way, name):
    if way == "columns and data apart" and name == "a.txt":
        data = data | {"data": [[1], [2]], "index": [0, 1], "columns": ["a", "b"]}
    with pytest.raises(FormatError, match=r'to_json\(path, orient="records"') as refused:
        sniff(written(tmp_path, name, json.dumps(data)), name)
    assert way in str(refused.value) or "each column a list" in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [{"text": ["a", "b"]}, {"id": [1, 2], "name": "set"}, {"text": "a"}, {"a": {"text": "x"}, "b": {"text": "y"}}],
)
def test_one_object_that_is_a_row_is_told(tmp_path, data):
    source = sniff(written(tmp_path, "a.json", json.dumps(data)), "a.json")
    assert "a.json holds one object, which is read as one row." in source.notes
    assert source.columns == tuple(data)


def test_one_line_of_json_lines_is_a_row_unless_it_has_nothing_but_lists(tmp_path):
    assert not sniff(written(tmp_path, "a.jsonl", json.dumps(ROWS[0])), "a.jsonl").notes
    assert sniff(written(tmp_path, "b.jsonl", json.dumps({"id": [1, 2], "text": ["a", "b"]})), "b.jsonl").notes


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a"])
@pytest.mark.parametrize("text", ["\n".join(map(str, ROWS)), str(ROWS)])
def test_what_python_prints_is_refused_row_by_row_with_the_reason(tmp_path, name, text):
    path = written(tmp_path, name, text)
    rows = list(read(path, sniff(path, name)))
    assert rows
    assert all(row.data is None and "json.dumps" in row.problem.message for row in rows)


def test_text_about_braces_stays_text(tmp_path):
    text = "{'a': in a set, he wrote, is odd.\nThe next line."
    path = written(tmp_path, "a.txt", text)
    assert sniff(path, "a.txt").format == "text"
