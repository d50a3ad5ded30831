"""Telling near-duplicates from texts that share a frame: the same sentences around different facts.

"What is the capital of France?" and "… of Spain?" have most words in common, and so have two products of one catalogue.
Others of the same frame are witnesses: a word that few of them have is a text's own. Two texts differ in facts when what
each has over the other is mostly its own, and when they share little that is their own. An edited copy is otherwise:
what was replaced in it stands in the other copies, or the copy shares with its origin what no witness has.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from curation.quality.shingles import SHORT

WITNESSES = 24  # of each text
SUPPORTED = 0.6  # share of witnesses: a word of so many belongs to the frame
OWN = 0.6  # share of what one text has over the other
SHARED = 0.5  # share of their own that two copies have in common at least
WORDS_ALIKE = 0.6  # of two short texts without witnesses
NUMBER = 3  # words that a number counts for, where it differs
TYPO_LENGTH = 4  # letters of a word that may hold a typo
TWO_TYPOS = 9  # letters of a word that may hold two
MOST_PAIRED = 600  # pairs of words that are looked at for typos
Words = frozenset[bytes]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class WordedText:
    """The words of a text: how many, the different ones, and the different pairs of words in a row."""

    count: int
    words: Words
    pairs: frozenset[tuple[bytes, bytes]]

    @classmethod
    def of(cls, tokens: Sequence[bytes]) -> "WordedText":
        return cls(len(tokens), frozenset(tokens), frozenset(pairwise(tokens)))

    def __len__(self) -> int:
        """Return how many words and pairs it holds."""
        return len(self.words) + len(self.pairs)


class OwnWords(NamedTuple):
    """What of a text its witnesses hardly have, when one of them is the other text: in case that has it, or not."""

    lacked: frozenset[object]  # own words among those that the other text lacks
    shared: frozenset[object]  # own words among those that the other text has too
    has_witness: bool


def own_words(items: frozenset[object], witnesses: Collection[frozenset[object]]) -> OwnWords:
    """Return which of a text's words are its own beside its witnesses, of which one is the text that it is compared with."""
    others = len(witnesses) - 1
    if others < 1:
        return OwnWords(items, items, has_witness=False)
    count: Counter[object] = Counter()
    for witness in witnesses:
        count.update(items & witness)
    limit = SUPPORTED * others
    lacked = frozenset(item for item in items if count[item] < limit)
    return OwnWords(lacked, frozenset(item for item in items if count[item] - 1 < limit), has_witness=True)


class Witnessed(NamedTuple):
    """A text with its own words, and its own pairs of words."""

    text: WordedText
    words: OwnWords
    pairs: OwnWords


def differ_in_facts(a: Witnessed, b: Witnessed) -> bool:
    """Return whether two similar texts share a frame alone."""
    over_a, over_b = a.text.words - b.text.words, b.text.words - a.text.words
    witnessed = a.words.has_witness or b.words.has_witness
    if not over_a and not over_b:
        # The same words, which may name the same things in other roles.
        return witnessed and _apart(a.text.pairs - b.text.pairs, b.text.pairs - a.text.pairs, a.pairs, b.pairs)
    if not over_a or not over_b:
        return False  # one has all that the other says, and more
    is_short = max(a.text.count, b.text.count) <= SHORT
    if not witnessed and not is_short:
        return False
    # Typos first, for a word of the frame with a typo in it is nobody else's.
    left_a, left_b = without_typos(over_a, over_b)
    numbered = any(map(_is_number, left_a)) and any(map(_is_number, left_b))
    if is_short and (numbered or not witnessed):
        common = min(len(a.text.words) - len(left_a), len(b.text.words) - len(left_b))
        if common < WORDS_ALIKE * (common + _weight(left_a) + _weight(left_b)):
            return True
    if not witnessed:
        return False
    if not _apart(left_a, left_b, a.words, b.words):
        return False
    # A word that was replaced in one place may stand in another: the pairs around it tell.
    typed = (over_a - left_a) | (over_b - left_b)
    pairs_a, pairs_b = (
        frozenset(pair for pair in one.text.pairs - other.text.pairs if typed.isdisjoint(pair))
        for one, other in ((a, b), (b, a))
    )
    return not pairs_a or not pairs_b or _apart(pairs_a, pairs_b, a.pairs, b.pairs)


