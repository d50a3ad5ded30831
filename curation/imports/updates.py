"""Updates of records by imported rows that name them by key: the rows change a record instead of adding one, with history."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection
from django.utils import timezone

from curation.chat import Problem
from curation.models import Change, Import, Record
from curation.models.imports import UNCHANGED
from curation.records import derived, spans, store

CONTENT = ("fields", "messages", "tools", "chosen", "rejected", "metadata")
REVIEW = ("status", "reviewed_by_id", "reviewed_note")
ACTION = "import"


@dataclass
class KeyedRecord:
    """A record as it is during the import, and the changes that wait to be written."""

    pk: int
    values: dict[str, Any]
    revision: int
    written: dict[str, Any] = field(default_factory=dict)
    was: dict[str, Any] = field(default_factory=dict)  # the content before the first change


class Updates:
    """Changes of records by rows of the same key, in the order of the file. Works inside the claim's transaction."""

    def __init__(self, job: Import, status: str) -> None:
        self.job, self.status = job, status
        # Labels that people gave stay, unless a column of the file has the records' labels.
        self.content = (*CONTENT, "labels") if job.mapping.get("labels") else CONTENT
        self.known: dict[str, KeyedRecord] = {}
        self.changes: list[Change] = []
        self.actor = job.created_by.username if job.created_by else f"import of {job.original_name}"[:120]

    def look(self, keys: set[str]) -> None:
        """Find, and lock, the records with these keys; of several with one key the oldest."""
        names = ("pk", "key", "revision", *self.content, *REVIEW, "content_hash")
        rows = Record.objects.present().filter(dataset=self.job.dataset_id, key__in=keys).order_by()
        rows = rows.exclude(key="")  # said twice, so that SQLite takes its index, which has no empty keys
        spans.hold(self.job.dataset_id, rows.values_list("pk", flat=True))
        for row in sorted(rows.select_for_update().values(*names), key=lambda row: row["pk"], reverse=True):
            self.known[row["key"]] = KeyedRecord(row["pk"], row, row["revision"])

    def take(self, key: str, values: dict[str, Any], has_labels: bool) -> Problem | None:
        """Apply one row, given as the column texts of an import; a Problem states that nothing in it is new.

        A row without the column of the labels (`has_labels`) leaves them as they are.
        """
        record = self.known[key]
        new = {name: orjson.loads(values[name]) for name in (self.content if has_labels else CONTENT)}
        changed = {name: value for name, value in new.items() if record.values[name] != value}
        if not changed:
            return Problem("unchanged", UNCHANGED.format(record.pk))
        after = dict(changed)
        if values["content_hash"] != record.values["content_hash"]:
            # Other words were never reviewed by anybody; other metadata alone says nothing about the words.
            review = (self.status, None, self.job.mark_accepted_by)
            after |= {n: v for n, v in zip(REVIEW, review, strict=True) if record.values[n] != v}
            record.written |= {name: values[name] for name in derived.AT_ONCE} | derived.UNREAD
        record.was = {name: record.values[name] for name in changed} | record.was
        record.revision += 1
        self.changes.append(Change(
            record_id=record.pk, dataset_id=self.job.dataset_id, user_id=self.job.created_by_id, actor=self.actor, action=ACTION, imported_by=self.job,
            revision=record.revision, before={name: record.values[name] for name in after}, after=after,
        ))  # fmt: skip
        record.written |= {name: values[name] for name in changed} | {n: after[n] for n in REVIEW if n in after}
        record.values |= after | {"content_hash": values["content_hash"]}
        return None

    def write(self) -> int:
        """Write all changes so far. Returns how many rows changed a record."""
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        # The texts come as the import made them: Django's own way would read and write their JSON once more.
        groups: defaultdict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for record in self.known.values():
            if written := record.written:
                groups[tuple(written)].append((*written.values(), record.revision, now, record.pk))
        for names, rows in groups.items():
            store.update((*names, "revision", "changed_at"), rows)
        Change.objects.bulk_create(self.changes)
        changed = [
            spans.ContentChange(
                Record(pk=record.pk, **{name: record.values[name] for name in spans.COLUMNS}), record.was
            )
            for record in self.known.values()
            if record.was
        ]
        count = spans.follow(self.job.dataset_id, changed)
        self.job.spans_moved += count.moved
        self.job.spans_aside += count.aside
        return len(self.changes)
