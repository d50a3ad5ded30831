"""Who did what in a dataset, newest first: single changes and bulk actions in one list, by keys."""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError

from curation.history import LABELS
from curation.models import BulkAction, Change, Dataset

SINGLE = ("accept", "reject", "skip", "reopen", "edit", "review", "merge", "restore", "delete", "comment")
ACTIONS = tuple(dict.fromkeys([*SINGLE, *BulkAction.Action.values]))


@dataclass(frozen=True)
class Act:
    """One line: who, when, what; `change` of one record, or the `bulk` action."""

    at: datetime
    actor: str
    words: str
    change: Change | None = None
    bulk: BulkAction | None = None


@dataclass(frozen=True)
class Page:
    acts: list[Act]
    after: str | None  # the place of the next page


def page(dataset: Dataset, *, person: str = "", action: str = "", after: str = "", size: int = 50) -> Page:
    """One page, after a place. Raises ValidationError for an action or a place that does not exist."""
    if action and action not in ACTIONS:
        raise ValidationError(f"There is no action {action[:40]!r}: use one of {', '.join(ACTIONS)}.")
    last_change, last_bulk = _place(after)
    changes = Change.objects.filter(dataset=dataset, bulk=None).select_related("record")
    bulks = dataset.bulk_actions.select_related("created_by", "undoes__dataset", "dataset")
    if person:
        changes, bulks = changes.filter(actor=person), bulks.filter(created_by__username=person)
    if action:
        changes, bulks = changes.filter(action=action), bulks.filter(action=action)
    if after:
        changes, bulks = changes.filter(pk__lt=last_change), bulks.filter(pk__lt=last_bulk)
    heavy = [f"record__{name}" for name in ("fields", "messages", "chosen", "rejected", "tools", "metadata")]
    found = [_single(row) for row in changes.defer("before", "after", *heavy).order_by("-pk")[: size + 1]]
    found += [_many(row) for row in bulks.order_by("-pk")[: size + 1]]
    found.sort(key=lambda act: act.at, reverse=True)
    return Page(found[:size], _next(found[:size], after) if len(found) > size else None)


def _single(change: Change) -> Act:
    words = LABELS.get(change.action, change.action)
    return Act(change.at, change.actor, f"{words} record {change.record_id}", change=change)


def _many(job: BulkAction) -> Act:
    actor = job.created_by.username if job.created_by else "a deleted user"
    return Act(job.created_at, actor, job.title, bulk=job)


def _next(acts: list[Act], after: str) -> str:
    """The smallest ids that were shown, of changes and of bulk actions; those of the page before when none was."""
    last_change, last_bulk = _place(after)
    changes = [act.change.pk for act in acts if act.change is not None]
    bulks = [act.bulk.pk for act in acts if act.bulk is not None]
    return f"{min(changes, default=last_change)}~{min(bulks, default=last_bulk)}"


def _place(after: str) -> tuple[int, int]:
    if not after:
        return 2**62, 2**62
    first, _, second = after.partition("~")
    if not (first.isdecimal() and second.isdecimal()) or len(first) > 19 or len(second) > 19:
        raise ValidationError("This page of the list does not exist: begin again at the first one.")
    return min(int(first), 2**62), min(int(second), 2**62)
