"""Thoughts inside a visible text are parted from the answer, whole or piece by piece."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.clients.base import StreamedAnswer
from inference.clients.thoughts import TAGS, ThoughtSplitter, part

KINDS = [
    ("<think>hm</think>42", "42", "hm"),
    ("<think>\nhm\n</think>\n\n42\n", "42\n", "hm"),
    ("\n <think>hm</think> 42", "42", "hm"),
    ("hm</think>42", "42", "hm"),
    ("hm\n</think>\n\n42", "42", "hm"),
    ("<think>hm", "", "hm"),
    ("<think>hm</think>", "", "hm"),
    ("</think>42", "42", ""),
    ("[THINK]hm[/THINK]42", "42", "hm"),
    ("hm[/THINK]42", "42", "hm"),
    ("<think></think>42", "42", ""),
    ("<thinking>hm</thinking>42", "42", "hm"),
    ("<think>a</think>one\n<think>b</think>two", "one\ntwo", "ab"),
    ("<think>is [/THINK] a tag?</think>42", "42", "is [/THINK] a tag?"),
]
NONE = [
    "42",
    "The tags <think> and </think> stand around thoughts.",
    "Write `</think>` at the end.",
    "```\n<think>hm</think>\n```",
    "a < b and b > c [THIN",
    "<thin air",
    "Use it so:\n<thinking>your plan</thinking>",
]


@pytest.mark.parametrize(("said", "answer", "thoughts"), KINDS)
def test_thoughts_are_parted(said: str, answer: str, thoughts: str) -> None:
    assert tuple(word.strip() for word in part(said)) == (answer.strip(), thoughts)


@pytest.mark.parametrize("said", NONE)
def test_a_text_about_thoughts_stays(said: str) -> None:
    assert part(said) == (said, "")


PIECES = st.lists(
    st.sampled_from([*TAGS, *TAGS.values(), "a", " ", "\n", "```", "`", "<", "</thi", "[", "é😀"]), max_size=14
)


@given(said=PIECES.map("".join), cuts=st.lists(st.integers(0, 60), max_size=12))
def test_pieces_say_what_the_whole_says(said: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(said)) for cut in cuts), len(said)]
    cut_up, whole = StreamedAnswer("m"), StreamedAnswer("m")
    for begin, end in itertools.pairwise(places):
        cut_up.add(said[begin:end], "")
    whole.add(said, "")
    cut_up.end(), whole.end()
    assert (cut_up.answer().text, cut_up.answer().reasoning) == (whole.answer().text, whole.answer().reasoning)


@given(PIECES.map("".join))
def test_nothing_but_tags_and_white_space_is_lost(said: str) -> None:
    splitter = ThoughtSplitter()
    parts = [*splitter.feed(said), *splitter.end()]
    left = said
    for tag in (*TAGS, *TAGS.values()):
        left = left.replace(tag, "")
    kept = "".join(parts)
    for tag in (*TAGS, *TAGS.values()):
        kept = kept.replace(tag, "")
    assert sorted(kept.replace(" ", "").replace("\n", "")) == sorted(left.replace(" ", "").replace("\n", ""))
