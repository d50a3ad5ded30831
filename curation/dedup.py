"""Near-duplicates: texts become sets of three-word shingles, sets become MinHash sketches, sketches become candidates.

A candidate is only a guess: whoever calls reads both texts again and asks `similarity`, so no set is kept in memory; a
sketch takes half a kilobyte. MinHash is rensa's; the banding is Broder's (1997), over sorted columns of the sketches.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
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
BUCKET = (
    24  # so many neighbours of each text in a bucket are looked at: a template shared by all makes no million pairs
)
PAIRS = 200_000  # compared at a time
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
    """What is compared of a text: its words in UTF-8, without case, marks and white space."""
    if text.isascii():
        return text.encode().translate(PLAIN).split()
    return [word.encode("utf-8", "replace") for word in WORD.findall(text.casefold())]


def shingles(tokens: Sequence[bytes]) -> Hashes:
    """A hash for each three words in a row; of a shorter text one for the whole. Not unique, not sorted."""
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
    """64 bits over the words in their order: equal for texts that differ in case, marks and white space alone."""
    return int.from_bytes(blake2b(b" ".join(tokens), digest_size=8).digest(), "little")


def shingle_set(text: str) -> Hashes:
    """Unique and sorted, for `similarity`."""
    return np.unique(shingles(words(text)))


def similarity(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two shingle sets, 0 to 1."""
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

    def __len__(self) -> int:
        return sum(map(len, self._keys))

    def add(self, keys: Sequence[int], texts: Iterable[str]) -> None:
        """Sketch a batch. A text without a word is left out, for it is like nothing."""
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
        """Keys of texts with the same words in the same order, each group in ascending order."""
        if not self._keys:
            return []
        keys, hashes = np.concatenate(self._keys), np.concatenate(self._hashes)
        order = np.lexsort((keys, hashes))
        groups = np.split(keys[order], np.flatnonzero(np.diff(hashes[order])) + 1)
        return [group.tolist() for group in groups if len(group) > 1]

    def candidates(self, threshold: float = THRESHOLD) -> Iterator[tuple[int, int]]:
        """Pairs (smaller key first) that may be at least that alike, each once, in the order of their keys."""
        if len(self) < 2:
            return
        keys, sketches = np.concatenate(self._keys), np.concatenate(self._sketches)
        self._sketches = [sketches]
        self._keys, self._hashes = [keys], [np.concatenate(self._hashes)]
        found = np.unique(np.concatenate([_promising(sketches, band, threshold) for band in range(BANDS)]))
        # Two places of 32 bits stand in one number: unique numbers are found far quicker than unique rows.
        pairs = keys[
            np.stack([(found >> np.uint64(32)).astype(np.int64), (found & np.uint64(0xFFFFFFFF)).astype(np.int64)])
        ]
        low, high = pairs.min(axis=0), pairs.max(axis=0)
        order = np.lexsort((high, low))
        yield from zip(low[order].tolist(), high[order].tolist(), strict=True)


def _promising(sketches: Any, band: int, threshold: float) -> Hashes:
    """Pairs of one band whose whole sketches agree well enough, each pair packed into one number."""
    width = PERMUTATIONS // BANDS
    columns = sketches[:, band * width : (band + 1) * width].astype(np.uint64)
    bucket = np.zeros(len(columns), dtype=np.uint64)
    for place in range(width):
        bucket = (bucket ^ (bucket >> np.uint64(31)) ^ columns[:, place]) * FACTORS[0]
    order = np.argsort(bucket, kind="stable").astype(np.uint64)
    bucket = bucket[order.astype(np.int64)]
    kept = [np.empty(0, dtype=np.uint64)]
    for step in range(1, min(BUCKET, len(order) - 1) + 1):
        same = np.flatnonzero(bucket[step:] == bucket[:-step])
        if not len(same):
            break
        for start in range(0, len(same), PAIRS):
            part = same[start : start + PAIRS]
            kept.append(_alike(sketches, order[part], order[part + step], threshold))
    return np.concatenate(kept)


def _alike(sketches: Any, first: Hashes, second: Hashes, threshold: float) -> Hashes:
    """Of these pairs of rows those whose sketches agree; the share of equal places is a guess of the similarity."""
    agree = (sketches[first.astype(np.int64)] == sketches[second.astype(np.int64)]).mean(axis=1)
    good = agree >= threshold - GUESS_MARGIN
    low, high = np.minimum(first, second)[good], np.maximum(first, second)[good]
    return (low << np.uint64(32)) | high


def clusters(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Key -> the smallest key that a chain of pairs leads to, for every key in a pair."""
    above: dict[int, int] = {}

    def top(key: int) -> int:
        while (parent := above.setdefault(key, key)) != key:
            above[key] = key = above[parent]  # halves the way for the next one
        return key

    for a, b in pairs:
        low, high = sorted((top(a), top(b)))
        above[high] = low
    return {key: top(key) for key in above}
