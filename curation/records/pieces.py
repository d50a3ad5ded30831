"""The texts of a record that can be edited in place, and the columns with other texts in their places."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from atelier.web import border
from curation.models import Record

MAX_TEXT = 2_000_000


@dataclass(frozen=True)
class Piece:
    """A text of a record that can be edited in place: the name of its input, its label, its place, and its part.

    The part is fields, metadata, chosen, rejected, or the role of its message.
    """

    name: str
    label: str
    path: tuple[Any, ...]
    text: str
    scope: str = ""


def read(record: Record) -> list[Piece]:
    """Return every text of the content: source fields, and the text, thoughts and call arguments of each message."""
    pieces = list(_within("fields", record.fields))
    for column in ("messages", "chosen", "rejected"):
        for index, message in enumerate(getattr(record, column)):
            pieces += _of_message(column, index, message)
    return pieces


def read_metadata(record: Record) -> list[Piece]:
    return list(_within("metadata", record.metadata))


def _within(column: str, value: dict[str, Any]) -> Iterator[Piece]:
    """Yield strings at any depth. Names go by position, for a key can be any text."""
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
        pieces = [Piece(name, label, (*path, "content"), content, scope)]
    else:
        parts = content if isinstance(content, list) else []
        pieces = [
            Piece(f"{name}.{number}", label, (*path, "content", number, kind), part[kind], scope)
            for number, part in enumerate(parts)
            if isinstance(part, dict)
            for kind in ("text", "thinking")
            if isinstance(part.get(kind), str)
        ]
    return pieces + [
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
    """Return copies of the record's columns with other texts at these places; only the columns that have any."""
    columns: dict[str, Any] = {}
    for piece, text in texts:
        column = piece.path[0]
        inner = columns.setdefault(column, copy.deepcopy(getattr(record, column)))
        for step in piece.path[1:-1]:
            inner = inner[step]
        inner[piece.path[-1]] = text
    return columns


def with_texts(record: Record, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of the record with other texts, by the names of their pieces. Raises ValidationError.

    Line ends are normalised, as browsers send others.
    """
    given = [(piece, plain(texts[piece.name])) for piece in read(record) if piece.name in texts]
    return put(record, [(piece, text) for piece, text in given if text != plain(piece.text)])


def plain(text: str) -> str:
    """Return the text with plain line ends. Raises ValidationError for one that cannot be stored."""
    if len(text) > MAX_TEXT:
        raise ValidationError(f"A text can have at most {MAX_TEXT:,} characters. Split the record.")
    return border.text(text).replace("\r\n", "\n").replace("\r", "\n")
