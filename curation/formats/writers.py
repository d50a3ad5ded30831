"""Files made of drafts. What a writer writes, the readers read back as the same drafts."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from curation.formats.drafts import Draft


@dataclass(frozen=True)
class Writer:
    """A format to export to: its name in addresses, its title for people, the file's ending, the kinds it can hold."""

    name: str
    title: str
    suffix: str
    kinds: tuple[str, ...]
    write: Callable[[Iterable[Draft]], Iterator[bytes]]


WRITERS: dict[str, Writer] = {}


def register(writer: Writer) -> None:
    """Adds a format; its name must be new."""
    if writer.name in WRITERS:
        raise ValueError(f"There is a writer named {writer.name} already.")
    WRITERS[writer.name] = writer


def chat_row(draft: Draft) -> dict[str, Any]:
    """The row of a draft of any kind, with all that a later import needs; empty parts are left out."""
    row: dict[str, Any] = {}
    if draft.kind != "documents" or draft.messages:
        row["messages"] = draft.messages
    parts = (
        ("chosen", draft.chosen),
        ("rejected", draft.rejected),
        ("tools", draft.tools),
        ("fields", draft.fields),
        ("metadata", draft.metadata),
        ("group", draft.group),
        ("id", draft.key),
    )
    row.update((name, value) for name, value in parts if value)
    return row


def write_chat(drafts: Iterable[Draft]) -> Iterator[bytes]:
    """A JSON line for each draft, as chat_row gives it."""
    for draft in drafts:
        yield orjson.dumps(chat_row(draft), option=orjson.OPT_APPEND_NEWLINE)


def write_training(drafts: Iterable[Draft]) -> Iterator[bytes]:
    """A JSON line for each conversation with its messages and tools alone, as fine-tuning services take it."""
    for draft in drafts:
        row: dict[str, Any] = {"messages": draft.messages}
        if draft.tools:
            row["tools"] = draft.tools
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


KINDS = ("documents", "conversations", "preferences")
register(Writer("chat", "Chat, JSON Lines", ".jsonl", KINDS, write_chat))
register(Writer("training", "Chat for fine-tuning services, JSON Lines", ".jsonl", ("conversations",), write_training))
