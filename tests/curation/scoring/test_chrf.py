"""chrF, as sacrebleu computes it."""

import pytest

from curation.scoring import corpus_chrf, sentence_chrf


def test_the_same_text_scores_100_and_another_0() -> None:
    assert sentence_chrf("A new bridge.", "A new bridge.") == pytest.approx(100)
    assert sentence_chrf("xyz", "A new bridge.") == 0
    assert sentence_chrf("", "A new bridge.") == 0


def test_a_near_spelling_scores_between() -> None:
    assert 50 < sentence_chrf("the labor centre", "the labour centre") < 100


def test_a_corpus_is_scored_as_a_whole() -> None:
    assert corpus_chrf(["a b c", "d e f"], ["a b c", "d e f"]) == pytest.approx(100)
    with pytest.raises(ValueError, match="there are 1 texts and 2 references"):
        corpus_chrf(["a"], ["a", "b"])
