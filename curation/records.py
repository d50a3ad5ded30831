"""Changing records: every change raises the revision, so that nobody overwrites what they have not seen, and is kept."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from atelier.accounts.models import User
from curation import contents
from curation.models import Change, Record

REVIEW = {"accept": "accepted", "reject": "rejected", "skip": "skipped", "reopen": "new"}
RESTORABLE = frozenset({*contents.COLUMNS, "metadata", "labels", "status"})
MAX_TEXT = 2_000_000
MOST_LABELS, LABEL_LENGTH = 50, 100


class Conflict(Exception):
    """Somebody changed the record since it was read; `record` is how it is now."""

    def __init__(self, record: Record) -> None:
        super().__init__(f"Record {record.pk} was changed by somebody else since you opened it.")
        self.record = record


def change(record: Record, user: User, action: str, *, revision: int | None = None, **values: Any) -> Change | None:
    """Write values if the record still has that revision, and keep what they were. None when nothing changes.

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
        _write(record, seen, after | derived)
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
    """Set the new values on the record; what follows from its content, when that changes."""
    for name, value in after.items():
        setattr(record, name, value)
    if not after.keys() & set(contents.COLUMNS):
        return {}
    contents.complete(record)
    return {name: getattr(record, name) for name in contents.DERIVED}


def _write(record: Record, seen: int, values: dict[str, Any]) -> None:
    # Not the database's own Now(): SQLite would keep three digits of the second, and a place in a list compares six.
    changed = Record.objects.filter(pk=record.pk, revision=seen, deleted_at=None).update(
        **values, revision=F("revision") + 1, changed_at=timezone.now()
    )
    if not changed:
        raise Conflict(Record.objects.select_related("dataset").get(pk=record.pk))
    record.revision = seen + 1


def review(record: Record, user: User, action: str, revision: int | None = None) -> Change | None:
    """Accept, reject, skip or reopen. Raises ValidationError for another action, Conflict for a stale one."""
    if action not in REVIEW:
        raise ValidationError(f"There is no action {action!r}: use one of {', '.join(REVIEW)}.")
    status = REVIEW[action]
    if status == record.status and (revision is None or revision == record.revision):
        return None
    reviewer = None if action == "reopen" else user.pk
    return change(record, user, action, revision=revision, status=status, reviewed_by_id=reviewer, reviewed_note="")


def restore(record: Record, user: User, old: Change, revision: int | None = None) -> Change | None:
    """Put back what a change replaced, as a change of its own."""
    values = {name: value for name, value in old.before.items() if name in RESTORABLE}
    if "status" in values:
        values["reviewed_by_id"] = old.before.get("reviewed_by_id")
    return change(record, user, "restore", revision=revision, **values)


# --- editing -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A text of a record that can be edited in place: the name of its input, its label, where it stands, and whose it is:
    fields, metadata, chosen, rejected, or the role of its message."""

    name: str
    label: str
    path: tuple[Any, ...]
    text: str
    scope: str = ""


def pieces(record: Record) -> list[Piece]:
    """Every text of the content: the source fields, and in each message its text, its thoughts, the arguments of its calls."""
    found = list(_within("fields", record.fields))
    for column in ("messages", "chosen", "rejected"):
        for index, message in enumerate(getattr(record, column)):
            found += _of_message(column, index, message)
    return found


def metadata_pieces(record: Record) -> list[Piece]:
    return list(_within("metadata", record.metadata))


def _within(column: str, value: dict[str, Any]) -> Iterator[Piece]:
    """Strings at any depth. Names go by position, for a key can be any text."""
    waiting: list[tuple[str, tuple[Any, ...], Any]] = [(column, (column,), value)]
    while waiting:
        name, path, inner = waiting.pop()
        if isinstance(inner, str):
            yield Piece(name, " / ".join(map(str, path[1:])), path, inner, column)
        items = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        waiting += [(f"{name}.{n}", (*path, key), item) for n, (key, item) in enumerate(items)][::-1]


def _of_message(column: str, index: int, message: Any) -> list[Piece]:
    if not isinstance(message, dict):
        return []
    content, role = message.get("content"), str(message.get("role", ""))
    label, scope = (role, role) if column == "messages" else (f"{column}: {role}", column)
    name, path = f"{column}.{index}", (column, index)
    if isinstance(content, str):
        found = [Piece(name, label, (*path, "content"), content, scope)]
    else:
        parts = content if isinstance(content, list) else []
        found = [
            Piece(f"{name}.{number}", label, (*path, "content", number, kind), part[kind], scope)
            for number, part in enumerate(parts)
            if isinstance(part, dict)
            for kind in ("text", "thinking")
            if isinstance(part.get(kind), str)
        ]
    return found + [
        Piece(
            f"{name}.call{number}",
            f"{label}, call",
            (*path, "tool_calls", number, "function", "arguments"),
            said,
            scope,
        )
        for number, said in _arguments(message)
    ]


def _arguments(message: dict[str, Any]) -> Iterator[tuple[int, str]]:
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            yield number, function["arguments"]


def put(record: Record, texts: Iterable[tuple[Piece, str]]) -> dict[str, Any]:
    """Copies of the record's columns with other texts at these places; only the columns that have any."""
    columns: dict[str, Any] = {}
    for piece, text in texts:
        column = piece.path[0]
        inner = columns.setdefault(column, copy.deepcopy(getattr(record, column)))
        for step in piece.path[1:-1]:
            inner = inner[step]
        inner[piece.path[-1]] = text
    return columns


