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
    """Return the diff that turns `a` into `b`, as (op, text) with op equal, insert or delete.

    White space is kept: equal and delete joined give `a`, equal and insert joined give `b`.
    """
    words_a, words_b = _cut(a, b)
    return _pieces(words_a, words_b)


def around(diff: list[Piece], near: int, most: int | None = None) -> list[Piece]:
    """Return a diff with `near` characters before and after each change and without what is far from any; of a change at most so many."""
    last = len(diff) - 1
    return [
        (op, _near(text, near, at == 0, at == last) if op == "equal" else text[:most])
        for at, (op, text) in enumerate(diff)
    ]


def _near(text: str, near: int, first: bool, last: bool) -> str:
    if len(text) <= 2 * near:
        return text
    before, after = "" if first else text[:near], "" if last else text[-near:]
    return f"{before} … {after}"


def _cut(*texts: str) -> list[list[str]]:
    """Split the texts into words, or into lines if comparing two of them word by word would take too long."""
    words = [TOKENS.findall(text) for text in texts]
    longest = sorted(map(len, words))[-2:]
    return words if longest[0] * longest[-1] <= MOST_PAIRS else [LINES.findall(text) for text in texts]


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


def word_merge(was: str, theirs: str, mine: str) -> tuple[str, bool]:
    """Merge both changes of `was` into one text, and return whether they touched the same words; there `mine` is used.

    The texts are cut at the words that neither changed (as diff3 does: Khanna, Kunal and Pierce 2007).
    """
    a, b, c = _cut(was, theirs, mine)
    in_theirs, in_mine = _same(a, b), _same(a, c)
    anchors = [(n, in_theirs[n], in_mine[n]) for n in sorted(in_theirs.keys() & in_mine.keys())]
    merged: list[str] = []
    same_words, (i, j, k) = False, (0, 0, 0)
    for here in [*anchors, (len(a), len(b), len(c))]:
        old, their, my = a[i : here[0]], b[j : here[1]], c[k : here[2]]
        merged += their if my == old else my
        same_words |= old not in (their, my) and their != my
        merged += a[here[0] : here[0] + 1]
        i, j, k = (place + 1 for place in here)
    return "".join(merged), same_words


def _same(a: Sequence[str], b: Sequence[str]) -> dict[int, int]:
    """Return the place in `b` of each piece of `a` that `b` has too."""
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return {block.a + n: block.b + n for block in blocks for n in range(block.size)}
