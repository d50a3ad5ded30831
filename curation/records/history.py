"""The history of a record, for reading: who, when, and what changed word by word."""

import json
from dataclasses import dataclass
from typing import Any

from curation.chat import text_of, thinking_of
from curation.diffs import word_diff
from curation.models import Change, Record

LABELS = {
    "accept": "accepted", "reject": "rejected", "skip": "skipped", "reopen": "returned to “To review”", "edit": "edited", "review": "reviewed",
    "restore": "restored an earlier text", "import": "updated by importing", "delete": "deleted", "undo": "undid a bulk action", "merge": "merged two edits",
    "label": "labelled", "unlabel": "removed a label", "assign": "assigned", "replace": "found and replaced text", "mask": "masked",
    "fix": "fixed", "copy": "copied here", "key": "changed a key", "split": "reassigned the split",
    "annotate": "applied the annotators' answers",
}  # fmt: skip
HIDDEN = {"reviewed_by_id", "reviewed_note", "deleted", "wanted", "copied_from"}
LIMIT = 100


@dataclass(frozen=True)
class HistoryEntry:
    """A change of a record, prepared for reading."""

    change: Change
    words: str
    diffs: list[tuple[str, list[tuple[str, str]]]]
    restorable: bool


def entries(record: Record) -> list[HistoryEntry]:
    """Return the history entries of a record, the newest first."""
    rows = record.changes.select_related("bulk", "imported_by").order_by("-pk")[:LIMIT]
    return [_entry(row) for row in rows]


def _entry(change: Change) -> HistoryEntry:
    diffs = [
        (name, word_diff(*both(name, before, after))) for name, before, after in change.fields if name not in HIDDEN
    ]
    restorable = bool(change.before) and not change.before.keys() & {"deleted", "assigned"}
    return HistoryEntry(change, LABELS.get(change.action, change.action), diffs, restorable)


def both(name: str, before: Any, after: Any) -> tuple[str, str]:
    """Return a column's values before and after as text; as JSON if they read the same, as when a key was renamed."""
    pair = readable(name, before), readable(name, after)
    if pair[0] != pair[1] or before == after:
        return pair
    return json.dumps(before, ensure_ascii=False, indent=1), json.dumps(after, ensure_ascii=False, indent=1)


def readable(name: str, value: Any) -> str:
    """Return a column's value as text: conversations as their turns, the rest as it is."""
    if value is None:
        return ""
    if name in ("messages", "chosen", "rejected") and isinstance(value, list):
        return "\n\n".join(turn(message) for message in value)
    if name == "fields" and isinstance(value, dict):
        return "\n".join(
            f"{key}: {item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)}"
            for key, item in value.items()
        )
    if name in ("labels", "assigned") and isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, str):
        return Record.Status(value).label if name == "status" and value in Record.Status.values else value
    return json.dumps(value, ensure_ascii=False, indent=1)


def turn(message: Any) -> str:
    if not isinstance(message, dict):
        return json.dumps(message, ensure_ascii=False)
    thought = thinking_of(message)
    said = f"({thought})\n{text_of(message)}" if thought else text_of(message)
    calls = message.get("tool_calls")
    return f"{message.get('role', '')}: {said}" + (f"\n{json.dumps(calls, ensure_ascii=False)}" if calls else "")
