"""Text embeddings, without a model to download. Two halves are joined:

- what words mean: a table of words that comes with Atelier (`curation.charts.word_vectors`), for texts in English;
- which words these texts share: stems, hashed and weighed by how rare they are in a sample of these very texts, turned into a few
  directions by a truncated singular value decomposition (latent semantic analysis; the randomised method of Halko,
  Martinsson and Tropp, 2011). It works in any language, and separates languages.

Memory follows the sample, whatever the number of texts. The same sample gives the same vectors.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Self

import numpy as np

from curation.charts import word_vectors
from curation.quality.shingles import words

BUCKETS = 1 << 20  # of hashed stems; a million: few of the thirty thousand that are kept share one
FEATURES = 30_000  # stems that are kept, the commonest
SIZE = 32  # of either half of a vector
SHARED = 0.15  # weight of the half of shared stems; the other weighs the square of the share of words that are known
SPARE = 8  # directions more than asked for, which make the others more exact
ROUNDS = 3  # of the power method
SEED = 20
STEM, WIDE_STEM = 6, 12  # bytes of a word; letters beyond ASCII take two and more
LONGEST = 20_000  # characters of one text that are read: its subject shows long before
TOO_COMMON = 0.98  # of the texts: a stem in nearly all of them tells nothing
REMEMBERED = 500_000  # words whose buckets are kept
PART = 500  # rows at a time
GATHERED = 2_000_000  # numbers of a product at a time: 8 MB
Floats = np.ndarray[Any, np.dtype[np.float32]]
Whole = np.ndarray[Any, np.dtype[np.int64]]


class _Buckets(dict[bytes, int]):
    """The bucket of a word's stem, the same in every process."""

    def __missing__(self, word: bytes) -> int:
        if len(self) >= REMEMBERED:
            self.clear()
        stem = word[:STEM] if word.isascii() else word[:WIDE_STEM]
        self[word] = bucket = int.from_bytes(blake2b(stem, digest_size=8).digest(), "little") % BUCKETS
        return bucket


_bucket_of = _Buckets()


class Sparse(NamedTuple):
    """A sparse matrix: `values[starts[i]:starts[i + 1]]` are in `columns[...]` of row i."""

    starts: Whole
    columns: Whole
    values: Floats
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def times(self, matrix: Floats) -> Floats:
        """Multiply with a dense matrix: (rows, width) by (width, n).

        Some rows at a time, so that intermediate arrays stay small.
        """
        product = np.zeros((len(self), matrix.shape[1]), dtype=np.float32)
        row, most = 0, GATHERED // matrix.shape[1]
        while row < len(self):
            end = max(row + 1, int(np.searchsorted(self.starts, self.starts[row] + most, side="right")) - 1)
            part = slice(int(self.starts[row]), int(self.starts[end]))
            filled = np.flatnonzero(np.diff(self.starts[row : end + 1]))
            if len(filled):
                gathered = matrix[self.columns[part]] * self.values[part, None]
                product[row + filled] = np.add.reduceat(gathered, self.starts[row + filled] - part.start, axis=0)
            row = end
        return product

    def rows(self, start: int, end: int) -> "Sparse":
        """Return some of the rows."""
        starts = self.starts[start : end + 1]
        part = slice(int(starts[0]), int(starts[-1]))
        return Sparse(starts - starts[0], self.columns[part], self.values[part], self.width)

    def turned(self) -> "Sparse":
        """Return the transposed matrix."""
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(len(self)), np.diff(self.starts))
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.columns, minlength=self.width))])
        return Sparse(starts, rows[order], self.values[order], len(self))


class StemCounts(NamedTuple):
    """How often each number occurs in each of some texts: parallel arrays in the order of texts, then numbers."""

    rows: Whole
    numbers: Whole
    times: Whole
    size: int  # texts


class StemBatch(NamedTuple):
    """The stem and word counts of a batch of texts, and the share of each text's words that the table knows."""

    stems: StemCounts
    known: StemCounts
    share: Floats


def read(texts: Sequence[str]) -> StemBatch:
    """Count stems and known words of a batch."""
    word_lists = [words(text[:LONGEST]) for text in texts]
    lengths = np.array([len(word_list) for word_list in word_lists], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    stems = np.fromiter(
        (_bucket_of[word] for word_list in word_lists for word in word_list), dtype=np.int64, count=len(rows)
    )
    place = word_vectors.places()
    places = np.fromiter(
        (place.get(word, -1) for word_list in word_lists for word in word_list), dtype=np.int64, count=len(rows)
    )
    is_known = places >= 0
    share = np.bincount(rows[is_known], minlength=len(texts)) / np.maximum(lengths, 1)
    return StemBatch(
        _counted(rows, stems, len(texts)),
        _counted(rows[is_known], places[is_known], len(texts)),
        share.astype(np.float32),
    )


def _counted(rows: Whole, numbers: Whole, size: int) -> StemCounts:
    keys, times = np.unique(rows * BUCKETS + numbers, return_counts=True)
    return StemCounts(keys // BUCKETS, keys % BUCKETS, times, size)


def _joined(parts: Sequence[StemCounts]) -> StemCounts:
    before = np.cumsum([0, *(part.size for part in parts)])
    rows = [part.rows + start for part, start in zip(parts, before[:-1], strict=True)]
    return StemCounts(
        np.concatenate(rows), np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.times for part in parts]), int(before[-1]),
    )  # fmt: skip


