"""Bulk actions: one change over everything that a filter matches, done in batches, undone as one."""

import dataclasses
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F, Max
from django.db.models.functions import Now
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from curation import splits
from curation.filters import Filters
from curation.models import BulkAction, Change, Dataset, Record
from curation.records import REVIEW

Action = BulkAction.Action
BATCH = 500
INLINE = 500  # so many are done within the request
ROLES = {Action.DELETE: "editor", Action.SPLIT: "editor"}  # reviewing needs an annotator


def role_for(action: str) -> str:
    return ROLES.get(action, "annotator")


def begin(dataset: Dataset, user: User | None, action: str, filters: Filters, key: str | None = None) -> BulkAction:
    """A queued action over what matches now. Raises ValidationError. The same idempotency key gives the same action."""
    if action not in (*REVIEW, Action.DELETE, Action.SPLIT):
        raise ValidationError(f"There is no action {action[:40]!r}: use one of {', '.join([*REVIEW, 'delete'])}.")
    if filters.status == "deleted":
        raise ValidationError("Deleted records cannot be changed: undo the deletion on its page first.")
    filters = dataclasses.replace(filters, sort="newest")
    last = dataset.records.aggregate(last=Max("pk"))["last"] or 0
    return _queued(
        project=dataset.project,
        dataset=dataset,
        created_by=user,
        action=action,
        filters=filters.as_dict(),
        up_to=last,
        total=filters.records(dataset).count(),
        idempotency_key=key,
    )


def begin_undo(action: BulkAction, user: User | None, key: str | None = None) -> BulkAction:
    """A queued undo of a finished action. Raises ValidationError. There is one undo of an action, however often it is asked."""
    if action.is_live:
        raise ValidationError("It still runs: wait until it ends, or cancel it, then undo what it did.")
    if action.action == Action.SPLIT:
        raise ValidationError("Splits follow from the shares and the seed: change those back instead.")
    if (undone := BulkAction.objects.filter(undoes=action).first()) is not None:
        return undone
    return _queued(
        project=action.project,
        dataset=action.dataset,
        created_by=user,
        action=Action.UNDO,
        undoes=action,
        total=action.changes.count(),
        idempotency_key=key,
    )


def _queued(**fields: Any) -> BulkAction:
    fields["idempotency_key"] = fields["idempotency_key"] or None
    again = {"project": fields["project"], "idempotency_key": fields["idempotency_key"]}
    if fields["idempotency_key"] and (found := BulkAction.objects.filter(**again).first()):
        return found
    try:
        return BulkAction.objects.create(queued_at=timezone.now(), **fields)
    except IntegrityError:  # the same key, or the same undo, at the same moment
        same = {"undoes": fields["undoes"]} if fields.get("undoes") else again
        return BulkAction.objects.get(**same)


def run(claim: Claim[BulkAction]) -> None:
    """Do the action from where it stands. Every batch is one transaction with the cursor, so nothing is done twice."""
    job = claim.job
    step = {Action.UNDO: _undo_batch, Action.SPLIT: _split_batch}.get(job.action, _change_batch)
    while True:
        claim.obey()
        with claim.writing():
            seen = step(job)
            if seen:
                claim.update(cursor=job.cursor, done=job.done + seen, changed=job.changed, left=job.left)
        if not seen:
            break
    claim.progress(total=job.done, line=outcome(job))


def outcome(job: BulkAction) -> str:
    """What was done, as a sentence."""
    noun = "record" if job.changed == 1 else "records"
    if job.action == Action.UNDO:
        kept = "left as it is, for it was" if job.left == 1 else "left as they are, for they were"
        left = f"; {job.left:,} {kept} changed since" if job.left else ""
        return f"{job.changed:,} {noun} put back{left}."
    done = {
        Action.ACCEPT: "accepted",
        Action.REJECT: "rejected",
        Action.SKIP: "skipped",
        Action.REOPEN: "put back to review",
        Action.DELETE: "deleted",
        Action.SPLIT: "changed sides",
    }[Action(job.action)]
    same = job.done - job.changed
    return f"{job.changed:,} {noun} {done}" + (
        f"; {same:,} were so already." if same and job.action != Action.SPLIT else "."
    )


