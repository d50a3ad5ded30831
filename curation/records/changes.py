"""Changes of records, kept as history: each raises the revision, so that nobody overwrites what they have not seen."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from atelier.accounts.models import User
from atelier.web import border
from curation.content import LABEL_LENGTH, MOST_LABELS
from curation.models import Change, Record
from curation.records import derived as derived_columns
from curation.records import pieces as record_pieces
from curation.records import spans

REVIEW = {"accept": "accepted", "reject": "rejected", "skip": "skipped", "reopen": "new"}
RESTORABLE = frozenset({*derived_columns.COLUMNS, "metadata", "labels", "status"})


class Conflict(Exception):
    """Somebody has changed the record since it was read; `record` is its current state."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"Someone else has changed record {record.pk} since you opened it.")
        self.record = record


def change(record: Record, user: User, action: str, *, revision: int | None = None, **values: Any) -> Change | None:
    """Write values if the record still has that revision, and keep the former ones. Returns None when nothing changes.

    `revision` is what the person saw; without it, what `record` was read with. Raises Conflict.
    """
    seen = record.revision if revision is None else revision
    before = {name: getattr(record, name) for name in values}
    after = {name: value for name, value in values.items() if before[name] != value}
    if seen != record.revision:
        raise Conflict(record)
    if not after:
        return None
    derived = _derived(record, after)  # takes a while, so it comes before the database is held
    with transaction.atomic():
        if not after.keys().isdisjoint(spans.COLUMNS):
            spans.hold(record.dataset_id, [record.pk])
        _write(record, seen, after | derived)
        spans.follow(record.dataset_id, [spans.ContentChange(record, before)])
        return Change.objects.create(
            record=record,
            dataset_id=record.dataset_id,
            user=user,
            actor=user.username,
            action=action,
            revision=seen + 1,
            before={name: before[name] for name in after},
            after=after,
        )


def _derived(record: Record, after: dict[str, Any]) -> dict[str, Any]:
    """Set the new values on the record; also what is derived from its content, when that changes."""
    for name, value in after.items():
        setattr(record, name, value)
    if not after.keys() & set(derived_columns.COLUMNS):
        return {}
    derived_columns.complete(record)
    return {name: getattr(record, name) for name in derived_columns.DERIVED}


def _write(record: Record, seen: int, values: dict[str, Any]) -> None:
    # Not the database's own Now(): SQLite would keep three digits of the second, and a place in a list compares six.
    changed = Record.objects.filter(pk=record.pk, revision=seen, deleted_at=None).update(
        **values, revision=F("revision") + 1, changed_at=timezone.now()
    )
    if not changed:
        raise Conflict(Record.objects.select_related("dataset").get(pk=record.pk))
    record.revision = seen + 1


def review(record: Record, user: User, action: str, revision: int | None = None) -> Change | None:
    """Accept, reject, skip or reopen a record. Raises ValidationError for another action, Conflict for a stale revision."""
    if action not in REVIEW:
        raise ValidationError(f"No action is called {action!r}. Use one of {', '.join(REVIEW)}.")
    status = REVIEW[action]
    if status == record.status and (revision is None or revision == record.revision):
        return None
    reviewer = None if action == "reopen" else user.pk
    return change(record, user, action, revision=revision, status=status, reviewed_by_id=reviewer, reviewed_note="")


def restore(record: Record, user: User, old: Change, revision: int | None = None) -> Change | None:
    """Restore what a change replaced, as a change of its own."""
    values = {name: value for name, value in old.before.items() if name in RESTORABLE}
    if "status" in values:
        values["reviewed_by_id"] = old.before.get("reviewed_by_id")
    return change(record, user, "restore", revision=revision, **values)


def clean_labels(entries: Any) -> list[str]:
    """Return labels in alphabetical order, each once. Raises ValidationError."""
    if not isinstance(entries, list | tuple) or len(entries) > MOST_LABELS:
        raise ValidationError(f"Labels must be a list of at most {MOST_LABELS} texts.")
    if not all(isinstance(label, str) for label in entries):
        raise ValidationError("A label must be a text.")
    labels = {" ".join(label.split()) for label in entries} - {""}
    if any(len(label) > LABEL_LENGTH or not label.isprintable() for label in labels):
        raise ValidationError(f"A label can have at most {LABEL_LENGTH} printable characters.")
    return sorted(labels)


def edit(record: Record, user: User, texts: dict[str, str], revision: int) -> Change | None:
    """Save texts of the record's pieces. Raises Conflict with the current record, ValidationError for a bad text."""
    if revision != record.revision:
        raise Conflict(record)
    return change(record, user, "edit", revision=revision, **record_pieces.with_texts(record, texts))


def update(record: Record, user: User, revision: int, values: dict[str, Any]) -> Change | None:
    """Save whole columns at once, as the API sends them. Raises Conflict, and ValidationError for what cannot be stored."""
    if unknown := values.keys() - RESTORABLE:
        raise ValidationError(f"{sorted(unknown)[0]} cannot be changed.")
    border.storable(values)
    if "labels" in values:
        values["labels"] = clean_labels(values["labels"])
    if "status" in values:
        values["reviewed_by_id"] = None if values["status"] == Record.Status.NEW else user.pk
    return change(
        record, user, "edit" if values.keys() & set(derived_columns.COLUMNS) else "review", revision=revision, **values
    )
