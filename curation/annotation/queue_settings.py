"""The settings of an annotation queue: who may be given what, how many answers a record needs (overlap), what is shown beside
it.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection

from curation.annotation import settling
from curation.annotation.queue import BATCH, place
from curation.models import Queue, Task

MAX_OVERLAP, MAX_LOCK_MINUTES = 20, 24 * 60


def change(queue: Queue, **values: Any) -> Queue:
    """Save a queue's settings. Raises ValidationError. Another overlap applies to every record that still needs answers."""
    before = queue.overlap, queue.order
    for name, value in _checked(values).items():
        setattr(queue, name, value)
    queue.save()
    if queue.overlap != before[0]:
        _want(queue)
        settling.settle_filled(queue)
    if queue.order != before[1]:
        _replace(queue)
    return queue


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    bounds = {"overlap": (1, MAX_OVERLAP), "lock_minutes": (1, MAX_LOCK_MINUTES)}
    names = {"is_open", "overlap", "guidelines", "order", "lock_minutes", "honeypot_rate", "assigned_only", "tolerance"}
    if unknown := values.keys() - names:
        raise ValidationError(f"A queue has no setting {sorted(unknown)[0]!r}.")
    for name, (low, high) in bounds.items():
        if name in values and not low <= values[name] <= high:
            raise ValidationError({name: f"Enter a number from {low} to {high:,}."})
    if values.get("order", Queue.Order.OLDEST) not in Queue.Order.values:
        raise ValidationError({"order": f"Use one of {', '.join(Queue.Order.values)}."})
    if not 0 <= values.get("honeypot_rate", 0) <= 0.5:
        raise ValidationError({"honeypot_rate": "Enter a share from 0 to 0.5."})
    if not 0.5 <= values.get("tolerance", 1) <= 1:
        raise ValidationError({"tolerance": "Enter a number from 0.5 to 1; at 1 only identical answers agree."})
    if len(values.get("guidelines", "")) > 100_000:
        raise ValidationError({"guidelines": "Enter at most 100,000 characters."})
    return values


def _windows(queue: Queue) -> Iterator[tuple[int, int]]:
    """Yield the first and last id of each batch of tasks that still need answers."""
    after = 0
    while window := list(queue.tasks.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield window[0], window[-1]
        after = window[-1]


def _want(queue: Queue) -> None:
    for first, last in _windows(queue):
        queue.tasks.filter(pk__gte=first, pk__lte=last, state=Task.State.OPEN, known__isnull=True).update(
            wanted=queue.overlap
        )


def _replace(queue: Queue) -> None:
    """Give every open task its place in the new order."""
    sql = place(queue, "record_id")
    for first, last in _windows(queue):
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE curation_task SET place = {sql} WHERE queue_id = %s AND id BETWEEN %s AND %s",  # noqa: S608
                [queue.pk, first, last],
            )
