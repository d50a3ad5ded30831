"""The search language: any text is read or gives a sentence."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.search.query import NAMES, QueryError, Term, key_written, parse, written


def test_plain_words_stay_one_term():
    assert parse("the council vot") == [Term("words", "the council vot")]
    assert parse("well-known http://example.com/a 12:30") == [Term("words", "well-known http://example.com/a 12:30")]
    assert parse("  ") == []


def test_phrases_negations_and_names_are_read():
    assert parse('"of the" -draft status:new topic:"solar power" -label:bad') == [
        Term("phrase", "of the"),
        Term("words", "draft", negated=True),
        Term("status", "new"),
        Term("field", "solar power", "topic"),
        Term("label", "bad", negated=True),
    ]


def test_numbers_and_days_are_ranges():
    assert [(t.low, t.high) for t in parse("tokens:>400 words:10..20 tokens:7")] == [(401, 2**63 - 1), (10, 20), (7, 7)]
    assert parse("changed:>2026-01-01")[0].low == date(2026, 1, 2)
    assert parse("created:2026-01-01..2026-01-31")[0].high == date(2026, 1, 31)


def test_a_column_with_a_name_of_the_language_is_reached():
    assert parse("field.status:open") == [Term("field", "open", "status")]
    assert parse('"my key":x') == [Term("field", "x", "my key")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"open', "is not closed"), ("status:", "value is missing"), ("status:foo", "one of new, accepted"), ("tokens:many", "whole number"),
        ("words:20..10", "Write words:10..20"), ("changed:>yesterday", "year first"), ("has:luck", "problem"), ("in:x", "whole number"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence_that_says_what_is_right(text, says):
    with pytest.raises(QueryError, match=says):
        parse(text)


PIECES = st.sampled_from(
    ['"', "-", ":", ">", "..", " ", "status", "field.", "tokens", "2026-01-01", "x", "\x00", "é", "9" * 30, *NAMES]
)


@given(st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_read_or_gives_a_sentence(text):
    with suppress(QueryError):  # any other error fails
        for term in parse(text):
            assert term.name in NAMES or term.name in ("field", "words", "phrase", "length")


@given(
    st.text(st.characters(exclude_characters='"\x00', exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
        str.strip
    )
)
def test_what_is_written_is_read_again(value):
    assert parse(written("label", value)) == [Term("label", value)]
    read = parse(key_written(value, value))[0]
    assert (read.name, read.key) == ("field", value)
