"""Every format gives back what was written to it, or says which records it cannot hold."""

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from curation.formats import WRITERS, Draft, UnsupportedDraft, read, sniff, suggest
from curation.formats.writers.tables import FORMULA, GROUP
from tests.curation.formats.test_mapping import CONVERSATION, DOCUMENT, OBJECTS, PREFERENCE, TALK, TEXT, TOOLS

PLAIN = st.text(st.characters(exclude_characters="\x00\ufffd", exclude_categories=["Cs"]), min_size=1, max_size=30)
SIMPLE = st.builds(
    lambda system, turns, key, metadata: Draft(
        "conversations",
        messages=[{"role": "system", "content": system}] * bool(system)
        + [{"role": role, "content": text} for pair in turns for role, text in zip(("user", "assistant"), pair, strict=True)],
        key=key, metadata=metadata,
    ),
    TEXT, st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=3), PLAIN, OBJECTS,
)  # fmt: skip
CALLS = Draft(
    "conversations",
    messages=[
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "tool_calls": [
            {"id": "abcdefghi", "type": "function", "function": {"name": "warmth", "arguments": '{"city": "Lyon"}'}},
        ]},
        {"role": "tool", "tool_call_id": "abcdefghi", "content": "31"},
        {"role": "assistant", "content": "31 degrees.", "weight": 0},
    ],
    tools=TOOLS,
)  # fmt: skip
EXACT = sorted(name for name, writer in WRITERS.items() if writer.mapping)
MARKS = {"atelier_status": "accepted", "atelier_split": "train", "atelier_labels": ["good"], "atelier_annotations": []}


def written(path: Path, name: str, drafts: list[Draft]) -> tuple[Path, list[Draft]]:
    """Return the file, and the drafts that it contains."""
    refused: list[Draft] = []
    path = path / f"export{WRITERS[name].suffix}"
    path.write_bytes(b"".join(WRITERS[name].write(drafts, lambda draft, why: refused.append(draft))))
    return path, [draft for draft in drafts if not any(draft is other for other in refused)]


@pytest.mark.parametrize("name", EXACT)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
    deadline=None,
)
@given(st.one_of(*(st.lists(each, min_size=1, max_size=5) for each in (CONVERSATION, SIMPLE, PREFERENCE, DOCUMENT))))
def test_what_a_format_holds_comes_back_as_it_was(tmp_path: Path, name: str, drafts: list[Draft]) -> None:
    writer, kind = WRITERS[name], drafts[0].kind
    assume(kind in writer.kinds)
    for draft in drafts:
        draft.marks = MARKS
    path, held = written(tmp_path, name, drafts)
    if not held:
        assert not list(read(path, sniff(path))) if path.stat().st_size else True
        return
    source = sniff(path)
    rows = list(read(path, source))
    assert [row.problem for row in rows] == [None] * len(held)
    mapping = writer.mapping(kind)  # type: ignore[misc]
    assert [mapping.apply(row.data or {}) for row in rows] == held
    suggested, _ = suggest(source.columns, [row.data or {} for row in rows], kind)
    assert [suggested.apply(row.data or {}) for row in rows] == held


@pytest.mark.parametrize("name", ["chat", "csv", "parquet", "sharegpt", "completion"])
def test_tool_calls_come_back(tmp_path: Path, name: str) -> None:
    path, held = written(tmp_path, name, [CALLS])
    assert held == [CALLS]
    assert [WRITERS[name].mapping("conversations").apply(row.data or {}) for row in read(path, sniff(path))] == held


@pytest.mark.parametrize("name", ["sharegpt", "alpaca", "completion"])
def test_plain_talk_fits_every_form_of_conversations(tmp_path: Path, name: str) -> None:
    assert written(tmp_path, name, [Draft("conversations", messages=TALK[-2:])])[1]


def test_plain_text_stands_as_text_in_the_forms_that_expect_it(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    row = WRITERS["completion"].row(Draft("conversations", messages=talk))
    assert row == {"prompt": "Hi", "completion": "Hello"}
    row = WRITERS["preference"].row(Draft("preferences", messages=talk[:1], chosen=talk[1:], rejected=talk[1:]))
    assert row == {"prompt": "Hi", "chosen": "Hello", "rejected": "Hello"}
    row = WRITERS["alpaca"].row(Draft("conversations", messages=[*talk, *talk]))
    assert (row["instruction"], row["output"], row["history"]) == ("Hi", "Hello", [["Hi", "Hello"]])


def test_what_a_form_cannot_hold_is_refused_with_the_reason() -> None:
    with pytest.raises(UnsupportedDraft, match="only plain texts"):
        list(WRITERS["alpaca"].write([CALLS]))
    thought = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "x"}]}]
    with pytest.raises(UnsupportedDraft, match="several parts"):
        list(WRITERS["sharegpt"].write([Draft("conversations", messages=thought)]))
    with pytest.raises(UnsupportedDraft, match="replacement character"):
        list(WRITERS["csv"].write([Draft("documents", fields={"a": "b"}, key="\ufffd")]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.builds(Draft, st.just("documents"), fields=OBJECTS, key=TEXT | st.sampled_from(FORMULA), group=TEXT),
        min_size=1,
    )
)
def test_no_cell_of_the_safe_table_begins_like_a_formula(drafts: list[Draft]) -> None:
    for draft in drafts:
        draft.marks = {"atelier_labels": ["=1+1"], "atelier_status": "=cmd()"}
    text = b"".join(WRITERS["csv_safe"].write(drafts)).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == len(drafts) + 1
    assert not [cell for row in rows for cell in row if cell.lstrip(" ").startswith(FORMULA)]
    assert rows[1][-1] == "'=cmd()"


def test_parquet_is_written_in_groups_with_a_column_for_each_part(tmp_path: Path) -> None:
    drafts = [Draft("documents", fields={"text": f"number {n}"}, marks=MARKS) for n in range(GROUP + 5)]
    path, _ = written(tmp_path, "parquet", drafts)
    file = pq.ParquetFile(path)
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (GROUP + 5, 2)
    assert file.schema_arrow.names == ["id", "group", "fields", "metadata", *MARKS]
