"""Near-duplicate detection: texts become sets of three-word shingles, sets become MinHash sketches, sketches become candidates.

A candidate is only a guess: the caller computes the `similarity` of both texts' sets, of which it keeps as many as it
has room for; a sketch takes half a kilobyte. MinHash is rensa's; the banding is Broder's (1997), over sorted columns of
the sketches.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from rensa import RMinHash

SHINGLE = 3  # words
PERMUTATIONS = 128
# 32 bands of 4: two texts with half of their shingles in common meet with 0.87, with 0.6 in common with 0.99. Heavily
# edited copies (8% of the words, a sentence gone) have 0.52 to 0.75; texts that share a third of their sentences 0.33.
BANDS = 32
THRESHOLD = 0.42  # of the exact Jaccard similarity
GUESS_MARGIN = 0.14  # three standard deviations of the guess that 128 permutations give
SEED = 1
BUCKET = 24  # neighbours of each text in a bucket that are looked at: a template shared by all makes no million pairs
PAIRS = 50_000  # compared at a time
NEAREST = 16  # near-duplicates of one text; a pair of two that have so many, and are in one group already, adds nothing
# Sure ones of one text (by more than the margin) among its candidates: enough to choose the nearest from.
ENOUGH = 3 * NEAREST
REMEMBERED = 500_000  # words whose hashes are kept
# Scripts without blanks between words: each character counts as one.
WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\w+")
# Places of three words in a shingle must not commute; odd constants of splitmix64 and of xxHash.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Keys = np.ndarray[Any, np.dtype[np.int64]]


# ASCII needs no pattern: capitals become small, everything but letters, digits and the underscore a blank.
PLAIN = (
    bytes(ord(chr(code).lower()) if chr(code).isalnum() or chr(code) == "_" else ord(" ") for code in range(128))
    + b" " * 128
)


class _WordHashes(dict[bytes, int]):
    """The hash of a word, the same in every process; the commonest half million are remembered."""

    def __missing__(self, word: bytes) -> int:
        if len(self) >= REMEMBERED:
            self.clear()
        self[word] = number = int.from_bytes(blake2b(word, digest_size=8).digest(), "little")
        return number


_hash_of = _WordHashes()


def words(text: str) -> list[bytes]:
    """Return the words of a text that are compared: in UTF-8, without case, marks and white space."""
    if text.isascii():
        return text.encode().translate(PLAIN).split()
    return [word.encode("utf-8", "replace") for word in WORD.findall(text.casefold())]


def shingles(tokens: Sequence[bytes]) -> Hashes:
    """Return a hash for each three words in a row; of a shorter text one for the whole. Not unique, not sorted."""
    hashes = np.fromiter(map(_hash_of.__getitem__, tokens), dtype=np.uint64, count=len(tokens))
    size = min(SHINGLE, len(hashes))
    if not size:
        return hashes
    count = len(hashes) - size + 1
    mixed = hashes[:count] * FACTORS[0]
    for place in range(1, size):
        mixed = (mixed ^ (mixed >> np.uint64(29))) + hashes[place : place + count] * FACTORS[place]
    return mixed ^ (mixed >> np.uint64(32))


def exact_hash(tokens: Sequence[bytes]) -> int:
    """Return 64 bits over the words in their order: equal for texts that differ in case, marks and white space alone."""
    return int.from_bytes(blake2b(b" ".join(tokens), digest_size=8).digest(), "little")


def shingle_set(text: str) -> Hashes:
    """Return a text's shingles, unique and sorted, for `similarity`."""
    return np.unique(shingles(words(text)))


def similarity(a: Hashes, b: Hashes) -> float:
    """Return the Jaccard similarity of two shingle sets, 0 to 1."""
    if not len(a) or not len(b):
        return 0.0
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)


