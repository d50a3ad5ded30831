"""One batch of a bulk action: planned outside any transaction, written inside one.

Whoever else writes in between is seen by the record's revision: then nothing of the batch is written, and it is planned anew.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone

from atelier.accounts.models import User
from curation import contents, selection
from curation.bulk.edits import CONTENT, Edit
from curation.filters import Filters
from curation.models import BulkAction, BulkFailure, Change, Record
from curation.models.datasets import RecordQuerySet

Action = BulkAction.Action
MOST_WORDS = 200_000  # of the records of one batch, so that long texts do not fill the memory
LIGHT = ("pk", "status", "revision", "reviewed_by_id", "reviewed_note", "dataset_id", "labels")
REVERSIBLE = frozenset(
    {*contents.COLUMNS, "metadata", "labels", "status", "reviewed_by_id", "reviewed_note", "deleted"}
)


class Moved(Exception):
    """Somebody changed a record of the batch since it was read."""


@dataclass
class Planned:
    """One record: what becomes of it, and what it was."""

    record: Record
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def has_content(self) -> bool:
        return not self.after.keys().isdisjoint(contents.COLUMNS)


@dataclass
class Batch:
    """What to write: `seen` records were looked at, up to the id `cursor`."""

    seen: int
    cursor: int
    edits: list[Planned] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    left: int = 0
    copies: list[Planned] = field(default_factory=list)
    moves: dict[str, list[int]] = field(default_factory=dict)  # ids by the split they go to

    @property
    def changed(self) -> int:
        return len(self.edits) + len(self.copies) + sum(map(len, self.moves.values()))

    def write(self, job: BulkAction) -> None:
        """Inside a transaction. Raises Moved; then nothing may stay."""
        _write(self.edits)
        if self.copies:
            Record.objects.bulk_create([one.record for one in self.copies])
        for split, pks in self.moves.items():
            Record.objects.filter(pk__in=pks).update(split=split)
        _note(job, [*self.edits, *self.copies])
        BulkFailure.objects.bulk_create(
            [BulkFailure(bulk=job, record_id=pk, reason=reason[:300]) for pk, reason in self.failures]
        )


Plan = Callable[[BulkAction, int], Batch | None]
T = TypeVar("T")


class Coming:
    """What an action has before it, by ids that are found once: a search of texts costs as much for one batch as for all.
    Whether a record still meets the other conditions is asked batch by batch, for others work meanwhile.
    """

    def __init__(self, job: BulkAction) -> None:
        found = Filters.read(job.filters).found(job.dataset)
        self._meeting = found.records
        self._pks = selection.numbers(found.all().filter(pk__gt=job.cursor, pk__lte=job.up_to))

    def rows(self, after: int, size: int, read: Callable[[RecordQuerySet], list[T]]) -> list[T]:
        """What `read` makes of the next records in the order of ids; nothing at the end."""
        at = bisect_right(self._pks, after)
        while at < len(self._pks):
            pks = self._pks[at : at + size].tolist()
            if rows := read(self._meeting.filter(pk__in=pks).order_by("pk")):
                return rows
            at += size  # none of those is meant any more
        return []


def heavy(records: RecordQuerySet, size: int | None = None) -> list[Record]:
    """At most `size` whole records, and no more than memory bears."""
    pks, words = [], 0
    for pk, length in records.values_list("pk", "words")[:size]:
        if pks and words + length > MOST_WORDS:
            break
        pks.append(pk)
        words += length
    return list(Record.objects.filter(pk__in=pks).order_by("pk"))


def light(records: RecordQuerySet) -> list[Record]:
    """Without their texts."""
    return list(records.only(*LIGHT))


def edits(edit: Edit, coming: Coming, job: BulkAction, size: int) -> Batch | None:
    """The next batch of an action that changes records where they are."""
    rows = coming.rows(job.cursor, size, heavy if job.action in CONTENT else light)
    if not rows:
        return None
    batch = Batch(len(rows), rows[-1].pk)
    for record in rows:
        edited = edit(record)
        if edited.error:
            batch.failures.append((record.pk, edited.error))
        elif edited.values:
            batch.edits.append(planned(record, edited.values))
    contents.complete_all([one.record for one in batch.edits if one.has_content], job.dataset)
    batch.left = len(batch.failures)
    return batch


def planned(record: Record, after: dict[str, Any]) -> Planned:
    """Sets the values on the record. What follows from its content is for the caller, who has many at once."""
    before = {name: _value(record, name) for name in after}
    for name, value in after.items():
        if name == "deleted":
            record.deleted_at = timezone.now() if value else None
        else:
            setattr(record, name, value)
    return Planned(record, before, after)


def _columns(one: Planned) -> tuple[str, ...]:
    own = ["deleted_at" if name == "deleted" else name for name in one.after]
    return tuple(sorted({*own, *(contents.DERIVED if one.has_content else ())}))


def _write(edits: list[Planned]) -> None:
    """Every record that still has its revision; Moved when one has not. One prepared statement, for a statement of its own
    for each row costs ten times as much."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for one in edits:
        groups.setdefault(_columns(one), []).append(one.record)
    now = timezone.now()
    for names, rows in groups.items():
        fields = [
            Record._meta.get_field(name.removesuffix("_id") if name == "reviewed_by_id" else name) for name in names
        ]
        sets = ", ".join(f"{connection.ops.quote_name(each.column)} = %s" for each in fields)
        sql = (
            f"UPDATE curation_record SET {sets}, changed_at = %s, revision = revision + 1"  # noqa: S608 - names of our own
            " WHERE id = %s AND revision = %s"
        )
        moment = Record._meta.get_field("changed_at").get_db_prep_save(now, connection)
        values = [
            [
                *(each.get_db_prep_save(getattr(row, each.attname), connection) for each in fields),
                moment,
                row.pk,
                row.revision,
            ]
            for row in rows
        ]
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
            if cursor.rowcount != len(rows):
                raise Moved
        for row in rows:
            row.revision += 1


