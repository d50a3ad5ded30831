"""Near-duplicate detection: texts become sets of shingles, sets become MinHash sketches, sketches become candidates.

A candidate is only a guess: the caller computes the `similarity` of both texts, of which it keeps as many as it has room
for; a sketch takes half a kilobyte. MinHash is rensa's; the banding is Broder's (1997), over sorted columns of the
sketches. Two short texts are compared by words and pairs of words, other texts by three words in a row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from rensa import RMinHash

from curation.quality.shingles import FACTORS, SHORT, Hashes, exact_hash, shingles, short_shingles, words

PERMUTATIONS = 128
# 32 bands of 4: two texts with half of their shingles in common meet with 0.87, with 0.6 in common with 0.99. Heavily
# edited copies (8% of the words, a sentence gone) have 0.52 to 0.75; texts that share a third of their sentences 0.33.
WIDTH = 4
SHORT_WIDTH = 3  # 42 bands: short texts with half of their shingles in common, as a typo leaves them, meet with 0.996
LONG_FROM = 12  # words: a shorter text is less than 0.3 like any that is not short
THRESHOLD = 0.42  # of the exact Jaccard similarity
GUESS_MARGIN = 0.14  # three standard deviations of the guess that 128 permutations give
SEED = 1
BUCKET = 24  # neighbours of each text in a bucket that are looked at: a template shared by all makes no million pairs
PAIRS = 50_000  # compared at a time
NEAREST = 16  # near-duplicates of one text; a pair of two that have so many, and are in one group already, adds nothing
# Sure ones of one text (by more than the margin) among its candidates: enough to choose the nearest from.
ENOUGH = 3 * NEAREST
Keys = np.ndarray[Any, np.dtype[np.int64]]


class Sketches:
    """Sketches of many texts, added in batches; then the pairs worth comparing. Keys are whole numbers of the caller."""

    def __init__(self) -> None:
        self._keys: list[Keys] = []
        self._hashes: list[Hashes] = []
        self._short, self._long = _Sheaf(SHORT_WIDTH), _Sheaf(WIDTH)
        self.crowded: set[int] = set()

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def add(self, keys: Sequence[int], texts: Iterable[str]) -> None:
        """Sketch a batch. A text without a word is left out, for it is similar to nothing."""
        rows = [(key, tokens) for key, text in zip(keys, texts, strict=True) if (tokens := words(text))]
        if not rows:
            return
        ids = np.array([key for key, _ in rows], dtype=np.int64)
        hashes = np.array([exact_hash(tokens) for _, tokens in rows], dtype=np.uint64)
        sizes = np.array([len(tokens) for _, tokens in rows])
        self._keys.append(ids)
        self._hashes.append(hashes)
        is_short = sizes <= SHORT
        for sheaf, those, made in ((self._short, is_short, short_shingles), (self._long, sizes >= LONG_FROM, shingles)):
            places = np.flatnonzero(those)
            if len(places):
                sheaf.add(ids[places], hashes[places], is_short[places], [made(rows[at][1]) for at in places.tolist()])

    def exact(self) -> list[list[int]]:
        """Return the keys of texts with the same words in the same order, each group in ascending order."""
        if not self._keys:
            return []
        keys, hashes = np.concatenate(self._keys), np.concatenate(self._hashes)
        order = np.lexsort((keys, hashes))
        groups = np.split(keys[order], np.flatnonzero(np.diff(hashes[order])) + 1)
        return [group.tolist() for group in groups if len(group) > 1]

    def candidates(
        self, threshold: float = THRESHOLD, between: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[int, int]]:
        """Yield pairs (smaller key first) that may be at least that similar, each once.

        First those of two short texts, then the others; group by group, the likeliest first. Of texts that resemble each
        other by the hundred only some pairs are given: `crowded` then holds their keys. `between` is called now and then
        before the first pair comes.
        """
        yield from self._short.candidates(threshold, between, self.crowded)
        yield from self._long.candidates(threshold, between, self.crowded, skip_short=True)


class _Sheaf:
    """Sketches of texts that are compared by one kind of shingles, in bands of so many places."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._columns: list[tuple[Keys, Hashes, Any, Any]] = []

    def add(self, keys: Keys, hashes: Hashes, is_short: Any, sets: list[Hashes]) -> None:
        ends = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), ends, PERMUTATIONS, SEED)
        self._columns.append((keys, hashes, is_short, np.array(matrix.to_rows(), dtype=np.uint32)))

    def candidates(
        self, threshold: float, between: Callable[[], None], crowded: set[int], *, skip_short: bool = False
    ) -> Iterator[tuple[int, int]]:
        """Yield the pairs, as `Sketches.candidates` does; with `skip_short` none of two short texts."""
        if sum(len(columns[0]) for columns in self._columns) < 2:
            return
        keys, exact, is_short, sketches = map(np.concatenate, zip(*self._columns, strict=True))
        self._columns = [(keys, exact, is_short, sketches)]
        if skip_short and is_short.all():
            return
        search = _Search(sketches, exact, threshold, self.width, is_short & skip_short)
        for band in range(PERMUTATIONS // self.width):
            between()
            search.look(band)
        crowded.update(keys[search.crowded].tolist())
        first, second, agree = search.found()
        between()
        group = connected(len(keys), first, second)[first]
        low, high = np.minimum(keys[first], keys[second]), np.maximum(keys[first], keys[second])
        order = np.lexsort((high, low, -agree, group))
        for start in range(0, len(order), PAIRS):
            part = order[start : start + PAIRS]
            yield from zip(low[part].tolist(), high[part].tolist(), strict=True)


class _Search:
    """Pairs of rows whose sketches agree well enough, gathered band by band; none of two rows that are `passed`."""

    def __init__(self, sketches: Any, exact: Hashes, threshold: float, width: int, passed: Any) -> None:
        self.sketches, self.exact, self.threshold, self.width, self.passed = sketches, exact, threshold, width, passed
        self.crowded = np.zeros(len(sketches), dtype=bool)  # rows with pairs that were not looked at
        self._sure = np.zeros(len(sketches), dtype=np.int64)  # of each row, the pairs that need hardly be compared
        self._group = np.arange(len(sketches))  # what such pairs of the bands before hold together, by its first row
        self._pairs = np.empty(0, dtype=np.uint64)  # two places of 32 bits in one number, sorted

    def look(self, band: int) -> None:
        """Search the buckets of one band: each row with the next ones of its bucket.

        Two rows that have enough pairs and are in one group already are passed over, as `NearestPairs` will do.
        """
        order, bucket = _buckets(self.sketches, band, self.width)
        taken, joined = [self._pairs], [np.empty((2, 0), dtype=np.int64)]
        for step in range(1, BUCKET + 2):
            same = np.flatnonzero(bucket[step:] == bucket[:-step])
            if not len(same):
                break
            first, second = order[same], order[same + step]
            wanted = ~(self.passed[first] & self.passed[second])
            first, second = first[wanted], second[wanted]
            enough = np.minimum(self._sure[first], self._sure[second]) >= ENOUGH
            over = enough & (self._group[first] == self._group[second]) | (step > BUCKET)
            self._crowd(first[over], second[over])
            first, second = first[~over], second[~over]
            for start in range(0, len(first), PAIRS):
                taken.append(self._new(first[start : start + PAIRS], second[start : start + PAIRS], joined))
        self._pairs = np.sort(np.concatenate(taken))
        self._group = connected(len(order), *self._group[np.concatenate(joined, axis=1)])[self._group]

    def found(self) -> tuple[Keys, Keys, Any]:
        """Return first and second rows, and the share of places in which their sketches agree."""
        first = (self._pairs >> np.uint64(32)).astype(np.int64)
        second = (self._pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
        parts = [slice(start, start + PAIRS) for start in range(0, len(first), PAIRS)]
        agree = [_agreement(self.sketches, first[part], second[part]) for part in parts]
        return first, second, np.concatenate([np.empty(0), *agree])

    def _new(self, first: Keys, second: Keys, joined: list[Keys]) -> Hashes:
        """Return the pairs that agree and that no earlier band had; the certain ones go to `joined` too."""
        low, high = np.minimum(first, second).astype(np.uint64), np.maximum(first, second).astype(np.uint64)
        packed = (low << np.uint64(32)) | high
        new = ~_among(packed, self._pairs)
        first, second, packed = first[new], second[new], packed[new]
        agree = _agreement(self.sketches, first, second)
        sure = agree >= self.threshold + GUESS_MARGIN
        joined.append(np.stack([first[sure], second[sure]]))
        sure &= self.exact[first] != self.exact[second]  # copies of the same words say nothing of what else is near
        for rows in (first, second):
            np.add.at(self._sure, rows[sure], 1)
        return packed[agree >= self.threshold - GUESS_MARGIN]

    def _crowd(self, first: Keys, second: Keys) -> None:
        lost = self.exact[first] != self.exact[second]
        self.crowded[first[lost]] = self.crowded[second[lost]] = True


def _buckets(sketches: Any, band: int, width: int) -> tuple[Keys, Hashes]:
    """Return rows ordered by their bucket in a band, and the buckets."""
    columns = sketches[:, band * width : (band + 1) * width].astype(np.uint64)
    bucket = np.zeros(len(columns), dtype=np.uint64)
    for place in range(width):
        bucket = (bucket ^ (bucket >> np.uint64(31)) ^ columns[:, place]) * FACTORS[0]
    order = np.argsort(bucket, kind="stable")
    return order, bucket[order]


def _agreement(sketches: Any, first: Keys, second: Keys) -> Any:
    """Return, for each pair of rows, the share of places in which their sketches are equal, an estimate of the similarity."""
    return (sketches[first] == sketches[second]).mean(axis=1)


def _among(values: Hashes, those: Hashes) -> Any:
    """Return which of the values are among `those`, which are sorted."""
    if not len(those):
        return np.zeros(len(values), dtype=bool)
    return those[np.minimum(np.searchsorted(those, values), len(those) - 1)] == values


def connected(size: int, first: Keys, second: Keys) -> Keys:
    """Return, for each of so many rows, the smallest one that a chain of pairs leads to."""
    label = np.arange(size)
    while True:
        least = np.minimum(label[first], label[second])
        new = label.copy()
        for rows in (first, second, label[first], label[second]):
            np.minimum.at(new, rows, least)
        new = new[new]
        if np.array_equal(new, label):
            return label
        label = new


class Groups:
    """Groups of keys connected by chains of pairs, each named by its smallest key."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def top(self, key: int) -> int:
        """Return the name of a key's group."""
        above = self._above
        while (parent := above.setdefault(key, key)) != key:
            above[key] = key = above[parent]  # halves the way for the next one
        return key

    def join(self, a: int, b: int) -> None:
        low, high = sorted((self.top(a), self.top(b)))
        self._above[high] = low

    def named(self) -> dict[int, int]:
        return {key: self.top(key) for key in self._above}


class NearestPairs:
    """Chooses pairs as they come, the likeliest first: enough of each key, and all that hold a group together.

    A pair is left out only when both keys have so many pairs and a chain of pairs between them. So texts that have few
    near-duplicates keep all of theirs, and of texts made from one template each keeps about so many.
    """

    def __init__(self, most: int = NEAREST) -> None:
        self._most = most
        self._groups = Groups()
        self._count: Counter[int] = Counter()
        self.bounded: set[int] = set()  # keys of the pairs that were left out

    def wants(self, a: int, b: int) -> bool:
        """Return whether the pair would be kept; once it would not, it never will."""
        if min(self._count[a], self._count[b]) < self._most or self._groups.top(a) != self._groups.top(b):
            return True
        self.bounded.update((a, b))
        return False

    def keep(self, a: int, b: int) -> None:
        self._count.update((a, b))
        self._groups.join(a, b)

    def join(self, a: int, b: int) -> None:
        """Join two keys that are known to be the same, which counts for the group alone."""
        self._groups.join(a, b)


def clusters(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return, for every key in a pair, the smallest key that a chain of pairs leads to."""
    groups = Groups()
    for a, b in pairs:
        groups.join(a, b)
    return groups.named()
