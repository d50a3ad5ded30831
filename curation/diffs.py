"""Word diffs of two texts."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

Piece = tuple[str, str]  # (equal, insert or delete; text)

TOKENS = re.compile(r"\w+(?:['’]\w+)*|\s+|[^\w\s]")
LINES = re.compile(r"[^\n]*\n|[^\n]+")
# Matching costs the product of both lengths at worst: above this (a second or so), whole lines are compared instead.
MOST_PAIRS = 4_000_000


def word_diff(a: str, b: str) -> list[Piece]:
    """What turns `a` into `b`, as (op, text) with op equal, insert or delete.

    White space is kept: equal and delete joined give `a`, equal and insert joined give `b`.
    """
    words_a, words_b = TOKENS.findall(a), TOKENS.findall(b)
    if len(words_a) * len(words_b) > MOST_PAIRS:
        words_a, words_b = LINES.findall(a), LINES.findall(b)
    return _pieces(words_a, words_b)


def _pieces(a: Sequence[str], b: Sequence[str]) -> list[Piece]:
    pieces: list[Piece] = []
    for op, from_a, to_a, from_b, to_b in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if op == "equal":
            pieces.append(("equal", "".join(a[from_a:to_a])))
            continue
        if to_a > from_a:
            pieces.append(("delete", "".join(a[from_a:to_a])))
        if to_b > from_b:
            pieces.append(("insert", "".join(b[from_b:to_b])))
    return pieces
