"""Batches of a bulk action: each is planned outside any transaction and written inside one.

A record's revision shows whether somebody changed it in between: then nothing of the batch is written, and it is
planned again.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connection
from django.utils import timezone

from atelier.accounts.models import User
from curation.bulk.edits import CONTENT, Edit
from curation.models import BulkAction, BulkFailure, Change, Record
from curation.models.records import RecordQuerySet
from curation.records import derived, spans, store
from curation.records.batches import fitting, heavy
from curation.records.spans import SpanCount
from curation.search import selection
from curation.search.filters import Filters

Action = BulkAction.Action
LIGHT = ("pk", "status", "revision", "reviewed_by_id", "reviewed_note", "dataset_id", "labels")
REVERSIBLE = frozenset({*derived.COLUMNS, "metadata", "labels", "status", "reviewed_by_id", "reviewed_note", "deleted"})


class RecordChanged(Exception):
    """Somebody changed a record of the batch after it was read."""


@dataclass
class PlannedEdit:
    """A planned change of one record: its new values and the former ones."""

    record: Record
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def has_content(self) -> bool:
        return not self.after.keys().isdisjoint(derived.COLUMNS)


@dataclass
class EditBatch:
    """A planned batch: `seen` records were looked at, up to the id `cursor`."""

    seen: int
    cursor: int
    edits: list[PlannedEdit] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    left: int = 0
    copies: list[PlannedEdit] = field(default_factory=list)
    moves: dict[str, list[int]] = field(default_factory=dict)  # ids by the split they go to
    spans: SpanCount = field(default_factory=SpanCount)  # once it is written

    @property
    def changed(self) -> int:
        return len(self.edits) + len(self.copies) + sum(map(len, self.moves.values()))

    def write(self, job: BulkAction) -> None:
        """Write the batch, inside a transaction. Raises RecordChanged; then the transaction must be rolled back."""
        spans.hold(job.dataset_id, [edit.record.pk for edit in self.edits if edit.has_content])
        _write(self.edits)
        self.spans = spans.follow(job.dataset_id, [spans.ContentChange(one.record, one.before) for one in self.edits])
        if self.copies:
            Record.objects.bulk_create([copy.record for copy in self.copies])
        for split, pks in self.moves.items():
            Record.objects.filter(pk__in=pks).update(split=split)
        _note(job, [*self.edits, *self.copies])
        BulkFailure.objects.bulk_create(
            [BulkFailure(bulk=job, record_id=pk, reason=reason[:300]) for pk, reason in self.failures]
        )


Plan = Callable[[BulkAction, int], EditBatch | None]
T = TypeVar("T")


class PendingRecords:
    """The records that an action has still to process, by ids that are found once.

    A search of texts costs as much for one batch as for all. Whether a record still meets the other conditions is asked
    batch by batch, because others work at the same time.
    """

    def __init__(self, job: BulkAction) -> None:
        results = Filters.read(job.filters).found(job.dataset)
        self._meeting = results.records
        self._pks = selection.numbers(results.all().filter(pk__gt=job.cursor, pk__lte=job.up_to))

    def rows(self, after: int, size: int, read: Callable[[RecordQuerySet], list[T]]) -> list[T]:
        """Return what `read` makes of the next records in the order of ids; nothing at the end."""
        at = bisect_right(self._pks, after)
        while at < len(self._pks):
            pks = self._pks[at : at + size].tolist()
            if rows := read(self._meeting.filter(pk__in=pks).order_by("pk")):
                return rows
            at += size  # none of those is meant any more
        return []


def light(records: RecordQuerySet) -> list[Record]:
    """Return the records without their texts."""
    return list(records.only(*LIGHT))


def edits(edit: Edit, coming: PendingRecords, job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of an action that changes records in place."""
    rows = coming.rows(job.cursor, size, heavy if job.action in CONTENT else light)
    if not rows:
        return None
    batch = EditBatch(len(rows), rows[-1].pk)
    for record in rows:
        edited = edit(record)
        if edited.error:
            batch.failures.append((record.pk, edited.error))
        elif edited.values:
            batch.edits.append(planned(record, edited.values))
    derived.complete_all([one.record for one in batch.edits if one.has_content], job.dataset)
    batch.left = len(batch.failures)
    return batch


