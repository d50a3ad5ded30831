"""Rows of every format become drafts; drafts become rows again, and come back the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from curation.chat import Message
from curation.checks.conversation import check
from curation.formats import WRITERS, Draft, Mapping, MappingError, RowError, read, sniff, suggest

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SHAREGPT = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
SAID = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be kind."}


def applied(row: dict[str, Any], kind: str | None = None) -> Draft:
    mapping, why = suggest(list(row), [row], kind)
    mapping.validate()
    assert why
    assert Mapping.from_json(json.loads(json.dumps(mapping.to_json(), sort_keys=True))) == mapping
    return mapping.apply(row)


CONVERSATIONS: dict[str, tuple[dict[str, Any], list[Message]]] = {
    "chat": ({"messages": TALK}, TALK),
    "Mistral's interactions": ({"interactions": TALK, "available_tools": TOOLS}, TALK),
    "chat as JSON in a cell": ({"messages": json.dumps(TALK)}, TALK),
    "chat with a system column": ({"messages": TALK, "system": "Be kind."}, [SYSTEM, *TALK]),
    "a messages column of another name": ({"talk": TALK, "n": 1}, TALK),
    "ShareGPT": ({"conversations": SHAREGPT}, TALK),
    "ShareGPT with a system column": ({"conversations": SHAREGPT, "system": "Be kind."}, [SYSTEM, *TALK]),
    "Alpaca": ({"instruction": "Say", "input": "Hi", "output": "Hello"},
               [{"role": "user", "content": "Say\n\nHi"}, TALK[1]]),
    "Alpaca without input": ({"instruction": "Hi", "input": "", "output": "Hello"}, TALK),
    "Alpaca with all": (
        {"instruction": "Hi", "input": "", "output": "Hello", "system": "Be kind.", "history": [["a", "b"]]},
        [SYSTEM, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, *TALK],
    ),
    "prompt and completion": ({"prompt": "Hi", "completion": "Hello"}, TALK),
    "prompt and completion as messages": ({"prompt": TALK[:1], "completion": TALK[1:]}, TALK),
    "question and answer with a system prompt": ({"answer": "Hello", "question": "Hi", "system_prompt": "Be kind."},
                                                 [SYSTEM, *TALK]),
    "all keys of a mixed column": ({"messages": [message | {"tool_calls": None} for message in TALK]}, TALK),
}  # fmt: skip


@pytest.mark.parametrize(("row", "messages"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_every_form_of_conversation_is_recognised(row: dict[str, Any], messages: list[Message]) -> None:
    draft = applied(row)
    assert (draft.kind, draft.messages) == ("conversations", messages)


@pytest.mark.parametrize("bad", ["nope", 7, {"role": "user"}, []])
def test_one_bad_row_does_not_turn_conversations_into_documents(bad: Any) -> None:
    mapping, _ = suggest(["messages"], [{"messages": bad}, {"messages": TALK}, {"messages": TALK}])
    assert (mapping.kind, mapping.style, mapping.messages) == ("conversations", "chat", "messages")


def test_tools_are_found_by_each_of_their_names() -> None:
    for name in ("tools", "available_tools", "functions"):
        assert applied({"messages": TALK, name: TOOLS}).tools == TOOLS
        assert applied({"messages": TALK, name: json.dumps(TOOLS)}).tools == TOOLS


def test_calls_of_sharegpt_get_ids_that_pass_the_checks() -> None:
    turns = [
        {"from": "human", "value": "Weather?"},
        {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Lyon"}}'},
        {"from": "observation", "value": "21"},
        {"from": "gpt", "value": "Warm."},
    ]
    messages = applied({"conversations": turns}).messages
    assert check(messages) == []
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"city":"Lyon"}'


PREFERENCES: dict[str, dict[str, Any]] = {
    "texts": {"prompt": "Hi", "chosen": "Hello", "rejected": "No"},
    "messages": {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": [{"role": "assistant", "content": "No"}]},
    "whole conversations": {"chosen": TALK, "rejected": [SAID, {"role": "assistant", "content": "No"}]},
    "the prompt twice": {"prompt": "Hi", "chosen": TALK, "rejected": [SAID, {"role": "assistant", "content": "No"}]},
}


@pytest.mark.parametrize("row", PREFERENCES.values(), ids=PREFERENCES)
def test_every_form_of_preference_gives_the_same_draft(row: dict[str, Any]) -> None:
    draft = applied(row)
    assert (draft.kind, draft.messages) == ("preferences", [SAID])
    assert draft.chosen == [{"role": "assistant", "content": "Hello"}]
    assert draft.rejected == [{"role": "assistant", "content": "No"}]


def test_documents_keep_their_text_and_the_rest_as_metadata() -> None:
    rows = [{"id": f"a{n}", "topic": "news", "text": "A long enough brief. " * 3, "group": n // 2} for n in range(4)]
    mapping, why = suggest(list(rows[0]), rows)
    assert (mapping.kind, mapping.fields, mapping.metadata) == ("documents", ["text"], ["topic"])
    assert (mapping.key, mapping.group) == ("id", "group")
    assert "“text” is the text of each document." in why
    drafts = [mapping.apply(row) for row in rows]
    assert drafts[0].source_group == drafts[1].source_group != drafts[2].source_group
    assert [draft.key for draft in drafts] == ["a0", "a1", "a2", "a3"]


def test_a_repeated_id_is_no_key() -> None:
    rows = [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]
    assert suggest(["id", "text"], rows)[0].key == ""


def test_an_id_that_a_bad_row_lacks_is_still_the_key() -> None:
    rows = [{"id": n, "messages": TALK} for n in range(5)] + [{"messages": []}]
    assert suggest(["id", "messages"], rows)[0].key == "id"
    assert suggest(["id", "messages"], rows[4:] + [{"messages": TALK}])[0].key == ""


@pytest.mark.parametrize(
    ("said", "answered"), [("Frage", "Antwort"), ("question", "Réponse"), ("pregunta", "respuesta")]
)
def test_questions_and_answers_are_known_in_other_languages(said: str, answered: str) -> None:
    mapping, _ = suggest([said, answered], [{said: "Wann?", answered: "Um neun."}])
    assert (mapping.kind, mapping.roles) == ("conversations", {said: "user", answered: "assistant"})


def test_one_column_is_what_the_user_says_in_a_dataset_of_conversations() -> None:
    assert applied({"text": "Hi", "n": 1}, "conversations").messages == [SAID]


def test_columns_of_the_same_role_make_turns_in_their_order() -> None:
    roles = {"q1": "user", "a1": "assistant", "q2": "user", "a2": "assistant", "rules": "system"}
    mapping = Mapping(roles=roles)
    stored = json.loads(json.dumps(mapping.to_json(), sort_keys=True))
    row = dict(zip(roles, "abcde", strict=True))
    contents = [message["content"] for message in Mapping.from_json(stored).apply(row).messages]
    assert contents == ["e", "a", "b", "c", "d"]


BAD_ROWS = {
    "no column": ({"messages": TALK}, {"text": "x"}, "this row has no “messages”. It has text"),
    "text": ({"messages": TALK}, {"messages": "Hello"}, "as JSON"),
    "a number": ({"messages": TALK}, {"messages": 7}, "list of messages"),
    "an empty list": ({"messages": TALK}, {"messages": []}, "“messages” is empty"),
    "a list of texts": ({"messages": TALK}, {"messages": ["x"]}, "must be an object"),
    "an unknown speaker": ({"conversations": SHAREGPT}, {"conversations": [{"from": "cat", "value": "x"}]}, "“cat”"),
    "a bad call": ({"conversations": SHAREGPT}, {"conversations": [{"from": "function_call", "value": "x"}]}, "JSON"),
    "no prompt": ({"prompt": "a", "completion": "b"}, {"prompt": "", "completion": "b"}, "nothing to answer"),
    "no answer": (PREFERENCES["texts"], {"prompt": "a", "chosen": "b"}, "no “rejected”"),
    "bad history": ({"instruction": "a", "output": "b"}, {"instruction": "a", "history": '["a"]'}, "pairs"),
    "bad tools": ({"messages": TALK, "tools": TOOLS}, {"messages": TALK, "tools": 7}, "list of tools"),
    "nothing": ({"text": "a b c"}, {"text": ""}, "empty"),
    "an endless key": ({"text": "a", "id": 1}, {"text": "a", "id": "x" * 300}, "at most 200"),
}  # fmt: skip


@pytest.mark.parametrize(("like", "row", "words"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_row_that_gives_no_record_says_why(like: dict[str, Any], row: dict[str, Any], words: str) -> None:
    mapping, _ = suggest(list(like), [like])
    with pytest.raises(RowError, match=words):
        mapping.apply(row)


BAD_MAPPINGS: list[tuple[Any, str]] = [
    ([], "must be an object"),
    ({"kind": "poems", "fields": ["a"]}, "kind must be"),
    ({"kind": "documents"}, "at least one column"),
    ({"kind": "conversations"}, "user message"),
    ({"kind": "conversations", "style": "chat"}, "holds the messages"),
    ({"kind": "conversations", "style": "poem", "messages": "a"}, "style must be"),
    ({"kind": "conversations", "style": "preference"}, "preferences"),
    ({"kind": "preferences", "chosen": "a"}, "rejected answer"),
    ({"kind": "conversations", "roles": {"a": "bot"}}, "role of “a”"),
    ({"kind": "conversations", "roles": 3}, "pairs"),
    ({"kind": "documents", "fields": "text"}, "list of columns"),
    ({"kind": "documents", "fields": ["a"], "key": 3}, "must be text"),
    ({"kind": "documents", "fields": ["a"], "__class__": "x"}, "has no __class__"),
    ({"kind": "conversations", "messages": "m", "mend": True}, "`mend` is now called `fix`"),
]


@pytest.mark.parametrize(("data", "words"), BAD_MAPPINGS)
def test_a_mapping_that_cannot_be_meant_so_is_refused(data: Any, words: str) -> None:
    with pytest.raises(MappingError, match=words):
        Mapping.from_json(data)


def test_the_hash_knows_content_from_form() -> None:
    one = Draft("documents", fields={"é": "née", "a": 1}, metadata={"x": 1}, group="g", key="k")
    other = Draft("documents", fields={"a": 1, "e\u0301": "ne\u0301e"})
    assert one.content_hash == other.content_hash
    assert one.content_hash != Draft("documents", fields={"é": "nee", "a": 1}).content_hash
    assert one.content_hash != Draft("conversations", fields=one.fields).content_hash


def test_a_hash_is_the_same_for_ever() -> None:
    draft = Draft("conversations", messages=TALK)
    assert draft.content_hash == "fb9414cd349f296676faede7b95fce379329123c6aa0f0faaeb6a4090eff59a1"
    assert Draft("documents", fields={"text": " Hi "}).source_group == draft.source_group


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
NAMES = st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=8)
OBJECTS = st.dictionaries(
    NAMES, TEXT | st.integers(-(2**53), 2**53) | st.booleans() | st.lists(TEXT, max_size=3), max_size=4
)
PART = st.builds(lambda text: {"type": "text", "text": text}, TEXT)
THOUGHT = st.builds(lambda text: {"type": "thinking", "thinking": text, "closed": True}, TEXT)
CONTENT = TEXT | st.lists(PART | THOUGHT, min_size=1, max_size=3)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": CONTENT}),
    min_size=1,
    max_size=4,
)
# The prompt of a preference ends before the assistant's turn; an import cuts one that does not.
PROMPT = MESSAGES.filter(lambda messages: messages[-1]["role"] != "assistant")
EMPTY: list[Message] = [{"role": "assistant", "content": ""}]
ANSWER = st.builds(lambda content: [{"role": "assistant", "content": content}], CONTENT)
CONVERSATION = st.builds(
    Draft, st.just("conversations"), messages=MESSAGES, tools=st.sampled_from([[], TOOLS]), fields=OBJECTS,
    metadata=OBJECTS, group=TEXT, key=TEXT,
)  # fmt: skip
PREFERENCE = st.builds(
    Draft, st.just("preferences"), messages=PROMPT, chosen=ANSWER, rejected=ANSWER, metadata=OBJECTS, group=TEXT,
)  # fmt: skip
DOCUMENT = st.builds(
    Draft, st.just("documents"), fields=OBJECTS.filter(lambda fields: any(fields.values())),
    metadata=OBJECTS, key=TEXT,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.one_of(*(st.lists(each, min_size=1, max_size=5) for each in (CONVERSATION, PREFERENCE, DOCUMENT))))
@example([Draft("preferences", messages=[SAID], chosen=EMPTY, rejected=EMPTY)])
def test_an_export_comes_back_as_the_same_drafts(tmp_path: Path, drafts: list[Draft]) -> None:
    for number, draft in enumerate(drafts):
        draft.key = draft.key and f"{number}{draft.key}"
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(WRITERS["chat"].write(drafts)))
    rows = list(read(path, sniff(path)))
    kind = drafts[0].kind
    mapping = Mapping(
        kind, "preference" if kind == "preferences" else "columns" if kind == "documents" else "chat",
        messages="messages", prompt="messages" if kind == "preferences" else "", chosen="chosen", rejected="rejected",
        tools="tools", fields=["fields"], metadata=["metadata"], group="group", key="id",
    )  # fmt: skip
    assert [mapping.apply(row.data or {}) for row in rows] == drafts


def test_an_export_is_mapped_back_without_help(tmp_path: Path) -> None:
    drafts = [
        Draft(
            "conversations", messages=TALK, tools=TOOLS, fields={"text": "x"}, metadata={"n": n}, group="g", key=f"k{n}"
        )
        for n in range(3)
    ]
    path = tmp_path / "export.jsonl"
    path.write_bytes(b"".join(WRITERS["chat"].write(drafts)))
    source = sniff(path)
    rows = [row.data or {} for row in read(path, source)]
    mapping, _ = suggest(source.columns, rows)
    assert [mapping.apply(row) for row in rows] == drafts


def test_a_document_without_the_mapped_column_is_not_called_empty():
    mapping = Mapping(kind="documents", fields=["body"])
    with pytest.raises(RowError, match=r"this row has no “body”\. It has id, text\."):
        mapping.apply({"id": "1", "text": "Ferry sinks"})
    with pytest.raises(RowError, match="All fields of this row are empty"):
        mapping.apply({"id": "1", "body": ""})
