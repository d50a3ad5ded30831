"""A whole record edited at once: its texts, the roles and number of its messages, labels, metadata, tools.

What a form sends is read here into the columns that would change; `curation.records` writes them.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from curation import records
from curation.chat import ROLES
from curation.models import Record

TURNS = ("messages", "chosen", "rejected")
MOST_ADDED = 50


@dataclass(frozen=True)
class Added:
    """A new message: `after` names the one it follows ("messages.2"), or the start of a column ("messages.")."""

    number: int
    after: str
    role: str
    text: str


@dataclass(frozen=True)
class Wish:
    """What was sent: texts and roles by the names of their places, what goes, what comes; None for what was not sent."""

    texts: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    added: tuple[Added, ...] = ()
    labels: str | None = None
    metadata: str | None = None
    tools: str | None = None

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> "Wish":
        return cls(
            texts=_under("text.", sent),
            roles=_under("role.", sent),
            dropped=frozenset(_under("drop.", sent)),
            added=tuple(_added(sent)),
            labels=sent.get("labels"),
            metadata=sent.get("metadata"),
            tools=sent.get("tools"),
        )

    def with_one_more(self, after: str) -> "Wish":
        """The same with an empty message to fill in."""
        number = max((each.number for each in self.added), default=-1) + 1
        column, _, index = after.partition(".")
        if column not in TURNS or (index and not index.isdecimal()) or len(self.added) >= MOST_ADDED:
            return self
        return Wish(**{**self.__dict__, "added": (*self.added, Added(number, after, "user", ""))})


def _under(prefix: str, sent: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in sent.items() if name.startswith(prefix)}


def _added(sent: Mapping[str, str]) -> list[Added]:
    found = []
    for number in range(MOST_ADDED):
        if (after := sent.get(f"new.{number}.after")) is not None:
            role, text = sent.get(f"new.{number}.role", ""), sent.get(f"new.{number}.text", "")
            found.append(Added(number, after, role if role in ROLES else "user", text))
    return found


def values(record: Record, wish: Wish) -> dict[str, Any]:
    """The columns that the wish makes other than they are. Raises ValidationError."""
    columns = records.with_texts(record, wish.texts)
    for column in TURNS:
        turns = columns.get(column, getattr(record, column))
        if (new := _reshaped(column, turns, wish)) != getattr(record, column):
            columns[column] = new
    given = {
        "labels": None if wish.labels is None else records.clean_labels(wish.labels.splitlines()),
        "metadata": None if wish.metadata is None else _json("metadata", wish.metadata, dict),
        "tools": None if wish.tools is None else _json("tools", wish.tools, list),
    }
    return columns | {
        name: value for name, value in given.items() if value is not None and value != getattr(record, name)
    }


def _reshaped(column: str, turns: list[Any], wish: Wish) -> list[Any]:
    made = _new(f"{column}.", wish)
    for index, message in enumerate(turns):
        name = f"{column}.{index}"
        role = wish.roles.get(name)
        if name not in wish.dropped:
            changes = isinstance(message, dict) and role in ROLES and role != message.get("role")
            made.append({**copy.deepcopy(message), "role": role} if changes else message)
        made += _new(name, wish)
    return made


def _new(after: str, wish: Wish) -> list[dict[str, str]]:
    """An added message that stayed empty is not meant."""
    return [
        {"role": each.role, "content": records.plain(each.text)}
        for each in wish.added
        if each.after == after and each.text.strip()
    ]


def _json(name: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text or ("{}" if kind is dict else "[]"))
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"The {name} are no JSON: {error}.") from error
    if not isinstance(value, kind):
        raise ValidationError(f"The {name} must be a JSON {'object' if kind is dict else 'array'}.")
    records.refuse_nul(value)
    return value


def shown(value: Any) -> str:
    """JSON as it is edited; empty when there is none."""
    return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
