"""What the cheap checks of texts find, and what they leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.checks.record import CheckLimits, check, check_size
from curation.checks.texts import CHECKS, check_text
from curation.formats import Draft

FOUND = [
    ("blank-text", " \n"),
    ("mojibake", "The cafÃ© on the corner"),
    ("mojibake", "It doesnâ€™t work"),
    ("mojibake", "lost \ufffd here"),
    ("html", "<p>Hello</p>"),
    ("html-part", 'See <a href="https://a.example">this</a>'),
    ("html-part", "Fish &amp; chips"),
    ("open-quote", 'He said "hello and left.'),
    ("open-quote", "He said “hello and left."),
    ("open-quote", "Er sagte „Hallo und ging."),
    ("open-quote", 'One line "quoted".\nThe next "is not.\n\nAnother "paragraph" is fine.'),
    ("open-quote", "Han sade ”hej och gick."),
    ("repetition", "The same long sentence again and again. " * 3),
    ("repetition", "- one and the same line here\n" * 3),
    ("repetition", "very very very very very good"),
]
CLEAN = [
    "Plain text.",
    "Le théâtre était naïf, à côté d’un café.",
    "日本語の文章です。",
    "Use `<b>` for bold:\n```html\n<p>Hello</p>\n```",
    "a < b and c > d & e",
    "“Quoted,” she said, “twice.”",
    "Er sagte „Hallo“ und ging.",
    "Han sade ”hej” och gick.",
    'The answer is "42".',
    "A door of 6' 5\" is low.",
    'She said "this goes on\nin the next line" and left.',
    "“A quotation\nover two lines,” he said.",
    'A 6" pipe.',
    "It's 5 o'clock.",
    "no, no, no, no, no!",
]


@pytest.mark.parametrize(("code", "text"), FOUND)
def test_a_problem_is_found_and_shown(code: str, text: str) -> None:
    [problem] = check_text(text, "message 1")
    assert (problem.code, problem.where) == (code, "message 1")
    assert problem.message


@pytest.mark.parametrize("text", CLEAN)
def test_a_clean_text_has_none(text: str) -> None:
    assert check_text(text) == []


@given(st.text())
def test_no_text_makes_a_check_fail(text: str) -> None:
    assert {problem.code for problem in check_text(text)} <= set(CHECKS)


def test_each_code_says_what_it_is() -> None:
    assert all(each.title and each.sentence.endswith(".") for each in CHECKS.values())


def test_documents_are_checked_field_by_field() -> None:
    [problem] = check(Draft("documents", fields={"text": "<p>x</p>", "note": "", "n": 1}))
    assert (problem.code, problem.where) == ("html", "text")
    assert [p.code for p in check(Draft("documents", fields={"text": ""}))] == ["empty-document"]


def test_conversations_are_checked_by_their_rules_and_their_texts() -> None:
    messages = [{"role": "user", "content": "<p>x</p>"}, {"role": "assistant", "content": " "}]
    assert [problem.code for problem in check(Draft("conversations", messages=messages))] == ["empty-content", "html"]


def test_the_prompt_of_a_preference_is_checked_once() -> None:
    prompt = [{"role": "assistant", "content": "<p>x</p>"}]
    answer = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    codes = [problem.code for problem in check(Draft("preferences", messages=prompt, chosen=answer, rejected=answer))]
    assert codes == ["assistant-first", "same-answers", "html"]


def test_one_word_is_said_as_one() -> None:
    said = [check_size(words, None, CheckLimits(shortest=17))[0].message for words in (1, 2)]
    assert [sentence.partition(",")[0] for sentence in said] == ["The record has 1 word", "The record has 2 words"]