def _note(job: BulkAction, changes: list[Planned]) -> None:
    actor = job.created_by.username if job.created_by else "a deleted user"
    Change.objects.bulk_create(
        [
            Change(
                record_id=one.record.pk,
                dataset_id=one.record.dataset_id,
                user_id=job.created_by_id,
                actor=actor,
                action=job.action,
                bulk=job,
                revision=one.record.revision,
                before=one.before,
                after=one.after,
            )
            for one in changes
        ],
        batch_size=200,
    )


# --- undo ----------------------------------------------------------------------------------------


def changes_of(job: BulkAction) -> "array[int]":
    """The ids of what the undone action changed and is not put back yet. Found once, for PostgreSQL would sort all of them
    for each batch."""
    return selection.numbers(Change.objects.filter(bulk=job.undoes_id, pk__gt=job.cursor))


def undo(coming: "array[int]", job: BulkAction, size: int) -> Batch | None:
    """The next batch of putting back what the undone action changed, except where somebody changed the record since."""
    changes = _fitting(next_of(coming, job.cursor, size))
    if not changes:
        return None
    names = {name for change in changes for name in change.before} & REVERSIBLE - {"deleted"}
    found = Record.objects.filter(pk__in=[change.record_id for change in changes])
    if names.isdisjoint(contents.COLUMNS):  # else all of it is needed
        found = found.only(*LIGHT, "deleted_at", *names)
    records = {record.pk: record for record in found}
    people = _still_there(changes)
    batch = Batch(len(changes), changes[-1].pk)
    for change in changes:
        record = records[change.record_id]
        values = {name: value for name, value in change.before.items() if name in REVERSIBLE}
        if not _stands(change, record, values):
            batch.left += 1
            continue
        if values.get("reviewed_by_id") not in people:
            values["reviewed_by_id"] = None
        batch.edits.append(planned(record, values))
    # Content is changed where it is, so these are of the action's own dataset.
    contents.complete_all([one.record for one in batch.edits if one.has_content], job.dataset)
    return batch


def _stands(change: Change, record: Record, names: Iterable[str]) -> bool:
    """Whether the record still is as the change left it, in what the change touched. A copy must be untouched altogether."""
    if change.action == Action.COPY:
        return record.revision == change.revision
    return all(_value(record, name) == change.after.get(name) for name in names)


def _value(record: Record, name: str) -> Any:
    return record.deleted_at is not None if name == "deleted" else getattr(record, name)


def next_of(coming: "array[int]", cursor: int, size: int) -> list[int]:
    at = bisect_right(coming, cursor)
    return coming[at : at + size].tolist()


def _fitting(ids: list[int]) -> list[Change]:
    pks, words = [], 0
    rows = Change.objects.filter(pk__in=ids).order_by("pk")
    for pk, length in rows.values_list("pk", "record__words"):
        if pks and words + length > MOST_WORDS:
            break
        pks.append(pk)
        words += length
    return list(Change.objects.filter(pk__in=pks).order_by("pk"))


def _still_there(changes: list[Change]) -> set[int | None]:
    """The reviewers that still exist, and nobody: None."""
    ids = {change.before.get("reviewed_by_id") for change in changes} - {None}
    return {None, *User.objects.filter(pk__in=ids).values_list("pk", flat=True)}
