"""Starting a bulk action or its undo: who may, over which records, and for how long it can be undone."""

import dataclasses
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Max
from django.utils import timezone

from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.jobs.once import once
from curation.bulk import options as action_options
from curation.models import BulkAction, Dataset
from curation.records.changes import REVIEW
from curation.search.filters import Filters

Action = BulkAction.Action
INLINE = 500  # so many are done within the request
UNDO_DAYS = 30
REVIEWER = {*REVIEW, Action.LABEL, Action.UNLABEL}  # these need an annotator, the others an editor


def role_for(action: str) -> str:
    """Return the lowest role that may run the action. An unknown action is refused later, with a sentence."""
    return "annotator" if action in REVIEWER or action not in Action.values else "editor"


def begin(
    dataset: Dataset,
    user: User | None,
    action: str,
    filters: Filters,
    key: str | None = None,
    options: dict[str, Any] | None = None,
    asker: trail.Asker | None = None,
) -> BulkAction:
    """Queue an action over what matches now. Raises ValidationError. The same idempotency key gives the same action.

    That records are deleted is noted in the audit trail for whoever asks.
    """
    cleaned = action_options.clean(dataset, action, options or {})
    if filters.status == "deleted":
        raise ValidationError("Deleted records cannot be changed. Undo the deletion on its page first.")
    filters = dataclasses.replace(filters, sort="newest")
    return _queued(
        key,
        asker,
        project=dataset.project,
        dataset=dataset,
        created_by=user,
        action=action,
        options=cleaned,
        filters=filters.as_dict(),
        up_to=dataset.records.aggregate(last=Max("pk"))["last"] or 0,
        total=filters.records(dataset).count(),
    )


def why_no_undo(job: BulkAction) -> str:
    """Return why the action cannot be undone, as a sentence; empty when it can."""
    if job.is_live:
        return "The action is still running. Wait until it ends or cancel it, then undo it."
    if job.action == Action.SPLIT:
        return "Splits are computed from the shares and the seed. To undo, change those back."
    if job.undoes is not None and job.undoes.action == Action.ASSIGN:
        return "To redo an undone assignment, assign the records again."
    ended = job.finished_at or job.created_at
    if ended < timezone.now() - timedelta(days=UNDO_DAYS):
        return f"The action ended on {ended:%-d %B %Y}, and actions can be undone for {UNDO_DAYS} days. Restore single records from their history."
    return ""


def begin_undo(job: BulkAction, user: User | None, key: str | None = None) -> BulkAction:
    """Queue an undo of a finished action. Raises ValidationError. An action has one undo, however often it is requested."""
    if (undone := BulkAction.objects.filter(undoes=job).first()) is not None:
        return undone
    if why := why_no_undo(job):
        raise ValidationError(why)
    try:
        return _queued(
            key,
            None,
            project=job.project,
            dataset=job.dataset,
            created_by=user,
            action=Action.UNDO,
            undoes=job,
            total=job.changes.count(),
        )
    except IntegrityError:  # the same undo at the same moment
        return BulkAction.objects.get(undoes=job)


def _queued(key: str | None, asker: trail.Asker | None, **fields: Any) -> BulkAction:
    def write(job: BulkAction) -> None:
        if job.action == Action.LABEL:
            _offer(job.dataset, job.options["labels"])
        job.save()
        if job.action == Action.DELETE and asker is not None:
            dataset, count = job.dataset, job.total
            trail.note(
                asker, AuditAction.DELETED, project=dataset.project, kind="records", pk=job.pk, name=dataset.name,
                records=count,
            )  # fmt: skip

    return once(fields["project"].bulkactions, key, lambda: BulkAction(queued_at=timezone.now(), **fields), write)


def _offer(dataset: Dataset, labels: list[str]) -> None:
    """Add new labels to those that the dataset offers."""
    known = Dataset.objects.select_for_update().get(pk=dataset.pk)
    if new := [label for label in labels if label not in known.labels]:
        dataset.labels = [*known.labels, *new]
        Dataset.objects.filter(pk=dataset.pk).update(labels=dataset.labels)