def planned(record: Record, after: dict[str, Any]) -> PlannedEdit:
    """Set the values on the record and return the planned edit.

    Values derived from the content are left to the caller, who has many at once.
    """
    before = {name: _value(record, name) for name in after}
    for name, value in after.items():
        if name == "deleted":
            record.deleted_at = timezone.now() if value else None
        else:
            setattr(record, name, value)
    return PlannedEdit(record, before, after)


def _columns(edit: PlannedEdit) -> tuple[str, ...]:
    own = ["deleted_at" if name == "deleted" else name for name in edit.after]
    return tuple(sorted({*own, *(derived.DERIVED if edit.has_content else ())}))


def _write(edits: list[PlannedEdit]) -> None:
    """Write every record that still has its revision; RecordChanged when one has not."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for edit in edits:
        groups.setdefault(_columns(edit), []).append(edit.record)
    now = Record._meta.get_field("changed_at").get_db_prep_save(timezone.now(), connection)
    for names, rows in groups.items():
        fields = [Record._meta.get_field(name.removesuffix("_id")) for name in names]
        values = [
            (
                *(field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields),
                *(now, row.revision + 1, row.pk, row.revision),
            )
            for row in rows
        ]
        if store.update((*names, "changed_at", "revision"), values, by=("id", "revision")) != len(rows):
            raise RecordChanged
        for row in rows:
            row.revision += 1


def _note(job: BulkAction, changes: list[PlannedEdit]) -> None:
    actor = job.created_by.username if job.created_by else "a deleted user"
    Change.objects.bulk_create(
        [
            Change(
                record_id=change.record.pk,
                dataset_id=change.record.dataset_id,
                user_id=job.created_by_id,
                actor=actor,
                action=job.action,
                bulk=job,
                revision=change.record.revision,
                before=change.before,
                after=change.after,
            )
            for change in changes
        ],
        batch_size=200,
    )


# --- undo ----------------------------------------------------------------------------------------


def changes_of(job: BulkAction) -> "array[int]":
    """Return the ids of what the undone action changed and is not restored yet.

    They are found once, because PostgreSQL would sort all of them for each batch.
    """
    return selection.numbers(Change.objects.filter(bulk=job.undoes_id, pk__gt=job.cursor))


def undo(coming: "array[int]", job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of restoring what the undone action changed, except where somebody has changed the record since."""
    changes = _fitting(next_of(coming, job.cursor, size))
    if not changes:
        return None
    names = {name for change in changes for name in change.before} & REVERSIBLE - {"deleted"}
    rows = Record.objects.filter(pk__in=[change.record_id for change in changes])
    if names.isdisjoint(derived.COLUMNS):  # else all of it is needed
        rows = rows.only(*LIGHT, "deleted_at", *names)
    records = {record.pk: record for record in rows}
    people = _still_there(changes)
    batch = EditBatch(len(changes), changes[-1].pk)
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
    derived.complete_all([one.record for one in batch.edits if one.has_content], job.dataset)
    return batch


def _stands(change: Change, record: Record, names: Iterable[str]) -> bool:
    """Return whether the record is still as the change left it, in what the change touched.

    A copy must be untouched altogether.
    """
    if change.action == Action.COPY:
        return record.revision == change.revision
    return all(_value(record, name) == change.after.get(name) for name in names)


def _value(record: Record, name: str) -> Any:
    return record.deleted_at is not None if name == "deleted" else getattr(record, name)


def next_of(coming: "array[int]", cursor: int, size: int) -> list[int]:
    at = bisect_right(coming, cursor)
    return coming[at : at + size].tolist()


def _fitting(ids: list[int]) -> list[Change]:
    rows = Change.objects.filter(pk__in=ids).order_by("pk")
    pks = fitting(rows.values_list("pk", "record__words"))
    return list(Change.objects.filter(pk__in=pks).order_by("pk"))


def _still_there(changes: list[Change]) -> set[int | None]:
    """Return the ids of reviewers that still exist, and None for no reviewer."""
    ids = {change.before.get("reviewed_by_id") for change in changes} - {None}
    return {None, *User.objects.filter(pk__in=ids).values_list("pk", flat=True)}
