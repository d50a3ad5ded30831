"""Rows that name a record by its key: they change it instead of adding one, and leave its history."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from curation.chat import Problem
from curation.models import Change, Import, Record

CONTENT = ("fields", "messages", "tools", "chosen", "rejected", "metadata")
DERIVED = ("content_hash", "preview", "words", "problems", "problem_count")
REVIEW = ("status", "reviewed_by_id", "reviewed_note")
ACTION = "import"


@dataclass
class Known:
    """A record as it stands while rows are taken over, and the changes that wait to be written."""

    pk: int
    values: dict[str, Any]
    revision: int
    written: dict[str, Any] = field(default_factory=dict)


class Updates:
    """Changes of records by rows of the same key, in the order of the file. Works inside the claim's transaction."""

    def __init__(self, job: Import, status: str) -> None:
        self.job, self.status = job, status
        self.known: dict[str, Known] = {}
        self.changes: list[Change] = []
        self.actor = job.created_by.username if job.created_by else f"import of {job.original_name}"[:120]

    def look(self, keys: set[str]) -> None:
        """Find, and lock, the records with these keys; of several with one key the oldest."""
        names = ("pk", "key", "revision", *CONTENT, *REVIEW, "content_hash")
        rows = Record.objects.present().filter(dataset=self.job.dataset_id, key__in=keys).order_by()
        for row in sorted(rows.select_for_update().values(*names), key=lambda row: row["pk"], reverse=True):
            self.known[row["key"]] = Known(row["pk"], row, row["revision"])

    def take(self, key: str, values: dict[str, Any]) -> Problem | None:
        """Take over one row, given as the column texts of an import; a Problem says that nothing is new in it."""
        known = self.known[key]
        new = {name: orjson.loads(values[name]) for name in CONTENT}
        changed = {name: value for name, value in new.items() if known.values[name] != value}
        if not changed:
            return Problem("unchanged", f"Record {known.pk} has this content already: nothing to change.")
        after = dict(changed)
        if values["content_hash"] != known.values["content_hash"]:
            # Other words were never reviewed by anybody; other metadata alone says nothing about the words.
            review = (self.status, None, self.job.mark_accepted_by)
            after |= {n: v for n, v in zip(REVIEW, review, strict=True) if known.values[n] != v}
            known.written |= {name: values[name] for name in DERIVED}
        known.revision += 1
        self.changes.append(Change(
            record_id=known.pk, dataset_id=self.job.dataset_id, user_id=self.job.created_by_id, actor=self.actor, action=ACTION, imported_by=self.job,
            revision=known.revision, before={name: known.values[name] for name in after}, after=after,
        ))  # fmt: skip
        known.written |= {name: values[name] for name in changed} | {n: after[n] for n in REVIEW if n in after}
        known.values |= after | {"content_hash": values["content_hash"]}
        return None

    def write(self) -> int:
        """All changes so far. Returns how many rows changed a record."""
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        with connection.cursor() as cursor:
            for known in self.known.values():
                if known.written:
                    _update(cursor, known, now)
        Change.objects.bulk_create(self.changes)
        return len(self.changes)


def _update(cursor: Any, known: Known, now: Any) -> None:
    # The texts come as the import made them: Django's own way would read and write their JSON once more.
    json = {*CONTENT, "problems"}
    written = dict(known.written)
    if "content_hash" in written:
        written |= {"is_checked": False, "tokens": None, "answer_tokens": None, "counted_by": None}
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    sets = ", ".join(f"{name} = %s{cast if name in json else ''}" for name in written)
    cursor.execute(
        f"UPDATE curation_record SET {sets}, revision = %s, changed_at = %s WHERE id = %s",  # noqa: S608 - our own names
        [*written.values(), known.revision, now, known.pk],
    )