def _change_batch(job: BulkAction) -> int:
    """One batch in the order of ids. Rows are locked where the database locks rows; SQLite has one writer anyway."""
    matching = Filters.read(job.filters).records(job.dataset).filter(pk__gt=job.cursor, pk__lte=job.up_to)
    rows = list(
        matching.order_by("pk")
        .select_for_update(of=("self",))
        .only("pk", "status", "revision", "reviewed_by_id", "reviewed_note", "dataset_id")[:BATCH]
    )
    if not rows:
        return 0
    after, now = _after(job), timezone.now()
    changing = rows if job.action == Action.DELETE else [row for row in rows if row.status != after["status"]]
    Record.objects.filter(pk__in=[row.pk for row in changing]).update(
        **({"deleted_at": now} if job.action == Action.DELETE else after), revision=F("revision") + 1, changed_at=now
    )
    _note(
        job, [(row, _before(job, row), {"deleted": True} if job.action == Action.DELETE else after) for row in changing]
    )
    job.cursor, job.changed = rows[-1].pk, job.changed + len(changing)
    return len(rows)


def _after(job: BulkAction) -> dict[str, Any]:
    if job.action == Action.DELETE:
        return {}
    reviewer = None if job.action == Action.REOPEN else job.created_by_id
    return {"status": REVIEW[job.action], "reviewed_by_id": reviewer, "reviewed_note": ""}


def _before(job: BulkAction, row: Record) -> dict[str, Any]:
    if job.action == Action.DELETE:
        return {"deleted": False}
    return {"status": row.status, "reviewed_by_id": row.reviewed_by_id, "reviewed_note": row.reviewed_note}


def _note(job: BulkAction, changes: list[tuple[Record, dict[str, Any], dict[str, Any]]]) -> None:
    actor = job.created_by.username if job.created_by else "a deleted user"
    Change.objects.bulk_create(
        [
            Change(
                record_id=row.pk,
                user_id=job.created_by_id,
                actor=actor,
                action=job.action,
                bulk=job,
                revision=row.revision + 1,
                before=before,
                after=after,
            )
            for row, before, after in changes
        ]
    )


def _undo_batch(job: BulkAction) -> int:
    """Put back what the undone action changed, except where somebody changed the record since."""
    changes = list(
        Change.objects.filter(bulk=job.undoes_id, pk__gt=job.cursor)
        .order_by("pk")
        .select_related("record")
        .defer("record__fields", "record__messages", "record__tools", "record__chosen", "record__rejected")[:BATCH]
    )
    if not changes:
        return 0
    noted = []
    for old in changes:
        values = {
            key: value for key, value in old.before.items() if key in ("status", "reviewed_by_id", "reviewed_note")
        }
        if "deleted" in old.before:
            values["deleted_at"] = Now() if old.before["deleted"] else None
        if _put_back(old, values):
            noted.append((old.record, old.after, old.before))
    _note(job, noted)
    job.cursor, job.changed, job.left = changes[-1].pk, job.changed + len(noted), job.left + len(changes) - len(noted)
    return len(changes)


def _put_back(old: Change, values: dict[str, Any]) -> bool:
    """Whether the record still was as the change left it, and is as before now."""
    untouched = Record.objects.filter(pk=old.record_id, revision=old.revision)
    return bool(untouched.update(**values, revision=F("revision") + 1, changed_at=Now()))


def _split_batch(job: BulkAction) -> int:
    """Assign splits anew after the shares or the seed changed. No history: it follows from the dataset's settings."""
    dataset = job.dataset
    rows = list(
        dataset.records.filter(pk__gt=job.cursor, pk__lte=job.up_to)
        .order_by("pk")
        .values_list("pk", "source_group", "split")[:BATCH]
    )
    if not rows:
        return 0
    moving: dict[str, list[int]] = {}
    for pk, group, split in rows:
        wanted = splits.assign(dataset.seed, group, dataset.shares)
        if wanted != split:
            moving.setdefault(wanted, []).append(pk)
    for split, pks in moving.items():
        Record.objects.filter(pk__in=pks).update(split=split)
    job.cursor, job.changed = rows[-1][0], job.changed + sum(map(len, moving.values()))
    return len(rows)
