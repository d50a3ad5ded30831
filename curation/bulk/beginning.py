"""Asking for a bulk action or its undo: who may, over what, and for how long it can be taken back."""

import dataclasses
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from atelier.accounts.models import User
from curation.bulk import options as wishes
from curation.filters import Filters
from curation.models import BulkAction, Dataset
from curation.records import REVIEW

Action = BulkAction.Action
INLINE = 500  # so many are done within the request
UNDO_DAYS = 30
REVIEWER = {*REVIEW, Action.LABEL, Action.UNLABEL}  # these need an annotator, the others an editor


def role_for(action: str) -> str:
    """The smallest role that may do it. An unknown action is refused later, with a sentence."""
    return "annotator" if action in REVIEWER or action not in Action.values else "editor"


def begin(
    dataset: Dataset,
    user: User | None,
    action: str,
    filters: Filters,
    key: str | None = None,
    options: dict[str, Any] | None = None,
) -> BulkAction:
    """A queued action over what matches now. Raises ValidationError. The same idempotency key gives the same action."""
    cleaned = wishes.clean(dataset, action, options or {})
    if filters.status == "deleted":
        raise ValidationError("Deleted records cannot be changed: undo the deletion on its page first.")
    filters = dataclasses.replace(filters, sort="newest")
    return _queued(
        project=dataset.project,
        dataset=dataset,
        created_by=user,
        action=action,
        options=cleaned,
        filters=filters.as_dict(),
        up_to=dataset.records.aggregate(last=Max("pk"))["last"] or 0,
        total=filters.records(dataset).count(),
        idempotency_key=key,
    )


def why_no_undo(action: BulkAction) -> str:
    """Why the action cannot be undone, as a sentence; empty when it can."""
    if action.is_live:
        return "It still runs: wait until it ends, or cancel it, then undo what it did."
    if action.action == Action.SPLIT:
        return "Splits follow from the shares and the seed: change those back instead."
    if action.undoes is not None and action.undoes.action == Action.ASSIGN:
        return "An undone assignment is given again by assigning."
    ended = action.finished_at or action.created_at
    if ended < timezone.now() - timedelta(days=UNDO_DAYS):
        return f"It was done on {ended:%-d %B %Y}, and actions can be undone for {UNDO_DAYS} days: restore single records from their history."
    return ""


def begin_undo(action: BulkAction, user: User | None, key: str | None = None) -> BulkAction:
    """A queued undo of a finished action. Raises ValidationError. There is one undo of an action, however often it is asked."""
    if (undone := BulkAction.objects.filter(undoes=action).first()) is not None:
        return undone
    if why := why_no_undo(action):
        raise ValidationError(why)
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
        with transaction.atomic():
            if fields["action"] == Action.LABEL:
                _offer(fields["dataset"], fields["options"]["labels"])
            return BulkAction.objects.create(queued_at=timezone.now(), **fields)
    except IntegrityError:  # the same key, or the same undo, at the same moment
        same = {"undoes": fields["undoes"]} if fields.get("undoes") else again
        return BulkAction.objects.get(**same)


def _offer(dataset: Dataset, labels: list[str]) -> None:
    """Labels that are new are offered from now on."""
    known = Dataset.objects.select_for_update().get(pk=dataset.pk)
    if new := [label for label in labels if label not in known.labels]:
        dataset.labels = [*known.labels, *new]
        Dataset.objects.filter(pk=dataset.pk).update(labels=dataset.labels)
