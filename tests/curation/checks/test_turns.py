"""What is said by whom: dumps of turns, refusals, invisible answers, marks of pictures, answers within prompts."""

import json
from typing import Any

import pytest

from curation.checks.forms import part_thoughts
from curation.checks.record import check
from curation.checks.record_fixes import fix_record
from curation.formats import Draft

ASK = {"role": "user", "content": "Name a planet."}
GOOD = {"role": "assistant", "content": "Saturn."}
BAD = {"role": "assistant", "content": "The moon."}
PICTURE = {"type": "image_url", "image_url": "https://a.example/1.jpg"}


def codes(*messages: Any, **columns: Any) -> list[str]:
    kind = "preferences" if columns else "conversations"
    return [problem.code for problem in check(Draft(kind, messages=list(messages), **columns))]


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    "value",
    [
        {"from": "gpt", "value": "The nightingale."},
        {"role": "assistant", "content": "Saturn."},
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
        {"messages": [ASK, GOOD]},
        ["Deep blue 0.", "I do not know."],
    ],
)
def test_a_dump_in_somebodys_mouth_is_found(value: Any) -> None:
    assert codes(ASK, said(json.dumps(value))) == ["json-as-text"]
    assert codes({"role": "user", "content": json.dumps(value)}, GOOD) == ["json-as-text"]


@pytest.mark.parametrize(
    "text",
    ['{"role": "admin", "name": "Kim"}', '["red", "blue"]', '{"town": "Oslo"}', "[1, 2]", '[{"id": 1}]', '{"from": "Oslo", "to": "Bergen"}', "{}", "[]", "{no json}"],
)  # fmt: skip
def test_json_that_is_an_answer_is_left_alone(text: str) -> None:
    assert codes(ASK, said(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.", "As an AI language model, I cannot do this.", "I cannot assist with that request.",
        "Sorry, I can’t help with that.", "I apologize, but I am unable to answer.", "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Je suis désolé, mais je ne peux pas.", "Lo siento, no puedo ayudar.",
    ],
)  # fmt: skip
def test_a_refusal_is_marked(text: str) -> None:
    assert codes(ASK, said(text)) == ["refusal"]


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that you are ill.",
        "I cannot recommend this book enough.",
        "Sorry seems to be the hardest word.",
    ],
)
def test_what_only_begins_like_a_refusal_is_none(text: str) -> None:
    assert codes(ASK, said(text)) == []


@pytest.mark.parametrize("text", ["\u200b\u200b", "\u2060 \ufeff", "\u00ad", "\u2800\n"])
def test_an_answer_that_nobody_sees_is_marked(text: str) -> None:
    assert codes(ASK, said(text)) == ["invisible-text"]


def test_marks_and_pictures_are_compared() -> None:
    def asked(text: str, pictures: int) -> list[str]:
        parts = [*[PICTURE] * pictures, {"type": "text", "text": text}]
        return codes({"role": "user", "content": parts if pictures else text}, GOOD)

    assert asked("<image>What is it?", 0) == ["picture-missing"]
    assert asked("<image><image>What changed?", 1) == ["picture-missing"]
    assert asked("<image>What is it?", 2) == ["picture-unmarked"]
    assert asked("<image>What is it?", 1) == asked("What is it?", 1) == asked("What does `<image>` mean?", 0) == []


def test_an_answer_within_the_prompt_of_a_preference_is_found() -> None:
    assert "answer-in-prompt" in codes(ASK, GOOD, chosen=[ASK, GOOD], rejected=[ASK, BAD])
    assert "answer-in-prompt" in codes(ASK, GOOD, chosen=[GOOD], rejected=[BAD])
    assert "answer-in-prompt" in codes(ASK, chosen=[ASK, GOOD], rejected=[ASK, BAD])
    assert codes(ASK, chosen=[GOOD], rejected=[BAD]) == []
    assert codes(ASK, GOOD, ASK, chosen=[GOOD], rejected=[BAD]) == []


THOUGHTS = [
    ("<think>I add.</think>\n42", ("I add.", "42")),
    ("I add.</think>\n42", ("I add.", "42")),
    ("hm</think>42", ("hm", "42")),
    ("[THINK]hm[/THINK]42", ("hm", "42")),
    ("<think></think>42", ("", "42")),
    ("<think>only thoughts", None),
    ("<think>only thoughts</think>", None),
    ("The tag </think> ends thoughts.", None),
    ("Write `<think>x</think>` first.", None),
    ("Models write <think>x</think> first.", None),
    ("42", None),
]


@pytest.mark.parametrize(("text", "parted"), THOUGHTS)
def test_thoughts_in_a_text_are_parted_from_the_answer(text: str, parted: tuple[str, str] | None) -> None:
    assert part_thoughts(text) == parted
    record = Draft("conversations", messages=[ASK, {"role": "assistant", "content": text}])
    codes = {problem.code for problem in check(record)}
    assert ("thoughts-in-text" in codes) == (parted is not None)
    assert ("thoughts-only" in codes) == text.startswith("<think>only")
    if parted:
        columns, _ = fix_record({"messages": record.messages}, ["thoughts-in-text"])
        record.messages = columns["messages"]
        assert check(record) == []
