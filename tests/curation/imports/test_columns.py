"""Columns that only later rows have: taken in their usual role, else kept as metadata, and always named and counted."""

import pytest

from curation.formats import Mapping
from curation.formats.readers.rows import RowError
from curation.imports.columns import COUNTED, NAMED, ColumnCounts, ColumnReader, labels, uses

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
TOOL = [{"type": "function", "function": {"name": "find"}}]
CHATS = Mapping("conversations", "chat", messages="messages", metadata=["topic"])
PAIRS = Mapping("conversations", roles={"prompt": "user", "completion": "assistant"})


def reader(mapping: Mapping) -> ColumnReader:
    return ColumnReader(mapping, mapping.columns)


def said(draft) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in draft.messages]


@pytest.mark.parametrize(
    ("mapping", "row", "turns", "metadata"),
    [
        (CHATS, {"messages": CHAT, "system": "Be kind"}, [("system", "Be kind"), ("user", "q"), ("assistant", "a")], {}),
        (CHATS, {"messages": CHAT, "source": "web"}, [("user", "q"), ("assistant", "a")], {"source": "web"}),
        (CHATS, {"messages": CHAT, "question": "x"}, [("user", "q"), ("assistant", "a")], {"question": "x"}),
        (CHATS, {"question": "x", "answer": "y", "topic": "t"}, [("user", "x"), ("assistant", "y")], {"topic": "t"}),
        (CHATS, {"conversations": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}]}, [("user", "h"), ("assistant", "g")], {}),
        (CHATS, {"messages": None, "Prompt": "x", "Response": "y"}, [("user", "x"), ("assistant", "y")], {}),
        (PAIRS, {"prompt": "p", "response": "r"}, [("user", "p"), ("assistant", "r")], {}),
        (PAIRS, {"prompt": "p", "completion": "c", "response": "r"}, [("user", "p"), ("assistant", "c")], {"response": "r"}),
        (PAIRS, {"question": "q", "answer": "a", "system": "s"}, [("system", "s"), ("user", "q"), ("assistant", "a")], {}),
        (PAIRS, {"messages": CHAT, "mood": 1}, [("user", "q"), ("assistant", "a")], {"mood": 1}),
        (PAIRS, {"prompt": "p", "completion": "c", "note": None}, [("user", "p"), ("assistant", "c")], {"note": None}),
        (PAIRS, {"prompt": "p", "completion": "c", "meta": {"a": 1}}, [("user", "p"), ("assistant", "c")], {"a": 1}),
        (PAIRS, {"prompt": "p", "completion": "c", "atelier_status": "new"}, [("user", "p"), ("assistant", "c")], {}),
    ],
)  # fmt: skip
def test_a_late_column_takes_its_usual_role_or_is_metadata(mapping, row, turns, metadata):
    draft = reader(mapping).apply(row, 61)
    assert said(draft) == turns
    assert draft.metadata == metadata


def test_a_late_column_is_decided_once_and_named_with_its_line():
    columns = reader(CHATS)
    assert columns.apply({"messages": CHAT, "tools": None}, 60).metadata == {"tools": None}
    draft = columns.apply({"messages": CHAT, "tools": TOOL, "id": 7, "source": "s"}, 61, "b.jsonl")
    assert (draft.tools, draft.key, draft.metadata) == (TOOL, "7", {"source": "s"})
    columns.apply({"messages": CHAT, "tools": TOOL}, 62)
    assert columns.late == {
        "tools": (61, "tools", "b.jsonl"),
        "id": (61, "key", "b.jsonl"),
        "source": (61, "metadata", "b.jsonl"),
    }
    again = ColumnReader(CHATS, CHATS.columns, {name: list(found) for name, found in columns.late.items()})
    assert again.late == columns.late
    assert again.apply({"messages": CHAT, "tools": TOOL}, 99).tools == TOOL


def test_documents_and_preferences_have_their_own_roles():
    columns = reader(Mapping("documents", fields=["text"]))
    draft = columns.apply({"text": "x", "uid": 5, "note": "a b c d e f g h i", "mood": "m"})
    assert (draft.fields, draft.metadata, draft.key) == ({"text": "x", "note": "a b c d e f g h i"}, {"mood": "m"}, "5")
    assert columns.apply({"body": "b"}).fields == {"body": "b"}
    columns = reader(Mapping("preferences", "preference", prompt="prompt", chosen="chosen", rejected="rejected"))
    draft = columns.apply({"question": "q", "chosen": "c", "rejected": "r", "system": "s", "score": 1})
    assert said(draft) == [("system", "s"), ("user", "q")]
    assert draft.metadata == {"score": 1}


