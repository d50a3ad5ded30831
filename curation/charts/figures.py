"""The figures behind a dataset's charts: lengths of records, balance, groups of near-duplicates, the map."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count

from curation.models import Dataset, Mark, Record
from curation.search import facets
from curation.search.dialect import dialect

BARS = 30
ALMOST_ALL = 0.98  # of the records stand in bars of one width; the last bar holds those that are longer
BALANCES = ("status", "split", "label", "language", "source")
GROUPS = 12  # the largest
POINTS = 110_000  # drawn at most: of more records every second, third, …
COLOURS = 8  # values with a colour of their own; the others share one
UNITS = ("words", "tokens")


@dataclass(frozen=True)
class Bar:
    """Records from `low` to `high` words or tokens, both included; `high` is None in the last."""

    low: int
    high: int | None
    count: int
    term: str


@dataclass(frozen=True)
class BalanceLine:
    """One value of a balance chart."""

    text: str
    count: int
    share: float  # of the records of the dataset, 0 to 1
    term: str


def lengths(dataset: Dataset, unit: str = "words") -> list[Bar]:
    """Compute a histogram of the records' lengths in bars of one width.

    Records whose tokens were not counted yet are left out.
    """
    rows = dataset.records.present().filter(**{f"{unit}__isnull": False}).order_by(unit)
    counts = list(rows.values_list(unit).annotate(count=Count("pk")))
    if not counts:
        return []
    width = _width(counts)
    bars = Counter[int]()
    for length, count in counts:
        bars[min(length // width, BARS)] += count
    last = max(bars)
    return [
        _bar(unit, place * width, None if place == BARS else (place + 1) * width - 1, bars[place])
        for place in range(last + 1)
    ]


def _width(counts: Sequence[tuple[int, int]]) -> int:
    """Return the width of a bar: 1, 2 or 5 with zeros behind, so that almost all records fit."""
    remaining = ALMOST_ALL * sum(count for _, count in counts)
    longest = 0
    for length, count in counts:
        longest, remaining = length, remaining - count
        if remaining <= 0:
            break
    return next(width for power in range(19) for step in (1, 2, 5) if (width := step * 10**power) * BARS > longest)


def _bar(unit: str, low: int, high: int | None, count: int) -> Bar:
    return Bar(low, high, count, f"{unit}:>={low}" if high is None else f"{unit}:{low}..{high}")


def balances(dataset: Dataset) -> list[tuple[str, str, list[BalanceLine]]]:
    """Return (facet, title, lines) of what is kept of the dataset; facets without a value are left out."""
    tallies = facets.tallies(dataset)
    total = sum(count for (facet, _), count in tallies.items() if facet == "status") or 1
    return [
        (
            facet.name,
            facet.title,
            [BalanceLine(value.text, value.count, value.count / total, value.term) for value in facet.values],
        )
        for facet in facets.shown(tallies)
        if facet.name in BALANCES
    ]


def groups(dataset: Dataset, most: int = GROUPS) -> list[dict[str, Any]]:
    """Return the largest groups of near-duplicates: `cluster`, `size`, and a `preview` of one record."""
    rows = dataset.records.present().filter(cluster__isnull=False).order_by()
    clusters = list(
        rows.values("cluster").annotate(size=Count("pk")).filter(size__gt=1).order_by("-size", "cluster")[:most]
    )
    previews = dict(Record.objects.filter(pk__in=[row["cluster"] for row in clusters]).values_list("pk", "preview"))
    return [row | {"preview": previews.get(row["cluster"], "")} for row in clusters]


def on_map(dataset: Dataset) -> int:
    """Count the records that have a place on the map."""
    return dataset.records.present().filter(map_x__isnull=False).count()


def without_place(dataset: Dataset) -> int:
    """Count the records that were added after the map was drawn."""
    return max(0, facets.by_status([dataset.pk]).get(dataset.pk, Counter[str]()).total() - on_map(dataset))


# --- the points ----------------------------------------------------------------------------------


def points(dataset: Dataset) -> bytes:
    """Return the points of the map as bytes, for scripts and programs.

    The first four bytes are the length of the JSON after them (padded with blanks to a multiple of four): `count`,
    `total` on the map, `first` (an id) and `colours`, for each way to colour the names of its values, with `rest` where
    others share the last. Then, each for all points and little-endian: ids minus the first (uint32), x and y (float32,
    0 to 1, y upwards), and one byte for each way to colour, in the order of the JSON: an index into its names.
    """
    total = on_map(dataset)
    rows = _rows(dataset, -(-total // POINTS) or 1)
    first = rows[0][0] if rows else 0
    by = _colours(dataset, rows)
    head = {
        "count": len(rows),
        "total": total,
        "first": first,
        "colours": {name: names for name, (names, _) in by.items()},
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    ids = np.fromiter((row[0] - first for row in rows), dtype="<u4", count=len(rows))
    places = [np.fromiter((row[at] for row in rows), dtype="<f4", count=len(rows)) for at in (1, 2)]
    return b"".join([
        len(text).to_bytes(4, "little"), text, ids.tobytes(), *(one.tobytes() for one in places), *(codes for _, codes in by.values()),
    ])  # fmt: skip


def _rows(dataset: Dataset, step: int) -> list[tuple[Any, ...]]:
    """Return (id, x, y, status, split, language, cluster) of every `step`-th point.

    SQLite is pointed to the index that covers the query.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, map_x, map_y, status, split, language, cluster FROM curation_record"  # noqa: S608 - our own words
            f" {dialect.ON_MAP} WHERE dataset_id = %s AND deleted_at IS NULL AND map_x IS NOT NULL AND id %% %s = 0 ORDER BY id",
            [dataset.pk, step],
        )
        return list(cursor.fetchall())


def _colours(dataset: Dataset, rows: list[tuple[Any, ...]]) -> dict[str, tuple[list[str], bytes]]:
    """Return, by way to colour, the names of its values, and each point's index into them."""
    status = dict(Record.Status.choices)
    labels = _labels(dataset)
    sizes = Counter(row[6] for row in rows if row[6] is not None)
    return {
        "status": _coded([str(status.get(row[3], row[3])) for row in rows], list(map(str, status.values()))),
        "split": _coded([row[4] for row in rows], ["train", "validation", "test"]),
        "language": _coded([row[5] or "none" for row in rows]),
        "label": _coded([labels.get(row[0], "none") for row in rows]),
        "cluster": _coded([f"group {row[6]}" if sizes[row[6]] > 1 else "none" for row in rows]),
    }


def _coded(values: list[str], first: Sequence[str] = ()) -> tuple[list[str], bytes]:
    """Return the names, commonest first, "none" and what shares a colour last; and the codes."""
    counts = Counter(values)
    plain = [name for name in first if counts[name]]
    plain += [name for name, _ in counts.most_common() if name not in first and name != "none"][: COLOURS - len(plain)]
    names = [*plain, *(["none"] if counts["none"] else [])]
    if len(names) < len(counts):
        names.append("others")
    code = {name: place for place, name in enumerate(names)}
    return names, bytes(code.get(value, len(names) - 1) for value in values)


def _labels(dataset: Dataset) -> dict[int, str]:
    """Return each record's commonest label, among the commonest of the dataset."""
    kept = Counter({value: count for (facet, value), count in facets.tallies(dataset).items() if facet == "label"})
    names = [name for name, _ in kept.most_common(2 * COLOURS)]
    labels: dict[int, str] = {}
    for name in reversed(names):
        marked = Mark.objects.filter(dataset=dataset, kind="label", value=name)
        labels.update(dict.fromkeys(marked.values_list("record_id", flat=True), name))
    return labels
