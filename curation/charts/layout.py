"""The layout of a map: vectors become places, similar ones near each other.

A sample is laid out: its two strongest directions give the first places, then every point is drawn to its nearest and
pushed from others, with the forces of UMAP (McInnes, Healy and Melville, 2018). Records outside the sample are placed
among those of the sample that they resemble most. The same vectors give the same map.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from curation.charts.embedding import Floats, Whole

NEIGHBOURS = 12
PUSHES = 5  # others that push a point, for each neighbour that draws it
EPOCHS = 200
SEED = 21
A, B = 1.577, 0.895  # of 1 / (1 + A d^2B), which falls off from a distance of 0.1 on
STRONGEST = 4.0  # a force in one direction
AT_ONCE = 1000  # rows compared with the whole sample
AMONG = 6  # of the sample decide where another lies
SHARP = 0.05  # how much less alike counts a third as much
MARGIN, FLOOR = 0.02, 0.08  # of the map; below the floor lies what has nothing in common with anything
Spots = np.ndarray[Any, np.dtype[np.float32]]  # (points, 2), from 0 to 1


def spread(vectors: Floats, tick: Callable[[], None] = lambda: None) -> Spots:
    """Lay out a sample; `tick` is called often, so that the caller can check for a stop.

    Vectors of zeros are placed below the floor.
    """
    filled = np.flatnonzero(vectors.any(axis=1))
    spots = shelf(np.arange(len(vectors), dtype=np.int64))
    if len(filled):
        spots[filled] = _fitted(_drawn(vectors[filled], tick))
    return spots


def shelf(keys: Whole) -> Spots:
    """Return places in the strip at the foot of the map, by key."""
    found = _chance(keys)
    found[:, 0] = MARGIN + (1 - 2 * MARGIN) * found[:, 0]
    found[:, 1] = MARGIN + (FLOOR - 2 * MARGIN) * found[:, 1]
    return found


def _fitted(places: Spots) -> Spots:
    """Fit places into the map above the floor, both axes on one scale; a few far outliers are moved to its edge."""
    low, high = np.percentile(places, [0.1, 99.9], axis=0)
    size = max(float((high - low).max()), 1e-9)
    room = np.array([1 - 2 * MARGIN, 1 - MARGIN - FLOOR])
    fitted = (np.clip(places, low, high) - (low + high) / 2) / size * room
    return (fitted + np.array([0.5, FLOOR + room[1] / 2])).astype(np.float32)


def _drawn(vectors: Floats, tick: Callable[[], None]) -> Spots:
    count = len(vectors)
    places = _first(vectors)
    if count < 3:
        return places
    nearest = _nearest(vectors, min(NEIGHBOURS, count - 1), tick)
    chance = np.random.default_rng(SEED)
    for epoch in range(EPOCHS):
        tick()
        rate = 1 - epoch / EPOCHS
        for column in nearest.T:
            places += rate * _pull(places, column)
            for other in chance.integers(0, count, size=(PUSHES, count)):
                places += rate * _push(places, other)
    return places


def _first(vectors: Floats) -> Spots:
    """Return the two strongest directions, ten units wide, as first places."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    best = axes[:, ::-1][:, :2]
    # The sign of a direction is chance: the largest part of each is made positive.
    best = best * np.sign(best[np.abs(best).argmax(axis=0), np.arange(best.shape[1])] + 1e-12)
    places = np.zeros((len(vectors), 2), dtype=np.float32)
    places[:, : best.shape[1]] = centred @ best
    places *= 10 / max(float(np.ptp(places, axis=0).max()), 1e-9)
    # Copies begin in one place, where no force could part them.
    return (places + 0.01 * (_chance(np.arange(len(vectors), dtype=np.int64)) - 0.5)).astype(np.float32)


def _nearest(vectors: Floats, most: int, tick: Callable[[], None]) -> Whole:
    """Return the most similar points of each, nearest first: (points, most)."""
    found = np.empty((len(vectors), most), dtype=np.int64)
    for start in range(0, len(vectors), AT_ONCE):
        tick()
        alike = vectors[start : start + AT_ONCE] @ vectors.T
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -np.inf
        best = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(alike, best, axis=1), axis=1, kind="stable")
        found[start : start + AT_ONCE] = np.take_along_axis(best, order, axis=1)
    return found


def _pull(places: Spots, other: Whole) -> Spots:
    """Return the steps that pull each point and its neighbour towards one another."""
    way = places - places[other]
    square = np.maximum((way**2).sum(axis=1), 1e-8)
    force = -2 * A * B * square ** (B - 1) / (1 + A * square**B)
    step = np.clip(force[:, None] * way, -STRONGEST, STRONGEST)
    back = np.stack([np.bincount(other, step[:, axis], minlength=len(places)) for axis in (0, 1)], axis=1)
    return (step - np.clip(back, -STRONGEST, STRONGEST)).astype(np.float32)


def _push(places: Spots, other: Whole) -> Spots:
    way = places - places[other]
    square = (way**2).sum(axis=1)
    force = 2 * B / ((0.001 + square) * (1 + A * square**B))
    return np.clip(force[:, None] * way, -STRONGEST, STRONGEST).astype(np.float32)


class Map:
    """A sample laid out as a map, among which other records find their place."""

    def __init__(self, vectors: Floats, spots: Spots) -> None:
        filled = vectors.any(axis=1)
        self._vectors, self._spots = vectors[filled], spots[filled]

    def place(self, vectors: Floats, keys: Whole) -> Spots:
        """Place vectors between the most similar of the sample, weighted by similarity.

        Each is a little to the side, by its key, so that copies show.
        """
        spots = shelf(keys)
        filled = np.flatnonzero(vectors.any(axis=1))
        if len(filled) and len(self._spots):
            spots[filled] = self._among(vectors[filled], keys[filled])
        return spots

    def _among(self, vectors: Floats, keys: Whole) -> Spots:
        most = min(AMONG, len(self._spots))
        alike = vectors @ self._vectors.T
        best = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        alike = np.take_along_axis(alike, best, axis=1)
        weight = np.exp((alike - alike.max(axis=1, keepdims=True)) / SHARP)[:, :, None]
        near = self._spots[best]
        middle = (near * weight).sum(axis=1) / weight.sum(axis=1)
        # As wide as those around lie from one another, but never so wide that it leaves them.
        reach = np.clip(np.abs(near - middle[:, None]).mean(axis=(1, 2)), 0.001, 0.01)
        aside = (_chance(keys) - 0.5) * reach[:, None]
        return np.clip(middle + aside, [MARGIN, FLOOR], 1 - MARGIN).astype(np.float32)


def _chance(keys: Whole) -> Spots:
    """Return two numbers from 0 to 1 for each key, always the same (splitmix64)."""
    found = []
    for turn in (1, 2):
        mixed = keys.astype(np.uint64) * np.uint64(2) + np.uint64(turn)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found.append(((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype(np.float32) / (1 << 24))
    return np.stack(found, axis=1)
