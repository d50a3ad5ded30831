"""Selections of records on the map: what is inside a polygon is stored, and lists find it by `in:ID`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.once import earlier
from curation.models import Dataset, SelectedRecord, Selection
from curation.search.dialect import dialect

CORNERS = 2000
MOST = 200_000  # records in one selection
KEPT = 500  # selections of one dataset
READ = 20_000
WRITTEN = 4000  # in one transaction
Corners = np.ndarray[Any, np.dtype[np.float64]]


def corners(given: Any) -> Corners:
    """Read a polygon, (corners, 2), from JSON text or lists. Raises ValidationError."""
    if isinstance(given, str | bytes):
        try:
            given = orjson.loads(given[:200_000])
        except orjson.JSONDecodeError:
            given = None
    if not isinstance(given, list) or not 3 <= len(given) <= CORNERS or not all(map(_is_corner, given)):
        raise ValidationError(f"Draw a lasso of 3 to {CORNERS} corners around the records, each [x, y] from 0 to 1.")
    return np.array(given, dtype=np.float64)


def _is_corner(given: Any) -> bool:
    return (
        isinstance(given, list) and len(given) == 2
        and all(isinstance(n, int | float) and not isinstance(n, bool) and -10 <= n <= 10 for n in given)
    )  # fmt: skip


def rectangle(left: float, right: float, bottom: float, top: float) -> Corners:
    """Return the four corners of a rectangle. Raises ValidationError unless left is left of right, and bottom below top."""
    if not (0 <= left < right <= 1 and 0 <= bottom < top <= 1):
        raise ValidationError("“From” must be smaller than “to”, both between 0 and 100.")
    return corners([[left, bottom], [right, bottom], [right, top], [left, top]])


def inside(points: Corners, polygon: Corners) -> Any:
    """Return which of (points, 2) are inside, by the even-odd rule; a line that crosses itself leaves its holes out."""
    x, y = points[:, 0], points[:, 1]
    odd = np.zeros(len(points), dtype=bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, 1, axis=0), strict=True):
        if ay != by:
            odd ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return odd


def choose(dataset: Dataset, user: User | None, polygon: Corners, name: str = "", key: str | None = None) -> Selection:
    """Create a selection of what is inside a polygon. The same idempotency key returns the same selection.

    Raises ValidationError.

    It has no size until all of it is written, and is not shown before.
    """
    # Not by `once`: it is written in several transactions, and the half of one is nothing to give back.
    if found := earlier(dataset.selections.filter(size__gt=0), key):
        return found
    name = clean_name(name)
    _sweep(dataset, key)
    if dataset.selections.count() >= KEPT:
        raise ValidationError(f"A dataset can have at most {KEPT} selections. Delete some first.")
    pks = _found(dataset, polygon)
    try:
        with transaction.atomic():
            selection = Selection.objects.create(dataset=dataset, name=name, created_by=user, idempotency_key=key)
    except IntegrityError:
        raise ValidationError("The same request is already in progress. Try again in a moment.") from None
    size = sum(_add(selection, pks[start : start + WRITTEN]) for start in range(0, len(pks), WRITTEN))
    Selection.objects.filter(pk=selection.pk).update(size=size)
    selection.size = size
    return selection


def clean_name(name: str) -> str:
    """Return a valid name for a selection. Raises ValidationError."""
    name = " ".join(name.split())
    if len(name) > 120 or not name.isprintable():
        raise ValidationError("A name can have at most 120 characters and no control characters.")
    return name


def listed(dataset: Dataset) -> Any:
    """Return the completely written selections, newest first."""
    return dataset.selections.filter(size__gt=0).select_related("created_by").order_by("-pk")


def rename(selection: Selection, name: str) -> Selection:
    """Rename a selection. Raises ValidationError."""
    selection.name = clean_name(name)
    selection.save(update_fields=["name"])
    return selection


def delete(selection: Selection) -> None:
    """Delete a selection; its records stay. A large one is deleted in parts, and is hidden from the first on."""
    Selection.objects.filter(pk=selection.pk).update(size=0)
    rows = SelectedRecord.objects.filter(selection=selection)
    while pks := list(rows.values_list("pk", flat=True)[:WRITTEN]):
        rows.filter(pk__in=pks).delete()
    selection.delete()


def _sweep(dataset: Dataset, key: str | None) -> None:
    """Delete selections that were begun and never completed: an hour ago, or a minute ago by the same request."""
    unfinished = dataset.selections.filter(size=0)
    now = timezone.now()
    old = list(unfinished.filter(created_at__lt=now - timedelta(hours=1)))
    mine = unfinished.filter(idempotency_key=key, created_at__lt=now - timedelta(minutes=1)) if key else ()
    for one in {*old, *mine}:
        delete(one)


def _found(dataset: Dataset, polygon: Corners) -> list[int]:
    pks: list[int] = []
    for ids, points in _near(dataset, polygon):
        pks += ids[inside(points, polygon)].tolist()
        if len(pks) > MOST:
            raise ValidationError(
                f"The lasso contains more than {MOST:,} records. Draw a smaller one, or use the filters of the list."
            )
    if not pks:
        raise ValidationError("The lasso contains no records. Draw it around some points.")
    return pks


def _near(dataset: Dataset, polygon: Corners) -> Iterator[tuple[Any, Corners]]:
    """Yield (ids, places) of the records in the rectangle around a polygon, some at a time."""
    (left, bottom), (right, top) = polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()
    after = 0
    rows = dataset.records.present().filter(map_x__range=(left, right), map_y__range=(bottom, top)).order_by("pk")
    while part := list(rows.filter(pk__gt=after).values_list("pk", "map_x", "map_y")[:READ]):
        yield np.array([pk for pk, _, _ in part], dtype=np.int64), np.array([(x, y) for _, x, y in part])
        after = part[-1][0]


def _add(selection: Selection, pks: list[int]) -> int:
    """Write entries for the records that still exist; return how many do."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO curation_selected (selection_id, record_id) SELECT %s, id FROM curation_record WHERE id {dialect.AMONG}",  # noqa: S608
            [selection.pk, dialect.listed(pks)],
        )
        return int(cursor.rowcount)
