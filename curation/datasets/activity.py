"""The activity log of a dataset, newest first: single changes and bulk actions in one list, paged by keys."""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError

from atelier.web import border
from curation.models import BulkAction, Change, Dataset
from curation.records.history import LABELS

SINGLE = ("accept", "reject", "skip", "reopen", "edit", "review", "merge", "restore", "delete", "comment")
ACTIONS = tuple(dict.fromkeys([*SINGLE, *BulkAction.Action.values]))

PHRASES = {  # where the words of a record's own history would not stand before its number
    "reopen": "returned {record} to “To review”",
    "restore": "restored an earlier text of {record}",
    "import": "updated {record} by importing",
    "undo": "undid a bulk action on {record}",
    "merge": "merged two edits of {record}",
    "unlabel": "removed a label from {record}",
    "replace": "found and replaced text in {record}",
    "copy": "copied {record} here",
    "split": "reassigned the split of {record}",
    "annotate": "applied the annotators' answers to {record}",
}


@dataclass(frozen=True)
class ActivityEntry:
    """An entry of the activity log: who, when, what; `change` of one record, or the `bulk` action."""

    at: datetime
    actor: str
    words: str
    change: Change | None = None
    bulk: BulkAction | None = None


@dataclass(frozen=True)
class ActivityPage:
    acts: list[ActivityEntry]
    after: str | None  # the place of the next page


def page(dataset: Dataset, *, person: str = "", action: str = "", after: str = "", size: int = 50) -> ActivityPage:
    """Return one page of the activity log, after a place.

    Raises ValidationError for an action or a place that does not exist.
    """
    if action and action not in ACTIONS:
        raise ValidationError(f"No action is called {action[:40]!r}. Use one of {', '.join(ACTIONS)}.")
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
    return ActivityPage(found[:size], _next(found[:size], after) if len(found) > size else None)


def _single(change: Change) -> ActivityEntry:
    words = PHRASES.get(change.action, f"{LABELS.get(change.action, change.action)} {{record}}")
    return ActivityEntry(change.at, change.actor, words.format(record=f"record {change.record_id}"), change=change)


def _many(job: BulkAction) -> ActivityEntry:
    actor = job.created_by.username if job.created_by else "a deleted user"
    return ActivityEntry(job.created_at, actor, job.title, bulk=job)


def _next(acts: list[ActivityEntry], after: str) -> str:
    """Return the smallest ids that were shown, of changes and of bulk actions; those of the page before if none was."""
    last_change, last_bulk = _place(after)
    changes = [act.change.pk for act in acts if act.change is not None]
    bulks = [act.bulk.pk for act in acts if act.bulk is not None]
    return f"{min(changes, default=last_change)}~{min(bulks, default=last_bulk)}"


def _place(after: str) -> tuple[int, int]:
    if not after:
        return 2**62, 2**62
    first, _, second = after.partition("~")
    change, bulk = border.whole(first), border.whole(second)
    if change is None or bulk is None:
        raise ValidationError("This page of the list does not exist. Start again at the first page.")
    return change, bulk
