"""Bulk change of one key: in the messages, metadata or source fields of a record it is renamed, moved or removed.

Keys are data: each is compared as it is, and never looked up in a query. What is there already is never overwritten.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from curation.models import Record

PLACES = ("messages", "metadata", "fields")
CHANGES = ("rename", "move", "remove")
TARGETS = ("metadata", "fields", "system")  # a system message
TURNS = ("messages", "chosen", "rejected")
# A message without these is none, or its calls and results no longer belong together.
NEEDED = ("role", "content", "tool_calls", "tool_call_id")
MOST_KEY = 200
Columns = dict[str, Any]


class KeyTaken(Exception):
    """The change would overwrite something, or has no one meaning in this record; the message is a sentence."""


@dataclass(frozen=True)
class KeyChange:
    """One change of a key, as its options say."""

    place: str
    key: str
    change: str
    to: str = ""
    into: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "KeyChange":
        return cls(**{name: options[name] for name in ("place", "key", "change", "to", "into")})

    def columns(self, record: Record) -> Columns:
        """Return the columns that change; none if the record does not have the key. Raises KeyTaken."""
        if self.change == "move":
            return self._moved(record)
        change = self._renamed if self.change == "rename" else self._without
        if self.place != "messages":
            holder = getattr(record, self.place)
            return {self.place: change(holder, self._name)} if self.key in holder else {}
        return self._in_turns(record, change)

    @property
    def _name(self) -> str:
        return "The metadata" if self.place == "metadata" else "The source"

    def _in_turns(self, record: Record, change: Callable[[dict[str, Any], str], dict[str, Any]]) -> Columns:
        columns: Columns = {}
        for column in TURNS:
            turns = getattr(record, column)
            if any(isinstance(turn, dict) and self.key in turn for turn in turns):
                prefix = "Message" if column == "messages" else f"{column.capitalize()}, message"
                columns[column] = [
                    change(turn, f"{prefix} {number}") if isinstance(turn, dict) and self.key in turn else turn
                    for number, turn in enumerate(turns, 1)
                ]
        return columns

    def _renamed(self, holder: dict[str, Any], name: str) -> dict[str, Any]:
        """Return the object with its key renamed, in its place. The same value under both names is one."""
        if self.to in holder:
            _refuse_other(holder[self.to], holder[self.key], f"{name} already has “{self.to[:60]}”")
            return self._without(holder, name)
        return {self.to if key == self.key else key: value for key, value in holder.items()}

    def _without(self, holder: dict[str, Any], _: str) -> dict[str, Any]:
        return {key: value for key, value in holder.items() if key != self.key}

    def _moved(self, record: Record) -> Columns:
        found = self._values(record)
        if not found:
            return {}
        for value in found[1:]:
            _refuse_other(found[0], value, f"Several messages have “{self.key[:60]}”")
        columns: Columns = (
            self._in_turns(record, self._without)
            if self.place == "messages"
            else {self.place: self._without(getattr(record, self.place), "")}
        )
        if self.into == "system":
            return columns | {"messages": _with_system(columns.get("messages", record.messages), found[0])}
        holder, name = getattr(record, self.into), "metadata" if self.into == "metadata" else "source"
        if self.to in holder:
            _refuse_other(holder[self.to], found[0], f"The {name} already has “{self.to[:60]}”")
        return columns | {self.into: {**holder, self.to: found[0]}}

    def _values(self, record: Record) -> list[Any]:
        if self.place != "messages":
            holder = getattr(record, self.place)
            return [holder[self.key]] if self.key in holder else []
        turns = [turn for column in TURNS for turn in getattr(record, column) if isinstance(turn, dict)]
        return [turn[self.key] for turn in turns if self.key in turn]


def _refuse_other(there: Any, value: Any, start: str) -> None:
    # True equals 1 in Python, and 1.0 too: here they are different values.
    if there != value or type(there) is not type(value):
        raise KeyTaken(f"{start}, with another value.")


def _with_system(messages: list[Any], value: Any) -> list[Any]:
    """Return the messages with a text as their system message. Raises KeyTaken."""
    if not isinstance(value, str) or not value.strip():
        raise KeyTaken("The value is not a text, so it cannot be a system message.")
    first = messages[0] if messages else None
    if isinstance(first, dict) and first.get("role") == "system":
        _refuse_other(first.get("content"), value, "The conversation already has a system message")
        return messages
    if not messages:
        raise KeyTaken("The record has no conversation to put a system message in front of.")
    return [{"role": "system", "content": value}, *messages]
