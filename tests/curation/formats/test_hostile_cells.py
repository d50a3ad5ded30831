"""Cells that are made to break an import: each arrives as itself or refuses its row, and none ends the job or takes long."""

import sys
import time
from typing import Any

import pytest

from curation.checks.dumps import dumped, undumped
from curation.checks.fixes import fix
from curation.checks.texts import find_open_bracket
from curation.checks.turns import check_turns
from curation.formats import Draft, Mapping, MappingError, RowError, suggest
from curation.formats.annotation_tools.offsets import COUNTINGS, _edges, place
from curation.forms import mapping as mapping_forms
from tests.speed import patient

TURNS = Mapping(roles={"q": "user", "a": "assistant"})
CHAT = Mapping(style="chat", messages="m")
PAIRS: dict[str, Any] = {"kind": "preferences", "style": "preference", "prompt": "q"}
DEEP = 900  # levels: more than Python descends


def said(mapping: Mapping, row: dict[str, Any]) -> list[Any]:
    return [message["content"] for message in mapping.apply(row).messages]


def test_texts_in_a_list_that_begin_like_json_are_texts() -> None:
    assert said(TURNS, {"q": "Hi", "a": ["{name} is here"]}) == ["Hi", "{name} is here"]
    assert said(TURNS, {"q": ["{a} or", "{b}?"], "a": "b"}) == ["{a} or\n\n{b}?", "b"]
    for mapping in (CHAT, Mapping(roles={"m": "history", "q": "user"})):
        with pytest.raises(RowError):
            mapping.apply({"q": "Hi", "m": ["{name"]})


@pytest.mark.parametrize(
    "text",
    ["[" * DEEP + "]" * DEEP, '{"messages":' * DEEP + "1" + "}" * DEEP, '{"text":' * DEEP + '"x"' + "}" * DEEP],
)
def test_json_text_that_nests_without_end_is_a_text_and_never_messages(text: str) -> None:
    assert said(TURNS, {"q": text, "a": "b"}) == [text, "b"]
    for mapping in (CHAT, Mapping(roles={"q": "user"}, tools="m"), Mapping(roles={"m": "history", "q": "user"})):
        with pytest.raises(RowError):
            mapping.apply({"q": "Hi", "m": text})
    with pytest.raises(RowError, match="nested deeper than 64 levels"):
        CHAT.apply({"m": f'[{{"role": "user", "content": {text}}}]'})


def test_an_empty_answer_with_a_fixed_text_is_an_empty_answer() -> None:
    mapping = Mapping(**PAIRS, chosen="a", rejected="b", templates={"a": "So: {a}"})
    draft = mapping.apply({"q": "Hi", "a": "", "b": "Bye"})
    assert [draft.chosen, draft.rejected] == [
        [{"role": "assistant", "content": ""}],
        [{"role": "assistant", "content": "Bye"}],
    ]


def test_a_column_of_pairs_takes_no_fixed_text() -> None:
    with pytest.raises(MappingError, match="isn't used as a text"):
        Mapping(**PAIRS, chosen="a", rejected="a", templates={"a": "So: {a}"}).validate()
    choices = {"q": "prompt", "a": "pair"}
    assert mapping_forms.read("preferences", choices, templates={"a": "So: {a}"}).templates == {}


def test_choices_with_too_few_labels_are_refused_and_not_cut() -> None:
    assert said(TURNS, {"q": {"text": ["x", "y"], "label": ["A", "B"]}, "a": "b"}) == ["A. x\nB. y", "b"]
    with pytest.raises(RowError, match="neither text nor a conversation"):
        TURNS.apply({"q": {"text": ["x", "y"], "label": ["A"]}, "a": "b"})


@pytest.mark.parametrize("role", [["user"], {"name": "user"}, 5, None])
def test_roles_of_any_type_are_left_to_the_checks(role: Any) -> None:
    fixed, _, _ = fix([{"role": role, "content": 5, "weight": 1}], [])
    assert fixed[0]["role"] == role


def test_a_column_is_suggested_for_one_use() -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    mapping, _ = suggest(["system"], [{"system": talk}])
    assert (mapping.messages, mapping.system) == ("system", "")
    mapping, _ = suggest(["fields", "n"], [{"fields": ["x", "y"], "n": 5}], "conversations")
    assert (mapping.roles, mapping.fields, mapping.metadata) == ({"fields": "user"}, [], ["n"])


# --- costs ----------------------------------------------------------------------------------------

MANY = 20_000


def equal_turns(count: int) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[n % 2], "content": "a"} for n in range(count)]


def talks() -> Any:
    """Apply a preference whose prompt and answers share thousands of equal turns, and whose end differs."""
    ends = [
        [*equal_turns(MANY), {"role": "user", "content": "c"}, {"role": "assistant", "content": end}] for end in "xy"
    ]
    prompt = [*equal_turns(MANY), {"role": "user", "content": "b"}]
    with pytest.raises(RowError, match="different prompts"):
        Mapping(**PAIRS, chosen="a", rejected="b").apply({"q": prompt, "a": ends[0], "b": ends[1]})


def marks() -> Any:
    mapping = Mapping(roles={"q": "user", "a": "assistant"}, images="i")
    mapping.apply({"q": "`a`<image>" * MANY, "a": "b", "i": ["a.png"] * MANY})


def dots() -> Any:
    assert dumped(f'["a b{"." * 10 * MANY}x", "b c"]') == ""
    assert dumped(f'["a b{"." * MANY}", "b c"]') == "a pair of outputs"


def dumps() -> Any:
    listed = '[{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]'
    messages = [{"role": "assistant", "content": listed}] * 10_000
    assert undumped(messages) is not None
    assert len(check_turns(Draft("conversations", messages=messages), "conversations")) == 10_000


def spans() -> Any:
    """Place a span in a long text that every way of counting reads otherwise, within the memory that a reader has."""
    text = "é" * 300_000 + " wren"
    assert place(text, 300_001, 300_005, "wren") == (300_001, 300_005)
    held = sum(sys.getsizeof(_edges(text, counting)[0]) for counting in COUNTINGS)
    assert held < 16 * 5 * len(text)


def calls() -> Any:
    """Fix thousands of calls in turns of their own, and thousands of results, all without ids."""
    turns = [{"role": "tool_call", "content": '{"name": "a", "arguments": {}}'}] * MANY
    results = [{"role": "tool", "content": "1"}] * MANY
    fixed, _, _ = fix([{"role": "user", "content": "x"}, *turns, *results, {"role": "assistant", "content": "y"}], [])
    assert [len(fixed), len(fixed[1]["tool_calls"])] == [MANY + 3, MANY]
    assert [turn["tool_call_id"] for turn in fixed[2:-1]] == [call["id"] for call in fixed[1]["tool_calls"]]


def brackets() -> Any:
    assert find_open_bracket("[" * 5 * MANY)
    assert find_open_bracket("So ((: it is :)) and ]]-; too") == ""


@pytest.mark.parametrize("work", [talks, marks, dots, dumps, spans, calls, brackets])
def test_what_is_made_to_cost_the_square_of_its_size_does_not(work: Any) -> None:
    began = time.monotonic()
    work()
    assert time.monotonic() - began < patient(5)


def test_a_fixed_text_that_names_a_long_column_thousands_of_times_refuses_the_row() -> None:
    mapping = Mapping(roles={"q": "user"}, templates={"q": "{q}" * 6000})
    mapping.validate()
    assert len(mapping.apply({"q": "word"}).messages[0]["content"]) == 24_000
    with pytest.raises(RowError, match="more than 16,777,216 characters"):
        mapping.apply({"q": "word" * 10_000})