def test_what_a_person_left_out_stays_out_and_other_tables_are_read_by_their_names():
    mapping = Mapping("conversations", roles={"frage": "user", "antwort": "assistant"})
    columns = ColumnReader(mapping, ["frage", "antwort", "question", "answer", "secret"])
    assert columns.apply({"frage": "F", "antwort": "A", "question": "x", "secret": "s"}).metadata == {}
    draft = columns.apply({"question": "Q", "answer": "B", "secret": "s"}, 9, "b.csv")
    assert said(draft) == [("user", "Q"), ("assistant", "B")]
    assert draft.metadata == {}
    with pytest.raises(RowError, match="nothing to answer"):
        columns.apply({"antwort": "A"})


def test_very_many_late_columns_are_kept_and_cost_no_more_each():
    columns, counts = reader(CHATS), ColumnCounts()
    for number in range(NAMED + COUNTED):
        row = {"messages": CHAT, f"k{number}": number}
        assert columns.apply(row, number).metadata == {f"k{number}": number}
        counts.add(row)
    assert len(columns.late) == NAMED
    assert len(counts.counts) == COUNTED
    assert counts.others == NAMED + 1
    assert counts.counts["messages"] == NAMED + COUNTED


def test_the_uses_of_columns_are_named():
    mapping = Mapping(
        "conversations", roles={"q": "user", "a": "assistant"}, metadata=["m"], tools="t", key="k", labels="l"
    )
    expected = {"q": "role:user", "a": "role:assistant", "m": "metadata", "t": "tools", "k": "key", "l": "labels"}
    assert uses(mapping) == expected
    assert uses(Mapping("conversations", "chat", messages="x", system="s")) == {"x": "messages", "s": "role:system"}
    pairs = Mapping("preferences", "preference", prompt="p", chosen="c", rejected="c")
    assert uses(pairs) == {"p": "prompt", "c": "pair"}
    fixed = Mapping("conversations", roles={"q": "user"}, metadata=["m"], templates={"q": "On {day}, {m}: {q}"})
    assert uses(fixed) == {"q": "role:user", "day": "role:user", "m": "metadata"}


def test_pictures_that_the_first_late_row_does_not_have_are_pictures():
    columns = reader(PAIRS)
    assert columns.apply({"prompt": "p", "completion": "c", "images": []}, 60).metadata == {}
    draft = columns.apply({"prompt": "p", "completion": "c", "images": ["a.png"]}, 61)
    assert draft.messages[0]["content"][0] == {"type": "image_url", "image_url": "a.png"}
    assert columns.late["images"] == (60, "images", "")


def test_a_late_column_that_goes_without_the_fixed_text_is_noted():
    mapping = Mapping(
        "conversations", roles={"text": "user", "title": "assistant"}, templates={"text": "Shorten: {text}"}
    )
    columns = reader(mapping)
    assert columns.apply({"text": "x", "title": "t", "mood": "m"}).notes == []
    note = "“{}” was imported without the fixed text around “text”, because such a row has no “text”."
    assert columns.apply({"article": "x", "title": "t"}).notes == [note.format("article")]
    assert columns.apply({"messages": CHAT, "mood": "m"}).notes == [note.format("messages")]


def test_empty_cells_of_columns_that_are_counted_together_are_no_values():
    counts = ColumnCounts(dict.fromkeys(map(str, range(COUNTED)), 1))
    counts.add({"a": None, "b": "", "c": 0, "0": "x"})
    assert (counts.others, counts.counts["0"]) == (1, 2)
    long = "n" * 500
    counts = ColumnCounts()
    for _ in range(2):
        counts.add({long: 1})
    assert list(counts.counts.values()) == [2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("News", ["News"]),
        ("  two   words ", ["two words"]),
        (["b", "a", "b"], ["a", "b"]),
        ('["sport", "news"]', ["news", "sport"]),
        ("[draft]", ["[draft]"]),
        ("a; b", ["a; b"]),
        (3, ["3"]),
        (3.0, ["3"]),
        (True, ["true"]),
        ([None, "x", ""], ["x"]),
        (None, []),
        ("", []),
        ("[]", []),
    ],
)
def test_a_label_column_becomes_labels(value, expected):
    mapping = Mapping("documents", fields=["text"], labels="label")
    assert labels(mapping, {"text": "x", "label": value}) == expected
    assert labels(mapping, {"text": "x"}) == []


@pytest.mark.parametrize("value", [{"a": 1}, [["a"]], [{"a": 1}], "x" * 101, "a\x07b", [str(n) for n in range(51)]])
def test_what_is_no_label_is_refused(value):
    with pytest.raises(RowError, match="label"):
        labels(Mapping("documents", fields=["text"], labels="label"), {"label": value})
