"""Token counts of texts from those of their pieces, of which the tokenizer sees each only once.

Tokenizers of GPT-2's kind cut a text into words before anything else, each with the space before it, and never join two.
So what stands between two spaces has the same number of tokens wherever it stands, and most of it was seen before.
"""

import json
from itertools import islice
from typing import Any

MOST = 200_000  # pieces remembered, about 25 MB; then it begins anew
ODD = -(10**12)  # tokens of a piece that has to be seen with its neighbours


class Pieces:
    """Counts by a tokenizer for which `fits` holds, the same as its own."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._heads: dict[str, int] = {}  # the first piece of a text -> its tokens
        self._known: dict[str, int] = {}  # any other, without the space before it

    def count(self, texts: list[str]) -> list[int]:
        """Tokens of each text, without any marks."""
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
        """Below 0 when the text has to be seen whole; None when a piece was never seen."""
        try:
            return self._heads[pieces[0]] + sum(map(self._known.__getitem__, islice(pieces, 1, None)))
        except KeyError:
            return None

    def _learn(self, texts: list[list[str]]) -> None:
        """All of them at once, for the tokenizer sees many with every core."""
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
    """Whether it cuts texts as GPT-2 does, changes nothing before, and has no token of its own with a space in it."""
    made = json.loads(tokenizer.to_str())
    steps = made.get("pre_tokenizer") or {}
    steps = steps["pretokenizers"] if steps.get("type") == "Sequence" else [steps]
    added = made.get("added_tokens") or []
    return (
        made.get("normalizer") is None
        and made.get("truncation") is None
        and made["model"].get("type") == "BPE"
        and not made["model"].get("dropout")
        and [step for step in steps if step.get("type") != "Digits"] == steps[-1:]
        and steps[-1].get("type") == "ByteLevel"
        and steps[-1].get("use_regex") is True
        and steps[-1].get("add_prefix_space") is False
        and not any(token["lstrip"] or token["rstrip"] or token["single_word"] for token in added)
        and not any(" " in token["content"] for token in added)
    )
