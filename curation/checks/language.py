"""Which language a text is in, by py3langid; too little text stays undecided."""

from functools import cache
from typing import Any

from curation.checks.texts import CODE

LOOKED_AT = 600  # characters: more changes nothing and takes longer
LETTERS, SURE = 15, 0.8
FEW_LETTERS, VERY_SURE = 4, 0.999  # a script of its own tells a language in a few letters
NONE = ("zxx", "und", "mul")


@cache
def _identifier() -> Any:
    """Loaded once a process: it takes a second and 90 MB."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str:
    """An ISO 639 code, mostly of two letters; empty where nothing sure can be said. Code blocks do not count."""
    said = " ".join((CODE.sub(" ", text[: 4 * LOOKED_AT]) if "`" in text else text[:LOOKED_AT])[:LOOKED_AT].split())
    letters = sum(map(str.isalpha, said))
    if letters < FEW_LETTERS:
        return ""
    code, confidence = _identifier().classify(said)
    sure = confidence >= (SURE if letters >= LETTERS else VERY_SURE)
    return str(code) if sure and code not in NONE else ""
