"""The editor of a whole record: its texts, the roles and number of its messages, labels, metadata, tools.

What a form sends is read here into the columns that would change; `curation.records.changes` writes them.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from atelier.web import border
from curation.chat import ROLES
from curation.models import Record
from curation.records import changes as record_edits
from curation.records import pieces as record_pieces

TURNS = ("messages", "chosen", "rejected")
MOST_ADDED = 50


@dataclass(frozen=True)
class NewMessage:
    """A new message: `after` names the one it follows ("messages.2"), or the start of a column ("messages.")."""

    number: int
    after: str
    role: str
    text: str


@dataclass(frozen=True)
class RecordForm:
    """The fields sent from the editor: texts and roles by their places, removals, additions. None for what was not sent."""

    texts: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    added: tuple[NewMessage, ...] = ()
    labels: str | None = None
    metadata: str | None = None
    tools: str | None = None

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> "RecordForm":
        return cls(
            texts=_under("text.", sent),
            roles=_under("role.", sent),
            dropped=frozenset(_under("drop.", sent)),
            added=tuple(_added(sent)),
            labels=sent.get("labels"),
            metadata=sent.get("metadata"),
            tools=sent.get("tools"),
        )

    def with_one_more(self, after: str) -> "RecordForm":
        """Return the form with one more empty message to fill in."""
        number = max((each.number for each in self.added), default=-1) + 1
        column, _, index = after.partition(".")
        if column not in TURNS or (index and border.whole(index) is None) or len(self.added) >= MOST_ADDED:
            return self
        return RecordForm(**{**self.__dict__, "added": (*self.added, NewMessage(number, after, "user", ""))})


def _under(prefix: str, sent: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in sent.items() if name.startswith(prefix)}


def _added(sent: Mapping[str, str]) -> list[NewMessage]:
    messages = []
    for number in range(MOST_ADDED):
        if (after := sent.get(f"new.{number}.after")) is not None:
            role, text = sent.get(f"new.{number}.role", ""), sent.get(f"new.{number}.text", "")
            messages.append(NewMessage(number, after, role if role in ROLES else "user", text))
    return messages


def values(record: Record, form: RecordForm) -> dict[str, Any]:
    """Return the columns that the form changes. Raises ValidationError."""
    columns = record_pieces.with_texts(record, form.texts)
    for column in TURNS:
        turns = columns.get(column, getattr(record, column))
        if (new := _reshaped(column, turns, form)) != getattr(record, column):
            columns[column] = new
    columns_sent = {
        "labels": None if form.labels is None else record_edits.clean_labels(form.labels.splitlines()),
        "metadata": None if form.metadata is None else _json("metadata", form.metadata, dict),
        "tools": None if form.tools is None else _json("tools", form.tools, list),
    }
    return columns | {
        name: value for name, value in columns_sent.items() if value is not None and value != getattr(record, name)
    }


def _reshaped(column: str, turns: list[Any], form: RecordForm) -> list[Any]:
    messages = _new(f"{column}.", form)
    for index, message in enumerate(turns):
        name = f"{column}.{index}"
        role = form.roles.get(name)
        if name not in form.dropped:
            changes = isinstance(message, dict) and role in ROLES and role != message.get("role")
            messages.append({**copy.deepcopy(message), "role": role} if changes else message)
        messages += _new(name, form)
    return messages


def _new(after: str, form: RecordForm) -> list[dict[str, str]]:
    """Return the added messages after a place; one that stayed empty is left out."""
    return [
        {"role": each.role, "content": record_pieces.plain(each.text)}
        for each in form.added
        if each.after == after and each.text.strip()
    ]


def _json(name: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text or ("{}" if kind is dict else "[]"))
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"The {name} aren't valid JSON: {error}.") from error
    if not isinstance(value, kind):
        raise ValidationError(f"The {name} must be a JSON {'object' if kind is dict else 'array'}.")
    border.storable(value)
    return value


def shown(value: Any) -> str:
    """Return JSON as it is edited; empty if there is none."""
    return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
