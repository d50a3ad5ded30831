"""chrF: overlap of character n-grams with a reference (Popović 2015, "chrF: character n-gram F-score"), by sacrebleu.

Character n-grams credit near spellings, which suits rewrites that keep names and figures; 0 is nothing in common, 100
the same text. The settings are sacrebleu's: n-grams up to 6 characters, beta 2, white space ignored.
"""

from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF


def corpus_chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """Return the chrF of all texts together, 0 to 100. Raises ValueError if the counts differ or nothing is given."""
    if len(texts) != len(references) or not texts:
        raise ValueError(
            f"Each text needs one reference: there are {len(texts)} texts and {len(references)} references."
        )
    return float(CHRF().corpus_score(list(texts), [list(references)]).score)


def sentence_chrf(text: str, reference: str) -> float:
    """Return the chrF of one text, 0 to 100."""
    return float(CHRF().sentence_score(text, [reference]).score)