class Sketches:
    """Sketches of many texts, added in batches; then the pairs worth comparing. Keys are whole numbers of the caller."""

    def __init__(self) -> None:
        self._keys: list[Keys] = []
        self._hashes: list[Hashes] = []
        self._sketches: list[Any] = []
        self.crowded: set[int] = set()

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def add(self, keys: Sequence[int], texts: Iterable[str]) -> None:
        """Sketch a batch. A text without a word is left out, for it is similar to nothing."""
        rows = [(key, tokens) for key, text in zip(keys, texts, strict=True) if (tokens := words(text))]
        if not rows:
            return
        sets = [shingles(tokens) for _, tokens in rows]
        ends = np.cumsum([0, *map(len, sets)]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(sets), ends, PERMUTATIONS, SEED)
        self._sketches.append(np.array(matrix.to_rows(), dtype=np.uint32))
        self._keys.append(np.array([key for key, _ in rows], dtype=np.int64))
        self._hashes.append(np.array([exact_hash(tokens) for _, tokens in rows], dtype=np.uint64))

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
        """Yield pairs (smaller key first) that may be at least that similar, each once: group by group, the likeliest first.

        Of texts that resemble each other by the hundred only some pairs are given: `crowded` then holds their keys.
        `between` is called now and then before the first pair comes.
        """
        if len(self) < 2:
            return
        keys, sketches = np.concatenate(self._keys), np.concatenate(self._sketches)
        self._sketches = [sketches]
        self._keys, self._hashes = [keys], [np.concatenate(self._hashes)]
        search = _Search(sketches, self._hashes[0], threshold)
        for band in range(BANDS):
            between()
            search.look(band)
        self.crowded = set(keys[search.crowded].tolist())
        first, second, agree = search.found()
        between()
        group = _connected(len(keys), first, second)[first]
        low, high = np.minimum(keys[first], keys[second]), np.maximum(keys[first], keys[second])
        order = np.lexsort((high, low, -agree, group))
        for start in range(0, len(order), PAIRS):
            part = order[start : start + PAIRS]
            yield from zip(low[part].tolist(), high[part].tolist(), strict=True)


class _Search:
    """Pairs of rows whose sketches agree well enough, gathered band by band."""

    def __init__(self, sketches: Any, exact: Hashes, threshold: float) -> None:
        self.sketches, self.exact, self.threshold = sketches, exact, threshold
        self.crowded = np.zeros(len(sketches), dtype=bool)  # rows with pairs that were not looked at
        self._sure = np.zeros(len(sketches), dtype=np.int64)  # of each row, the pairs that need hardly be compared
        self._group = np.arange(len(sketches))  # what such pairs of the bands before hold together, by its first row
        self._pairs = np.empty(0, dtype=np.uint64)  # two places of 32 bits in one number, sorted

    def look(self, band: int) -> None:
        """Search the buckets of one band: each row with the next ones of its bucket.

        Two rows that have enough pairs and are in one group already are passed over, as `NearestPairs` will do.
        """
        order, bucket = _buckets(self.sketches, band)
        taken, joined = [self._pairs], [np.empty((2, 0), dtype=np.int64)]
        for step in range(1, BUCKET + 2):
            same = np.flatnonzero(bucket[step:] == bucket[:-step])
            if not len(same):
                break
            first, second = order[same], order[same + step]
            enough = np.minimum(self._sure[first], self._sure[second]) >= ENOUGH
            over = enough & (self._group[first] == self._group[second]) | (step > BUCKET)
            self._crowd(first[over], second[over])
            first, second = first[~over], second[~over]
            for start in range(0, len(first), PAIRS):
                taken.append(self._new(first[start : start + PAIRS], second[start : start + PAIRS], joined))
        self._pairs = np.sort(np.concatenate(taken))
        self._group = _connected(len(order), *self._group[np.concatenate(joined, axis=1)])[self._group]

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


def _buckets(sketches: Any, band: int) -> tuple[Keys, Hashes]:
    """Return rows ordered by their bucket in a band, and the buckets."""
    width = PERMUTATIONS // BANDS
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


def _connected(size: int, first: Keys, second: Keys) -> Keys:
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