def _apart(over_a: frozenset[object], over_b: frozenset[object], own_a: OwnWords, own_b: OwnWords) -> bool:
    """Return whether what each has over the other is its own, and little of their own is in common."""
    if not over_a or not over_b:
        return False
    alone_a, alone_b = over_a & own_a.lacked, over_b & own_b.lacked
    if min(len(alone_a) / len(over_a), len(alone_b) / len(over_b)) <= OWN:
        return False
    common = len(own_a.shared & own_b.shared)
    return common < SHARED * (common + _weight(alone_a) + _weight(alone_b))


def _weight(items: Collection[object]) -> int:
    """Return how much so many words tell: a number more than a word."""
    return sum(NUMBER if _is_number(item) else 1 for item in items)


def _is_number(item: object) -> bool:
    return isinstance(item, bytes) and any(48 <= code < 58 for code in item)


def without_typos(over_a: Words, over_b: Words) -> tuple[Words, Words]:
    """Return the words that only one of two texts has, without those that are one word with a typo."""
    if len(over_a) * len(over_b) > MOST_PAIRED:
        return over_a, over_b
    left_a, left_b = set(over_a), set(over_b)
    for word in sorted(over_a):
        other = next((other for other in sorted(left_b) if is_typo(word, other)), None)
        if other is not None:
            left_a.discard(word)
            left_b.discard(other)
    return frozenset(left_a), frozenset(left_b)


def is_typo(a: bytes, b: bytes) -> bool:
    """Return whether two words differ by one letter added, dropped, replaced or swapped; by two if they are long."""
    most = 1 if max(len(a), len(b)) < TWO_TYPOS else 2
    if min(len(a), len(b)) < TYPO_LENGTH or abs(len(a) - len(b)) > most or len(set(a) ^ set(b)) > 2 * most:
        return False
    return not (_is_number(a) or _is_number(b)) and _distance(a, b) <= most


def _distance(a: bytes, b: bytes) -> int:
    """Return the edit distance of two words, where swapping two neighbours is one edit."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        following = [i]
        for j, other in enumerate(b, 1):
            cost = min(row[j] + 1, following[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        before, row = row, following
    return row[-1]


class Neighbours:
    """The similar texts of each text, so many at most, of which some are a pair's witnesses.

    `same` names, for copies of the same words, the first of them.
    """

    def __init__(self, same: Mapping[int, int]) -> None:
        self._same = same
        self._of: dict[int, list[int]] = {}

    def add(self, a: int, b: int) -> None:
        """Note two similar texts. A copy of the same words is one witness, whose name is that of the first."""
        for one, other in ((a, self._same.get(b, b)), (b, self._same.get(a, a))):
            row = self._of.setdefault(one, [])
            if len(row) < WITNESSES and other not in row:
                row.append(other)

    def have_witness(self, a: int, b: int) -> bool:
        """Return whether either of two similar texts is similar to a third."""
        pair = {key for one in (a, b) for key in (one, self._same.get(one, one))}
        return not pair.issuperset(self.of(a)) or not pair.issuperset(self.of(b))

    def of(self, a: int) -> list[int]:
        """Return the texts that are similar to one."""
        return self._of.get(a, [])


class Judge:
    """Judges similar pairs by their words. `texts` gives the words of each text and of its neighbours."""

    def __init__(self, texts: Mapping[int, WordedText], neighbours: Neighbours) -> None:
        self._texts, self._neighbours = texts, neighbours
        self._known: dict[int, Witnessed] = {}

    def differ_in_facts(self, a: int, b: int) -> bool:
        """Return whether two texts share a frame alone. A text that is not there is similar to nothing."""
        if a not in self._texts or b not in self._texts:
            return True
        return differ_in_facts(self._witnessed(a), self._witnessed(b))

    def _witnessed(self, key: int) -> Witnessed:
        if key not in self._known:
            text = self._texts[key]
            near = [self._texts[other] for other in self._neighbours.of(key) if other in self._texts]
            words = own_words(text.words, [each.words for each in near])
            self._known[key] = Witnessed(text, words, own_words(text.pairs, [each.pairs for each in near]))
        return self._known[key]
