"""The plan of a version: which split each record goes to, and what is worth knowing before it is frozen.

A group has a place from 0 to 1 by the hash of its name, and the cumulative shares cut that line. Near-duplicates that are
kept together take the place of the first of them; with labels, each label's groups are cut by themselves.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from django.db import models
from django.db.models.functions import Cast

from curation.models import Dataset, NearDuplicate, Record
from curation.quality.minhash import connected
from curation.records.splits import SPLITS, point
from curation.versions.grouping import COLUMN, NONE, Grouping

READ = 2000  # records
PAIRS = 10_000
Whole = np.ndarray[Any, np.dtype[np.int64]]
Points = np.ndarray[Any, np.dtype[np.uint64]]


@dataclass
class SplitPlan:
    """The split of each chosen record, and the figures of its groups."""

    pks: Whole  # ascending
    sides: Any  # of each, the place of its split in SPLITS
    groups: int
    largest: int  # records in the largest group
    without_column: int = 0  # records that lack the column to group by
    labels: dict[str, dict[str, int]] = field(default_factory=dict)  # records by label and split; read if asked for

    def chosen(self, pks: Iterable[int]) -> list[int]:
        """Return those of these records that are in the plan."""
        ids = np.fromiter(pks, dtype=np.int64)
        if not len(self.pks):
            return []
        places = np.minimum(np.searchsorted(self.pks, ids), len(self.pks) - 1)
        return ids[self.pks[places] == ids].tolist()

    def of(self, pks: list[int]) -> list[str]:
        """Return the splits of these records, which are in the plan."""
        places = np.searchsorted(self.pks, np.array(pks, dtype=np.int64))
        return [SPLITS[side] for side in self.sides[places].tolist()]

    def counts(self) -> dict[str, int]:
        """Return the number of records in each split."""
        return dict(zip(SPLITS, np.bincount(self.sides, minlength=len(SPLITS)).tolist(), strict=True))


@dataclass
class _Columns:
    """What decides the splits, of each record."""

    points: Points
    contents: Points  # hashes of content, for keeping copies together
    clusters: Whole  # of near-duplicates; 0 is none
    labels: list[tuple[int, str]]  # place of the record, label
    without_column: int


def make(
    dataset: Dataset,
    chosen: "array[int]",
    shares: dict[str, float],
    seed: int,
    grouping: Grouping,
    *,
    with_labels: bool = False,
    between: Callable[[], None] = lambda: None,
) -> SplitPlan:
    """Plan the splits of these records, whose ids are in ascending order. `between` is called now and then."""
    pks = np.array(chosen, dtype=np.int64)
    columns = _read(pks, seed, grouping, with_labels or grouping.stratify, between)
    points = columns.points
    if grouping.keep_together:
        points = points[connected(len(pks), *_edges(dataset, pks, columns))]
    _, sizes = np.unique(points, return_counts=True)
    sides = _by_label(points, columns.labels, shares) if grouping.stratify else _cut(points / 2.0**64, shares)
    plan = SplitPlan(pks, sides, len(sizes), int(sizes.max(initial=0)), columns.without_column)
    plan.labels = _by_split(columns.labels, sides)
    return plan


def _cut(places: Any, shares: dict[str, float]) -> Any:
    """Return the split of each place from 0 to 1, as `splits.assign` does."""
    edges, edge = [], 0.0
    for split in SPLITS:
        edge += shares.get(split, 0.0)
        edges.append(edge)
    last = max(at for at, split in enumerate(SPLITS) if shares.get(split, 0.0) > 0)
    sides = np.searchsorted(np.array(edges), places, side="right")
    return np.where(sides < len(SPLITS), sides, last).astype(np.int8)


# --- reading -------------------------------------------------------------------------------------


def _read(pks: Whole, seed: int, grouping: Grouping, with_labels: bool, between: Callable[[], None]) -> _Columns:
    size = len(pks)
    columns = _Columns(np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.int64), [], 0)
    known: dict[str, list[str]] = {}  # labels by their JSON, which few records have of their own
    for start, rows in _pages(pks, grouping, with_labels):
        between()
        places = {pk: start + at for at, pk in enumerate(pks[start : start + READ].tolist())}
        for pk, source, content, cluster, labels, metadata in rows:
            at = places[pk]
            name = content if grouping.group_by == NONE else source
            if grouping.group_by == COLUMN:
                value = _value(metadata, grouping.group_column)
                columns.without_column += value is None
                name = source if value is None else f"{grouping.group_column}={value}"
            columns.points[at] = point(seed, name)
            columns.contents[at] = int(content[:16], 16)
            columns.clusters[at] = cluster or 0
            if labels and labels != "[]":
                if labels not in known:
                    known[labels] = sorted({str(label) for label in orjson.loads(labels)})
                columns.labels += [(at, label) for label in known[labels]]
    return columns


def _pages(pks: Whole, grouping: Grouping, with_labels: bool) -> Iterator[tuple[int, Any]]:
    """Yield where each page of records begins, and their columns."""
    nothing = models.Value("", output_field=models.TextField())
    labels = Cast("labels", models.TextField()) if with_labels else nothing
    # A user's name of a column is looked up here, never in a query.
    metadata = Cast("metadata", models.TextField()) if grouping.group_by == COLUMN else nothing
    for start in range(0, len(pks), READ):
        rows = Record.objects.filter(pk__in=pks[start : start + READ].tolist())
        named = rows.annotate(label_text=labels, metadata_text=metadata)
        yield start, named.values_list("pk", "source_group", "content_hash", "cluster", "label_text", "metadata_text")


def _value(metadata: str, column: str) -> str | None:
    """Return a metadata value as text, the same for 1 and "1"; None if the record has none."""
    value = orjson.loads(metadata).get(column)
    value = value.strip() if isinstance(value, str) else value
    if value is None or value in ("", [], {}):
        return None
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _edges(dataset: Dataset, pks: Whole, columns: _Columns) -> tuple[Whole, Whole]:
    """Return pairs of places that must not part: of one group, one content, one cluster, or near-duplicates."""
    first, second = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    places = np.arange(len(pks))
    for values in (columns.points, columns.contents, columns.clusters):
        _, beginning, of = np.unique(values, return_index=True, return_inverse=True)
        named = values != 0 if values is columns.clusters else np.ones(len(values), dtype=bool)
        first.append(places[named])
        second.append(beginning[of][named])
    for pairs in _near(dataset):
        at = np.minimum(np.searchsorted(pks, pairs), max(0, len(pks) - 1))
        there = (pks[at] == pairs).all(axis=1) if len(pks) else np.zeros(len(pairs), dtype=bool)
        first.append(at[there][:, 0])
        second.append(at[there][:, 1])
    return np.concatenate(first), np.concatenate(second)


def _near(dataset: Dataset) -> Iterator[Whole]:
    """Yield the stored pairs of near-duplicates, page by page."""
    rows, after = NearDuplicate.objects.filter(dataset=dataset).order_by("pk"), 0
    while page := list(rows.filter(pk__gt=after).values_list("pk", "first_id", "second_id")[:PAIRS]):
        yield np.array([row[1:] for row in page], dtype=np.int64)
        after = page[-1][0]


# --- labels --------------------------------------------------------------------------------------


def _by_split(labels: list[tuple[int, str]], sides: Any) -> dict[str, dict[str, int]]:
    """Return records by label and split, the rarest label first."""
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for at, label in labels:
        table[label][SPLITS[sides[at]]] += 1
    rows = sorted(table.items(), key=lambda row: (row[1].total(), row[0]))
    return {label: {split: counts[split] for split in SPLITS} for label, counts in rows}


def _by_label(points: Points, labels: list[tuple[int, str]], shares: dict[str, float]) -> Any:
    """Return the split of each record such that each label gets its share, and no group parts.

    A group counts for its rarest label. Those of a label are cut in the order of their places, so few move when others come.
    """
    names, group, sizes = np.unique(points, return_inverse=True, return_counts=True)
    count = Counter(label for _, label in labels)
    rarest: dict[int, str] = {}
    for at, label in sorted(labels, key=lambda row: (count[row[1]], row[1])):
        rarest.setdefault(int(group[at]), label)
    strata: defaultdict[str, list[int]] = defaultdict(list)
    for place in range(len(names)):  # in the order of their places on the line
        strata[rarest.get(place, "")].append(place)
    side_of = np.zeros(len(names), dtype=np.int8)
    for members in strata.values():
        side_of[members] = _stratum(sizes[members], shares)
    return side_of[group]


def _stratum(sizes: Any, shares: dict[str, float]) -> Any:
    """Return the splits of one label's groups: their shares, and one group in each split as far as there are groups."""
    if len(sizes) == 1:
        return np.zeros(1, dtype=np.int8)  # what is only tested was never learned
    ends = np.cumsum(sizes)
    sides = _cut((ends - sizes / 2) / ends[-1], shares)
    for split in ("train", "test", "validation"):
        at = SPLITS.index(split)
        if shares.get(split, 0.0) <= 0 or (sides == at).any():
            continue
        counts = np.bincount(sides, minlength=len(SPLITS))
        donor = int(counts.argmax())
        if counts[donor] > 1:
            members = np.flatnonzero(sides == donor)
            sides[members[-1] if donor < at else members[0]] = at
    return sides
