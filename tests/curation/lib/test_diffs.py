"""Word diffs lose nothing, whatever the texts."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.diffs import word_diff

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
    assert time.process_time() - started < 10
