"""Language detection by py3langid; too short a text stays undecided."""

from functools import cache
from typing import Any

from curation.checks.markup import CODE

LOOKED_AT = 600  # characters: more changes nothing and takes longer
LETTERS, SURE = 15, 0.8
FEW_LETTERS, VERY_SURE = 4, 0.999  # a script of its own tells a language in a few letters
NONE = ("zxx", "und", "mul")


@cache
def _identifier() -> Any:
    """Load the language identifier, once per process: it takes a second and 90 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str:
    """Return the ISO 639 code of a text's language, mostly of two letters; empty if it is not certain.

    Code blocks do not count.
    """
    sample = " ".join((CODE.sub(" ", text[: 4 * LOOKED_AT]) if "`" in text else text[:LOOKED_AT])[:LOOKED_AT].split())
    letters = sum(map(str.isalpha, sample))
    if letters < FEW_LETTERS:
        return ""
    code, confidence = _identifier().classify(sample)
    sure = confidence >= (SURE if letters >= LETTERS else VERY_SURE)
    return str(code) if sure and code not in NONE else ""