class Projection(NamedTuple):
    """A learned projection: which numbers count, how much each, the directions they make, and where the middle is."""

    column_of: Whole
    rarity: Floats
    directions: Floats
    middle: Floats

    def vectors(self, counts: StemCounts) -> Floats:
        """Return the vectors of the texts: (texts, size), each of length 1; zeros where nothing is known."""
        matrix = _weighed(counts, self.column_of, self.rarity)
        filled = (np.diff(matrix.starts) > 0)[:, None]
        found: Floats = np.where(filled, matrix.times(self.directions) - self.middle, np.float32(0))
        return _of_length_one(found)


def _of_length_one(found: Floats) -> Floats:
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return (found / np.where(lengths > 1e-6, lengths, np.inf)).astype(np.float32)


class Embedding:
    """The embedding that a sample of texts taught: both halves."""

    def __init__(self, stems: Projection, known: Projection) -> None:
        self._stems, self._known = stems, known

    @classmethod
    def learn(cls, batches: Iterable[Sequence[str]]) -> tuple[Self, Floats]:
        """Learn the embedding from a sample, given in batches. Also returns the sample's own vectors, as `vectors` would."""
        parts = [read(batch) for batch in batches] or [read([])]
        stems, known = _joined([part.stems for part in parts]), _joined([part.known for part in parts])
        share = np.concatenate([part.share for part in parts])
        made = cls(_learned(stems, _directions), _learned(known, _meanings, len(word_vectors.places())))
        return made, made._of(StemBatch(stems, known, share))

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of texts: (texts, twice the size), each of length 1; zeros for a text without anything known."""
        return self._of(read(texts))

    def _of(self, counts: StemBatch) -> Floats:
        known = self._known.vectors(counts.known) * (counts.share**2)[:, None]
        return _of_length_one(np.hstack([self._stems.vectors(counts.stems) * np.float32(SHARED), known]))


def _learned(counts: StemCounts, directions_of: Callable[[Sparse, Whole], Floats], every: int = 0) -> Projection:
    """Learn a projection from counts.

    `every` keeps that many numbers whether they occur or not; otherwise those that two texts share.
    """
    spread = np.bincount(counts.numbers, minlength=BUCKETS)
    useful = (spread >= 2) & (spread <= max(2, TOO_COMMON * counts.size))
    kept = np.arange(every) if every else np.argsort(np.where(useful, -spread, 0), kind="stable")[:FEATURES]
    kept = kept if every else kept[useful[kept]]
    column_of = np.full(BUCKETS, -1, dtype=np.int64)
    column_of[kept] = np.arange(len(kept))
    rarity = np.log((1 + counts.size) / (1 + spread[kept])).astype(np.float32)
    matrix = _weighed(counts, column_of, rarity)
    directions = directions_of(matrix, kept)
    filled = np.diff(matrix.starts) > 0
    middle = matrix.times(directions)[filled].mean(axis=0) if filled.any() else np.zeros(directions.shape[1])
    return Projection(column_of, rarity, directions, middle.astype(np.float32))


def _weighed(counts: StemCounts, column_of: Whole, rarity: Floats) -> Sparse:
    """Weigh the counts, rows of length 1: frequent numbers weigh more, but not in proportion; rare ones weigh more."""
    columns = column_of[counts.numbers]
    known = columns >= 0
    columns, rows = columns[known], counts.rows[known]
    values = ((1 + np.log(counts.times[known])) * rarity[columns]).astype(np.float32)
    lengths = np.sqrt(np.bincount(rows, values.astype(np.float64) ** 2, minlength=counts.size))
    values /= np.maximum(lengths, 1e-9)[rows].astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=counts.size))])
    return Sparse(starts.astype(np.int64), columns, values, len(rarity))


def _directions(matrix: Sparse, kept: Whole) -> Floats:
    """Return the right singular vectors, (width, size), each divided by the root of its strength.

    So a small subject is seen beside a large one.
    """
    size = min(SIZE, len(matrix), matrix.width)
    if not size:
        return np.zeros((matrix.width, 1), dtype=np.float32)
    turned = matrix.turned()
    guess = np.random.default_rng(SEED).standard_normal((matrix.width, size + SPARE), dtype=np.float32)
    base = np.linalg.qr(matrix.times(guess))[0]
    for _ in range(ROUNDS):
        base = np.linalg.qr(matrix.times(np.linalg.qr(turned.times(base))[0]))[0]
    left, strength, _ = np.linalg.svd(turned.times(base), full_matrices=False)
    strength = np.maximum(strength[:size], 1e-6 * max(float(strength[0]), 1e-6))
    return np.ascontiguousarray(left[:, :size] / np.sqrt(strength), dtype=np.float32)


def _meanings(matrix: Sparse, kept: Whole) -> Floats:
    """Return, as (width, size), the directions in which the meanings of the sample's words differ most."""
    table = word_vectors.table()[kept].astype(np.float32)
    parts = [matrix.rows(start, start + PART).times(table) for start in range(0, len(matrix), PART)]
    if not parts:
        return table[:, :1]
    middle = sum(part.sum(axis=0) for part in parts) / len(matrix)
    square = sum((part - middle).T @ (part - middle) for part in parts)
    return np.ascontiguousarray(table @ np.linalg.eigh(square)[1][:, ::-1][:, :SIZE])
