"""Deletion of very many rows, with their files, in short transactions."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet
from django.db.models.deletion import Collector

from atelier.jobs.claims import Claim
from atelier.jobs.pace import paced, taking_turns

BATCH = 50  # at first; then as many as the database takes in LONGEST
LEAST = 25  # rows in one transaction: with fewer, what each costs by itself would be most of it
# Seconds. SQLite looks for a free lock every 25 ms at first, then less often: who waits for so short a transaction gets in
# between two of them, and hardly notices.
LONGEST = 0.05
TRIES = 5


@dataclass(frozen=True)
class DeletionPart:
    """Rows to delete, ordered by their ids, and what is deleted before them: files, or rows that nothing refers to.

    A file is deleted before its row, for without one nobody would find it again.
    """

    rows: QuerySet[Any]
    files: Callable[[list[Any]], None] | None = None  # outside of any transaction, given the rows
    before: Callable[[list[int]], None] | None = None  # in the transaction, given the ids


def clear(claim: Claim[Any], part: DeletionPart, *, counted: bool = True) -> None:
    """Delete what is left of a part. `counted` rows are the job's progress. Raises what a claim raises."""
    rows, size = part.rows.order_by(), BATCH
    while pks := list(rows.values_list("pk", flat=True)[:size]):
        if part.files is not None:
            part.files(list(part.rows.model._base_manager.filter(pk__in=pks)))
        seconds = _take(claim, part, pks, done=claim.job.done + len(pks) * counted)
        size = max(LEAST, paced(size, seconds, longest=LONGEST))


def _take(claim: Claim[Any], part: DeletionPart, pks: list[int], done: int) -> float:
    """Delete one batch. Returns how many seconds it held the database."""
    for _ in range(TRIES - 1):
        with suppress(IntegrityError):  # somebody added what hangs on these rows since it was looked up
            return _take_once(claim, part, pks, done)
    return _take_once(claim, part, pks, done)


def _take_once(claim: Claim[Any], part: DeletionPart, pks: list[int], done: int) -> float:
    """Delete one batch once. Rows that refer to it are looked up before the transaction, for that takes most of the time."""
    doomed = part.rows.model._base_manager.filter(pk__in=pks)
    collector = Collector(using=doomed.db, origin=doomed)
    collector.collect(doomed)
    with taking_turns(claim, done=done) as turn:
        if part.before is not None:
            part.before(pks)
        collector.delete()
    return turn.seconds
