"""Word diffs lose nothing, whatever the texts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.diffs import word_diff, word_merge
from tests.speed import patient

TEXTS = st.text(max_size=60) | st.lists(st.sampled_from(["the", "a", " ", "\n", "cat", ".", "sat", "é"])).map("".join)


@given(TEXTS, TEXTS)
def test_joined_pieces_give_both_texts_back(a: str, b: str) -> None:
    pieces = word_diff(a, b)
    assert "".join(text for op, text in pieces if op != "insert") == a
    assert "".join(text for op, text in pieces if op != "delete") == b
    assert {op for op, _ in pieces} <= {"equal", "insert", "delete"}
    assert all(text for _, text in pieces)


@given(TEXTS)
def test_a_text_equals_itself(text: str) -> None:
    assert word_diff(text, text) == ([("equal", text)] if text else [])


def test_a_changed_word_is_one_piece_out_and_one_in() -> None:
    assert word_diff("The cat sat.", "The dog sat.") == [
        ("equal", "The "), ("delete", "cat"), ("insert", "dog"), ("equal", " sat."),
    ]  # fmt: skip


@pytest.mark.parametrize("words", [10_000, 100_000])
def test_long_texts_take_no_long_time(words: int) -> None:
    a = " ".join(f"w{n % 97}" for n in range(words))
    started = time.process_time()
    word_diff(a, a.replace("w13", "x"))
    assert time.process_time() - started < patient(10)


def test_changes_of_different_words_are_merged() -> None:
    was = "The cat sat on the mat. It slept."
    assert word_merge(was, was.replace("cat", "dog"), was + " Well.") == (
        "The dog sat on the mat. It slept. Well.", False,
    )  # fmt: skip
    assert word_merge(was, was.replace(" It slept.", ""), was.replace("cat", "big cat")) == (
        "The big cat sat on the mat.", False,
    )  # fmt: skip


def test_where_both_changed_the_same_words_mine_stand() -> None:
    assert word_merge("The cat sat.", "The dog sat.", "The cow sat.") == ("The cow sat.", True)
    assert word_merge("The cat sat.", "The dog sat down.", "The cow sat.") == ("The cow sat down.", True)


@given(TEXTS, TEXTS)
def test_merging_with_nothing_changed_gives_the_other(was: str, changed: str) -> None:
    assert word_merge(was, changed, was) == (changed, False)
    assert word_merge(was, was, changed) == (changed, False)
    assert word_merge(was, changed, changed) == (changed, False)


@given(TEXTS, TEXTS, TEXTS)
def test_which_one_is_mine_matters_only_where_both_changed_the_same(was: str, theirs: str, mine: str) -> None:
    merged, same_words = word_merge(was, theirs, mine)
    swapped, _ = word_merge(was, mine, theirs)
    assert same_words or merged == swapped
