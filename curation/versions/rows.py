"""The rows of a version: read in batches without making model instances, and written canonically.

Canonical is what two databases agree on: keys sorted, and numbers as both return them. PostgreSQL keeps JSON's numbers
as decimals, so 1e+16 comes back as an integer and -0.0 as 0.0.
"""

import hashlib
import re
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from django.db import models
from django.db.models.functions import Cast

from atelier.jobs.claims import JobFailed
from curation.models import Record
from curation.models.datasets import Dataset

BATCH = 1000  # so that its entries are written within the quarter of a second that a lock may last
CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
PLAIN = (
    "pk", "revision", "content_hash", "source_group", "words", "status", "language", "origin", "imported_by_id",
    "reviewed_by_id", "reviewed_note", "tokens", "answer_tokens", "counted_by",
)  # fmt: skip
JSON = ("messages", "tools", "metadata", "labels", "problems")
ANSWERS = ("chosen", "rejected")
ODD_NUMBER = re.compile(r"\d[eE][+-]?\d|-0\.0")
ID = 16  # digits of the content's hash that make a row's id
FROM_INTEGER = 1e16  # floats from here on are written with an exponent
TO_INTEGER = 2.0**63


class FrozenRow(NamedTuple):
    """A record of a version: what is written, and what is counted."""

    pk: int
    revision: int
    content_hash: str
    source_group: str
    words: int
    status: str
    language: str
    origin: str
    imported_by_id: int | None
    reviewed_by_id: int | None
    reviewed_note: str
    tokens: int | None
    answer_tokens: int | None
    counted_by: int | None
    messages: list[Any]
    tools: list[Any]
    metadata: dict[str, Any]
    labels: list[str]
    problems: list[dict[str, Any]]
    chosen: list[Any]
    rejected: list[Any]

    def content(self, kind: str) -> dict[str, Any]:
        """Return what a version keeps: the content, its labels and metadata, and an id made from the content."""
        row: dict[str, Any] = {"id": self.content_hash[:ID], "metadata": self.metadata}
        if kind == Dataset.Kind.PREFERENCES:
            row |= {"prompt": self.messages, "chosen": self.chosen, "rejected": self.rejected}
        else:
            row["messages"] = self.messages
        if self.tools:
            row["tools"] = self.tools
        if self.labels:
            row["labels"] = self.labels
        return row

    def line(self, kind: str) -> bytes:
        """Return the row as it is in the file. Raises JobFailed when it cannot be written as JSON."""
        try:
            return orjson.dumps(self.content(kind), option=CANONICAL)
        except orjson.JSONEncodeError as error:
            raise JobFailed(
                f"Record {self.pk} cannot be written as JSON ({error}). Fix or reject it, then retry."
            ) from error


def digest(line: bytes) -> int:
    """Return 64 bits of a line's hash, as the signed integer that both databases store."""
    return int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "big", signed=True)


def batches(pks: "array[int]", kind: str) -> Iterator[list[FrozenRow]]:
    """Yield the records of these ids in order, without those that were deleted since."""
    names = (*JSON, *ANSWERS) if kind == Dataset.Kind.PREFERENCES else JSON
    raw = {f"raw_{name}": Cast(name, models.TextField()) for name in names}
    for at in range(0, len(pks), BATCH):
        ids = pks[at : at + BATCH].tolist()
        found = Record.objects.present().filter(pk__in=ids).order_by("pk").annotate(**raw)
        yield [_row(values) for values in found.values_list(*PLAIN, *raw)]


def _row(values: tuple[Any, ...]) -> FrozenRow:
    at = len(PLAIN)
    texts = values[at:]
    try:
        messages, tools, metadata, labels, problems, *answers = [
            _loads(text, careful=place in (1, 2) or "tool_calls" in text) for place, text in enumerate(texts)
        ]
    except orjson.JSONDecodeError as error:
        raise JobFailed(
            f"Record {values[0]} has a value that JSON can't store ({error}). Fix or reject it, then retry."
        ) from error
    return FrozenRow(*values[:at], messages, tools, metadata, labels, problems, *(answers or ([], [])))


def _loads(text: str, careful: bool) -> Any:
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    value = orjson.loads(text)
    return _agreed(value) if careful and ODD_NUMBER.search(text) else value


def _agreed(value: Any) -> Any:
    """Return the value with the numbers that both databases agree on."""
    if isinstance(value, dict):
        return {key: _agreed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_agreed(inner) for inner in value]
    if isinstance(value, float):
        return int(value) if FROM_INTEGER <= abs(value) < TO_INTEGER else value + 0.0
    return value
