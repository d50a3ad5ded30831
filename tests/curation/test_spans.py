"""A span goes along with its words when a text changes, or is known to have lost them."""

import random

import pytest

from curation import spans
from curation.spans import TextChange


def followed(old: str, new: str, words: str, which: int = 0) -> int | None:
    """Return where a span over the words' occurrence `which` is in the new text."""
    start = -1
    for _ in range(which + 1):
        start = old.index(words, start + 1)
    place = TextChange(old, new).follow(start, start + len(words))
    if place is None:
        return None
    assert new[place[0] : place[1]].replace("\r\n", "\n") == words.replace("\r\n", "\n")
    return place[0]


@pytest.mark.parametrize(
    ("old", "new", "words", "start"),
    [
        ("Write to kim@mail.example about Oslo.", "Write to [EMAIL_1] about Oslo.", "Oslo", 25),
        ("مرحبا بكم في Oslo اليوم", "مرحبا في Oslo اليوم", "Oslo", 9),  # right to left
        ("مرحبا بكم في أوسلو", "أهلا بكم في أوسلو", "أوسلو", 12),
        ("🛬 in Turin", "👩‍👩‍👧 🛬 in Turin", "Turin", 11),  # outside the first plane, with joiners
        ("👍🏽 x", "ok 👍🏽 x", "👍🏽", 3),
        ("a cafe\u0301 here", "the cafe\u0301 here", "cafe\u0301", 4),  # combining letters
        ("a\r\nOslo b", "a\nx Oslo b", "Oslo", 4),  # a browser sends LF
        ("x line\r\nbreak", "y x line\nbreak", "line\r\nbreak", 4),
        ("one\r\ntwo\r\nthree", "zero\r\none\r\ntwo\r\nthree", "three", 16),
        ("我在东京", "我们在东京很好", "东京", 3),  # no spaces between words
        ("Oslo is far", "Oslo's far", "Oslo", 0),
        ("Kim met Ada in Rome", "In Rome, Ada met Kim", "Kim", 17),  # moved, and there only once
        ("big Oslo x. Oslo", "small Oslo y. Oslo", "Oslo", 6),  # the first of two, as before
        ("<p>Oslo &amp; Rome</p>", "<div><p>Oslo &amp; Rome</p></div>", "Oslo", 8),
        ("Oslo", "In Oslo today", "Oslo", 3),
    ],
)
def test_a_span_whose_words_are_still_there_moves_along(old, new, words, start):
    assert followed(old, new, words) == start


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Write to kim@mail.example.", "Write to [EMAIL_1].", "kim@mail.example"),
        ("Oslo is far", "Oslos is far", "Oslo"),  # another word
        ("a cat sat", "concatenate sat", "cat"),
        ("a cafe here", "a cafe\u0301 here", "cafe"),  # a mark makes it another letter
        ("Oslo, Oslo", "Oslo", "Oslo"),  # which of the two was kept?
        ("Oslo", "", "Oslo"),
        ("New York", "New  York", "New York"),
        ("new oslo", "new Oslo", "oslo"),
        ("Straße", "Strasse", "Straße"),
        ("A Oslo. B Rome.", "A Bonn. B Rome.", "Oslo"),
        ("Kim", "Kim Kim", "Kim"),
        ("👩‍👩‍👧 x", "👩 x", "👩‍👩‍👧"),
    ],
)
def test_a_span_whose_words_are_gone_or_could_be_several_does_not(old, new, words):
    assert followed(old, new, words) is None


def test_of_words_that_occur_twice_the_diff_says_which_stayed():
    assert followed("A Oslo. B Oslo. C Oslo.", "B Oslo. C Oslo.", "Oslo", 0) is None
    assert followed("A Oslo. B Oslo. C Oslo.", "B Oslo. C Oslo.", "Oslo", 1) == 2
    assert followed("A Oslo. B Oslo. C Oslo.", "B Oslo. C Oslo.", "Oslo", 2) == 10


@pytest.mark.parametrize("place", [(-1, 2), (3, 3), (2, 99), (5, 2)])
def test_a_place_that_is_none_goes_nowhere(place):
    assert TextChange("Oslo and", "Oslo and Rome").follow(*place) is None


WORDS = [
    "Oslo",
    "Rome",
    "Kim",
    "the",
    "a",
    "🛬",
    "👩‍👧",
    "cafe\u0301",
    "أوسلو",
    "东京",
    "<b>",
    "&amp;",
    ",",
    "\r\n",
    "\n",
    "don't",
]


def test_after_random_edits_each_span_that_survives_marks_the_same_words():
    chance, survived = random.Random(20), 0
    for _ in range(1500):
        tokens = [chance.choice(WORDS) for _ in range(chance.randrange(1, 30))]
        edited = list(tokens)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(edited) + 1)
            edited[at : at + chance.randrange(3)] = [chance.choice(WORDS) for _ in range(chance.randrange(3))]
        old, new = " ".join(tokens), " ".join(edited)
        change = TextChange(old, new)
        start = chance.randrange(len(old))
        end = start + chance.randrange(1, len(old) - start + 1)
        place = change.follow(start, end)
        words = old[start:end].replace("\r\n", "\n")
        if place is None:
            # Whole words that occur once in both are never lost.
            whole = words in tokens and tokens.count(words) == edited.count(words) == 1
            assert not (whole and old.count(words) == new.count(words) == 1), (old, new, words)
            continue
        survived += 1
        # Half a line break is none, or a whole one.
        assert new[place[0] : place[1]].replace("\r\n", "\n") == words.removesuffix("\r"), (old, new, words)
    assert survived > 300


def test_a_text_that_did_not_change_keeps_every_span():
    text = "\r\n".join(["Oslo Oslo cafe\u0301 東京 👩‍👩‍👧"] * 5)
    change = TextChange(text, text)
    for start in range(0, len(text), 3):
        for end in range(start + 1, min(start + 12, len(text))):
            place = change.follow(start, end)
            words = text[start:end].strip("\r\n")
            assert (place is None) == (text[start:end] == "\r")
            assert place is None or text[place[0] : place[1]].strip("\r\n") == words


def test_a_text_too_long_to_compare_word_by_word_is_compared_by_lines(monkeypatch):
    monkeypatch.setattr(spans, "MOST_PAIRS", 60)
    lines = [f"line {n} has Oslo in it" for n in range(7)]
    old = "\n".join(lines)
    new = "\n".join([lines[0].replace("line", "row"), *lines[1:6], lines[6] + " now"])
    assert followed(old, new, "Oslo", 3) == new.index("Oslo", new.index("line 3"))