def with_texts(record: Record, texts: Mapping[str, str]) -> dict[str, Any]:
    """The columns of the record with other texts, by the names of their pieces. Line ends come back as they were sent by
    a browser, so they are made plain. Raises ValidationError."""
    given = [(piece, plain(texts[piece.name])) for piece in pieces(record) if piece.name in texts]
    return put(record, [(piece, text) for piece, text in given if text != plain(piece.text)])


def clean_labels(given: Any) -> list[str]:
    """Labels in alphabetical order, each once. Raises ValidationError."""
    if not isinstance(given, list | tuple) or len(given) > MOST_LABELS:
        raise ValidationError(f"Labels are a list of at most {MOST_LABELS} texts.")
    if not all(isinstance(label, str) for label in given):
        raise ValidationError("A label is a text.")
    labels = {" ".join(label.split()) for label in given} - {""}
    if any(len(label) > LABEL_LENGTH or not label.isprintable() for label in labels):
        raise ValidationError(f"A label is a text of at most {LABEL_LENGTH} printable characters.")
    return sorted(labels)


def plain(text: str) -> str:
    """The text with plain line ends. Raises ValidationError for one that cannot be stored."""
    if len(text) > MAX_TEXT:
        raise ValidationError(f"A text may have at most {MAX_TEXT:,} characters: split the record.")
    if "\x00" in text:
        raise ValidationError("The text contains a NUL character, which cannot be stored: remove it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def edit(record: Record, user: User, texts: dict[str, str], revision: int) -> Change | None:
    """Save texts of the record's pieces. Raises Conflict with the present record, ValidationError for a bad text."""
    if revision != record.revision:
        raise Conflict(record)
    return change(record, user, "edit", revision=revision, **with_texts(record, texts))


def refuse_nul(value: Any) -> None:
    """Raises ValidationError when a text anywhere in the value holds what PostgreSQL cannot store."""
    if "\\u0000" in json.dumps(value).replace("\\\\", ""):
        raise ValidationError("The text contains a NUL character, which cannot be stored: remove it.")


def update(record: Record, user: User, revision: int, values: dict[str, Any]) -> Change | None:
    """Whole columns at once, as the API sends them. Raises Conflict, and ValidationError for what cannot be stored."""
    if unknown := values.keys() - RESTORABLE:
        raise ValidationError(f"{sorted(unknown)[0]} cannot be changed.")
    refuse_nul(values)
    if "labels" in values:
        values["labels"] = clean_labels(values["labels"])
    if "status" in values:
        values["reviewed_by_id"] = None if values["status"] == Record.Status.NEW else user.pk
    return change(
        record, user, "edit" if values.keys() & set(contents.COLUMNS) else "review", revision=revision, **values
    )
