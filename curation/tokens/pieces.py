"""Token counts of texts from those of their pieces, of which the tokenizer sees each only once.

Tokenizers of GPT-2's kind cut a text into words before anything else, each with the space before it, and never join
two. So what is between two spaces has the same number of tokens wherever it is, and most of it was seen before.
"""

import json
from itertools import islice
from typing import Any

MOST = 200_000  # pieces remembered, about 25 MB; then it begins anew
ODD = -(10**12)  # tokens of a piece that has to be seen with its neighbours


class PieceCounter:
    """Counts tokens like a tokenizer for which `fits` holds, with the same result."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._heads: dict[str, int] = {}  # the first piece of a text -> its tokens
        self._known: dict[str, int] = {}  # any other, without the space before it

    def count(self, texts: list[str]) -> list[int]:
        """Count the tokens of each text, without special tokens."""
        if len(self._heads) + len(self._known) > MOST:
            self._heads.clear()
            self._known.clear()
        cut = [text.split(" ") for text in texts]
        counts = [self._sum(pieces) for pieces in cut]
        new = [at for at, count in enumerate(counts) if count is None]
        self._learn([cut[at] for at in new])
        for at in new:
            counts[at] = self._sum(cut[at])
        odd = [at for at, count in enumerate(counts) if count is None or count < 0]
        for at, count in zip(odd, self._tokens([texts[at] for at in odd]), strict=True):
            counts[at] = count
        return [count or 0 for count in counts]

    def _sum(self, pieces: list[str]) -> int | None:
        """Add up the tokens of pieces. Below 0 if the text has to be counted whole; None if a piece was never seen."""
        try:
            return self._heads[pieces[0]] + sum(map(self._known.__getitem__, islice(pieces, 1, None)))
        except KeyError:
            return None

    def _learn(self, texts: list[list[str]]) -> None:
        """Count all texts at once, because the tokenizer counts many with every core."""
        heads = list({pieces[0] for pieces in texts}.difference(self._heads))
        others = list({piece for pieces in texts for piece in islice(pieces, 1, None)}.difference(self._known))
        counts = self._tokens([*heads, *(f" {piece}" for piece in others)])
        # Blanks beside the space at which a text is cut: with it they may be one token, or several.
        for head, count in zip(heads, counts, strict=False):
            self._heads[head] = ODD if head[-1:].isspace() else count
        for piece, count in zip(others, counts[len(heads) :], strict=True):
            self._known[piece] = ODD if not piece or piece[0].isspace() or piece[-1].isspace() else count

    def _tokens(self, texts: list[str]) -> list[int]:
        encoded = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False) if texts else []
        return [len(found.ids) for found in encoded]


def fits(tokenizer: Any) -> bool:
    """Return whether a tokenizer cuts texts as GPT-2 does, changes nothing before, and has no own token with a space."""
    settings = json.loads(tokenizer.to_str())
    steps = settings.get("pre_tokenizer") or {}
    steps = steps["pretokenizers"] if steps.get("type") == "Sequence" else [steps]
    added = settings.get("added_tokens") or []
    return (
        settings.get("normalizer") is None
        and settings.get("truncation") is None
        and settings["model"].get("type") == "BPE"
        and not settings["model"].get("dropout")
        and [step for step in steps if step.get("type") != "Digits"] == steps[-1:]
        and steps[-1].get("type") == "ByteLevel"
        and steps[-1].get("use_regex") is True
        and steps[-1].get("add_prefix_space") is False
        and not any(token["lstrip"] or token["rstrip"] or token["single_word"] for token in added)
        and not any(" " in token["content"] for token in added)
    )
