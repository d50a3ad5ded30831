"""The words of texts, and the sets of runs of words by which two texts are compared."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

SHINGLE = 3  # words
# Up to here a text is compared by its words and pairs of words: of seven words, one typo breaks three runs of three of five.
SHORT = 40  # words
REMEMBERED = 500_000  # words whose hashes are kept
# Scripts without blanks between words: each character counts as one.
WORD = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|\w+")
# Places of three words in a shingle must not commute; odd constants of splitmix64 and of xxHash.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

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
    # Encoded together: millions of calls for single words would take as long as finding them.
    return "\n".join(WORD.findall(text.casefold())).encode("utf-8", "replace").split()


def shingles(tokens: Sequence[bytes]) -> Hashes:
    """Return a hash for each three words in a row; of a shorter text one for the whole. Not unique, not sorted."""
    hashes = _hashes(tokens)
    return _runs(hashes, min(SHINGLE, len(hashes)))


def short_shingles(tokens: Sequence[bytes]) -> Hashes:
    """Return a hash for each word and each two words in a row. Not unique, not sorted."""
    hashes = _hashes(tokens)
    return np.concatenate([hashes, _runs(hashes, 2)]) if len(hashes) > 1 else hashes


def _hashes(tokens: Sequence[bytes]) -> Hashes:
    return np.fromiter(map(_hash_of.__getitem__, tokens), dtype=np.uint64, count=len(tokens))


def _runs(hashes: Hashes, size: int) -> Hashes:
    """Return a hash for each so many words in a row."""
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


@dataclass(frozen=True, slots=True)
class Shingled:
    """A text as it is compared: the shingles of both kinds, unique and sorted, those of a short text only if it is one."""

    short: Hashes | None
    long: Hashes

    @classmethod
    def of(cls, text: str) -> "Shingled":
        tokens = words(text)
        short = np.unique(short_shingles(tokens)) if len(tokens) <= SHORT else None
        return cls(short, np.unique(shingles(tokens)))

    def __len__(self) -> int:
        """Return how many hashes it holds."""
        return len(self.long) + (0 if self.short is None else len(self.short))


def similarity(a: Shingled, b: Shingled) -> float:
    """Return the Jaccard similarity of two texts, 0 to 1: of words and pairs of words if both are short, else of three in a row."""
    if a.short is not None and b.short is not None:
        return jaccard(a.short, b.short)
    return jaccard(a.long, b.long)


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return the Jaccard similarity of two sets of hashes, unique and sorted."""
    if not len(a) or not len(b):
        return 0.0
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both)
