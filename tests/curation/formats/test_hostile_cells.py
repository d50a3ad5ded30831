"""Cells that are made to break an import: each arrives as itself or refuses its row, and none ends the job or takes long."""

from typing import Any

import pytest

from curation.checks.fixes import fix
from curation.formats import Mapping, MappingError, RowError
from curation.forms import mapping as mapping_forms

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


@pytest.mark.parametrize("role", [["user"], {"name": "user"}, 5, None])
def test_roles_of_any_type_are_left_to_the_checks(role: Any) -> None:
    fixed, _, _ = fix([{"role": role, "content": "x", "weight": 1}], [])
    assert fixed[0]["role"] == role
