"""Places of spans in a text that changes: a span moves along with its words, or it is known to have lost them."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import cache
from itertools import accumulate

Place = tuple[int, int]  # start and end in Unicode characters, end excluded
Block = tuple[int, int, int]  # of equal characters: their start in the old text, in the new one, and their number
# Matching costs the product of both lengths at worst; above this, lines are matched first.
MOST_PAIRS = 4_000_000
MOST_OCCURRENCES = 10_000
# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana and Han.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
JOINERS = "\u200c\u200d"
LINES = re.compile(r"[^\n]*\n|[^\n]+")


@cache
def _marks() -> str:
    """Return all combining marks and joiners, as the inside of a character class: they belong to the character before."""
    planes = (*range(0x20000), *range(0xE0100, 0xE01F0))  # the others have none
    points = [n for n in planes if unicodedata.category(chr(n))[0] == "M"]
    ranges: list[list[int]] = []
    for point in points:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges) + JOINERS + "\U0001f3fb-\U0001f3ff"


@cache
def _token() -> re.Pattern[str]:
    """Return the pattern of a token: a word, blanks, or any other character, each with its marks."""
    marks = _marks()
    return re.compile(rf"(?:(?![{SPACELESS}])\w[{marks}]*)+|\s+|.[{marks}]*", re.DOTALL)


@cache
def _mark() -> re.Pattern[str]:
    return re.compile(f"[{_marks()}]")


class TextChange:
    """A text before and after a change. A span that survives marks the same words; a CRLF counts as a line break."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = _Lines(old), _Lines(new)
        self._blocks = _merged(_blocks(self._old.text, self._new.text))
        self._starts = [block[0] for block in self._blocks]
        self._found: dict[tuple[str, bool, bool], tuple[list[int], list[int]]] = {}

    def follow(self, start: int, end: int) -> Place | None:
        """Return where the words of a span are in the new text, or None if they are gone or could be several.

        They are there if the diff keeps them with a word beside them, or if they occur equally often before and after,
        and as the same of several; else if they occur once before and after.
        """
        first, last = self._old.inner(start), self._old.inner(end)
        if not 0 <= first < last <= len(self._old.text):
            return None
        words = self._old.text[first:last]
        before, after = self._occurrences(words, first, last)
        kept = self._kept(first, last)
        if kept is not None and kept in after and first in before:
            same = len(before) == len(after) and before.index(first) == after.index(kept)
            if same or self._has_company(first, last):
                return self._new.outer(kept), self._new.outer(kept + len(words))
        if before == [first] and len(after) == 1:
            return self._new.outer(after[0]), self._new.outer(after[0] + len(words))
        return None

    def _kept(self, first: int, last: int) -> int | None:
        """Return where the diff puts a stretch that it keeps whole."""
        at = bisect_right(self._starts, first) - 1
        if at < 0:
            return None
        old, new, size = self._blocks[at]
        return new + first - old if last <= old + size else None

    def _has_company(self, first: int, last: int) -> bool:
        """Return whether the diff keeps another word or sign beside this stretch."""
        old, _, size = self._blocks[bisect_right(self._starts, first) - 1]
        text = self._old.text
        return bool(text[old:first].strip() or text[last : old + size].strip())

    def _occurrences(self, words: str, first: int, last: int) -> tuple[list[int], list[int]]:
        """Return where the words occur in both texts, within a longer word only if the span was within one there too."""
        text = self._old.text
        edges = (joined(text, first), joined(text, last))
        key = (words, *edges)
        if key not in self._found:
            self._found[key] = (list(_places(text, words, edges)), list(_places(self._new.text, words, edges)))
        return self._found[key]


class _Lines:
    """A text with its CRLF as one line break, and the way between its places and the text's own."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self._breaks = [match.start() for match in re.finditer("\r\n", text)] if len(self.text) < len(text) else []
        self._inner = [at - n for n, at in enumerate(self._breaks)]

    def inner(self, place: int) -> int:
        """Return the place without the carriage returns before it; one between CR and LF is the line break's end."""
        return place - bisect_left(self._breaks, place)

    def outer(self, place: int) -> int:
        return place + bisect_left(self._inner, place)


def joined(text: str, place: int) -> bool:
    """Return whether a place is within a word: the characters on both sides are of one word, or one is a mark on the other."""
    if not 0 < place < len(text):
        return False
    left, right = text[place - 1], text[place]
    if _mark().match(right) or left in JOINERS:
        return True
    words = re.match(r"\w", right) and (re.match(r"\w", left) or _mark().match(left))
    return bool(words) and not re.search(f"[{SPACELESS}]", left + right)


def _places(text: str, words: str, edges: tuple[bool, bool]) -> Iterator[int]:
    at = text.find(words)
    for _ in range(MOST_OCCURRENCES):
        if at < 0:
            return
        if (joined(text, at), joined(text, at + len(words))) == edges:
            yield at
        at = text.find(words, at + 1)


def _blocks(old: str, new: str) -> Iterator[Block]:
    """Yield what both texts have in common, in order: their beginning, their end, and what a diff finds between."""
    a, b = _token().findall(old), _token().findall(new)
    head = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    most = min(len(a), len(b)) - head
    tail = next((n for n in range(most) if a[-1 - n] != b[-1 - n]), most)
    size, end = len("".join(a[:head])), len("".join(a[len(a) - tail :]))
    yield 0, 0, size
    yield from _between(a[head : len(a) - tail], b[head : len(b) - tail], size, size)
    yield len(old) - end, len(new) - end, end


def _between(a: Sequence[str], b: Sequence[str], at_a: int, at_b: int) -> Iterator[Block]:
    if len(a) * len(b) <= MOST_PAIRS:
        yield from _matched(a, b, at_a, at_b)
        return
    lines_a, lines_b = LINES.findall("".join(a)), LINES.findall("".join(b))
    ends_a, ends_b = [0, *accumulate(map(len, lines_a))], [0, *accumulate(map(len, lines_b))]
    if len(lines_a) * len(lines_b) > MOST_PAIRS:
        return  # too much to compare: what occurs once is found without it
    for op, i, j, k, m in SequenceMatcher(None, lines_a, lines_b, autojunk=False).get_opcodes():
        x, y = at_a + ends_a[i], at_b + ends_b[k]
        if op == "equal":
            yield x, y, ends_a[j] - ends_a[i]
        elif op == "replace":
            inner_a, inner_b = _token().findall("".join(lines_a[i:j])), _token().findall("".join(lines_b[k:m]))
            if len(inner_a) * len(inner_b) <= MOST_PAIRS:
                yield from _matched(inner_a, inner_b, x, y)


def _matched(a: Sequence[str], b: Sequence[str], at_a: int, at_b: int) -> Iterator[Block]:
    ends_a, ends_b = [0, *accumulate(map(len, a))], [0, *accumulate(map(len, b))]
    for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        if block.size:
            yield at_a + ends_a[block.a], at_b + ends_b[block.b], ends_a[block.a + block.size] - ends_a[block.a]


def _merged(blocks: Iterator[Block]) -> list[Block]:
    """Join blocks that follow each other without a gap in either text, and leave out empty ones."""
    merged: list[Block] = []
    for old, new, size in blocks:
        if merged and (merged[-1][0] + merged[-1][2], merged[-1][1] + merged[-1][2]) == (old, new):
            merged[-1] = (merged[-1][0], merged[-1][1], merged[-1][2] + size)
        elif size:
            merged.append((old, new, size))
    return merged
