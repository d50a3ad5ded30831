"""Bulk assignment of records to people, and its undo. A record's assignment is no part of it, so its revision stays."""

from array import array
from collections import defaultdict
from dataclasses import dataclass, field

from atelier.accounts.models import User
from atelier.jobs.claims import JobFailed
from curation.annotation import assignments
from curation.bulk.batches import EditBatch, PendingRecords, next_of
from curation.models import Annotation, Assignment, BulkAction, Change, Record, Task

BUSY = (Annotation.State.OPEN, Annotation.State.SUBMITTED)


@dataclass
class AssignmentBatch(EditBatch):
    """A batch of records and the people who are to annotate them."""

    pks: list[int] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    made: int = 0

    @property
    def changed(self) -> int:
        return self.made

    def write(self, job: BulkAction) -> None:
        before = _assigned(self.pks)
        overlaps = dict(Task.objects.filter(record__in=self.pks).values_list("record_id", "wanted"))
        records = Record.objects.filter(pk__in=self.pks)
        assignments.assign(job.dataset, records, self.users, job.created_by, evenly=job.options["evenly"])
        after = _assigned(self.pks)
        revisions = dict(records.values_list("pk", "revision"))
        changes = [
            _change(
                job, pk, revisions[pk], {"assigned": before[pk], "wanted": overlaps.get(pk)}, {"assigned": after[pk]}
            )
            for pk in self.pks
            if before[pk] != after[pk]
        ]
        Change.objects.bulk_create(changes)
        self.made = len(changes)


def _assigned(pks: list[int]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = defaultdict(list)
    rows = Assignment.objects.filter(task__record__in=pks).order_by("user__username")
    for pk, name in rows.values_list("task__record_id", "user__username"):
        names[pk].append(name)
    return names


def _change(job: BulkAction, pk: int, revision: int, before: dict[str, object], after: dict[str, object]) -> Change:
    actor = job.created_by.username if job.created_by else "a deleted user"
    return Change(
        record_id=pk,
        dataset_id=job.dataset_id,
        user_id=job.created_by_id,
        actor=actor,
        action=job.action,
        bulk=job,
        revision=revision,
        before=before,
        after=after,
    )


def assign(coming: PendingRecords, job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of assignments. Raises JobFailed when none of the people may annotate in the team any longer."""
    able = assignments.people(job.project.team_id)
    users = list(able.filter(pk__in=job.options["users"]).order_by("pk"))
    if not users:
        raise JobFailed("None of these people can annotate in the team any longer.")
    pks = coming.rows(job.cursor, size, lambda records: list(records.values_list("pk", flat=True)))
    return AssignmentBatch(len(pks), pks[-1], pks=pks, users=users) if pks else None


@dataclass
class UnassignmentBatch(EditBatch):
    """A batch of assignments to remove, except where an answer was begun."""

    changes: list[Change] = field(default_factory=list)
    made: int = 0

    @property
    def changed(self) -> int:
        return self.made

    def write(self, job: BulkAction) -> None:
        noted = []
        for change in self.changes:
            assigned = set(change.after["assigned"]) - set(change.before["assigned"])
            open_ones = Assignment.objects.filter(
                task__record=change.record_id, user__username__in=assigned, done=False
            ).exclude(
                task__annotations__in=Annotation.objects.filter(
                    record=change.record_id, user__username__in=assigned, state__in=BUSY
                )
            )
            if len(assigned) != open_ones.count():
                self.left += 1
                continue
            Assignment.objects.filter(pk__in=list(open_ones.values_list("pk", flat=True))).delete()
            if (overlap := change.before.get("wanted")) is not None:
                Task.objects.filter(record=change.record_id, given__lte=overlap).update(wanted=overlap)
            noted.append(
                _change(
                    job,
                    change.record_id,
                    change.revision,
                    {"assigned": change.after["assigned"]},
                    {"assigned": change.before["assigned"]},
                )
            )
        Change.objects.bulk_create(noted)
        self.made = len(noted)


def unassign(coming: "array[int]", job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of the undo of an assignment."""
    pks = next_of(coming, job.cursor, min(size, 100))
    changes = list(Change.objects.filter(pk__in=pks).order_by("pk"))
    return UnassignmentBatch(len(changes), changes[-1].pk, changes=changes) if changes else None
