"""Row batches of an import: rows become records and issues, each batch with its counters in one transaction."""

from collections.abc import Generator, Mapping
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from atelier.jobs.claims import Claim
from curation.chat import Problem
from curation.formats import Source, SourceRow
from curation.imports.batches import ImportedRow, RowBatch, Writer
from curation.imports.columns import labels
from curation.imports.prefetch import ahead
from curation.imports.reader import FileRows
from curation.imports.updates import Updates
from curation.models import ErasedRecord, Import, ImportIssue
from curation.models.imports import SAME_CONTENT
from curation.records.spans import aside_words
from curation.records.store import COLUMNS
from curation.search.dialect import dialect

UPDATES = 150  # rows in a batch that may change records, which costs more than adding them
MERGED = 100  # batches after which the pieces of the search index are made one
BATCH = 400  # so that the database is never locked for a quarter of a second


def run(claim: Claim[Import], path: Path, writer: Writer | None = None) -> None:
    """Read what the ledger does not have yet, and write it as another writer does if one is given. Raises FormatError when the file breaks off."""
    job = claim.job
    batch = RowBatch(job, writer or RecordWriter(job))
    claim.progress(total=job.source.get("rows") or 0, line=f"Reading {job.original_name}")
    dialect.prepare_import()
    takes = _one_by_one if batch.writer.asks_database else _ahead
    with closing(takes(claim, path, batch)) as coming:
        for number, taken in enumerate(coming, 1):
            claim.obey()
            with claim.writing():
                taken.write()
                sums = batch.writer.counters()
                claim.update(**sums | {"source": taken.account(sums.get("source", claim.job.source))})
            claim.keeps_turn = False
            if number % MERGED == 0:
                dialect.merge()
    dialect.settle()
    claim.progress(total=job.done, line=outcome(job))


def _one_by_one(claim: Claim[Import], path: Path, batch: RowBatch) -> Generator[RowBatch, None, None]:
    """Yield batches that are ready to be written, one by one.

    An import from another tool may query the database while taking rows.
    """
    with FileRows(path, Source.from_json(claim.job.source), claim.job.done, batch.writer.size, claim.obey) as rows:
        coming = iter(rows)
        while taken := batch.next(coming):
            yield taken


def _ahead(claim: Claim[Import], path: Path, batch: RowBatch) -> Generator[RowBatch, None, None]:
    """Yield batches that are ready to be written, each made while the one before is written."""
    with FileRows(path, Source.from_json(claim.job.source), claim.job.done, batch.writer.size) as rows:
        coming = iter(rows)

        def look() -> None:
            try:
                claim.obey()
            except BaseException:
                rows.stop()  # or all would wait for the row that the thread waits for
                raise

        batches = ahead(lambda: batch.next(coming), look)
        try:
            yield from batches
        finally:
            rows.stop()
            batches.close()


def counters(job: Import) -> dict[str, int]:
    """Return the totals as they are stored: `done` is where the next attempt resumes."""
    found = {name: getattr(job, name) for name in ("ok", "updated", "failed", "skipped", "spans_moved", "spans_aside")}
    return found | {"done": job.ok + job.failed + job.skipped}


def outcome(job: Import) -> str:
    """Describe the totals as a sentence."""
    parts, skipped = [f"{job.ok:,} of {job.done:,} rows imported"], job.skipped
    if job.update_by_key:
        same = unchanged(job)
        parts = [f"{job.ok - job.updated:,} added, {job.updated:,} updated, {same:,} unchanged of {job.done:,} rows"]
        skipped -= same
    if job.failed:
        parts.append(f"{job.failed:,} failed")
    if skipped:
        parts.append(f"{skipped:,} skipped")
    return ", ".join(parts) + "." + aside_words(job.spans_aside)


def unchanged(job: Import) -> int:
    """Count the rows that named a record which already had their content."""
    return job.issues.filter(code="unchanged").count() if job.update_by_key else 0


class RecordWriter:
    """Rows as records: each adds one, or changes the one that it names by its key."""

    asks_database = False

    def __init__(self, job: Import) -> None:
        self.job = job
        self.size = UPDATES if job.update_by_key else BATCH
        self.origin = f"imported from {job.original_name}"[:200]

    def counters(self) -> dict[str, Any]:
        return counters(self.job)

    def read(self, batch: RowBatch, row: SourceRow) -> ImportedRow:
        draft = batch.draft(row)
        if not batch.mapping.labels:
            return batch.ready(draft, row)
        said = orjson.dumps(labels(batch.mapping, row.data or {})).decode()
        return batch.ready(draft, row, said, contents=batch.mapping.labels in (row.data or {}))

    def write(self, batch: RowBatch) -> tuple[int, int]:
        rows = without_erased(batch, batch.rows)
        if not self.job.update_by_key:
            return self._add(batch, rows), 0
        updates = Updates(self.job, batch.status)
        new, again = _by_key(rows, updates)
        return self._add(batch, new), _update(batch, again, updates) if again else 0

    def _add(self, batch: RowBatch, rows: list[ImportedRow]) -> int:
        if self.job.skip_duplicates:
            rows = _without_duplicates(batch, rows)
        batch.insert(rows)
        return len(rows)


def _by_key(rows: list[ImportedRow], updates: Updates) -> tuple[list[ImportedRow], list[ImportedRow]]:
    """Return the rows that add a record, and those that name one: in the dataset, or earlier in this batch."""
    updates.look({row.key for row in rows} - {""})
    seen, new, again = set(updates.known), [], []
    for row in rows:
        (again if row.key in seen else new).append(row)
        seen |= {row.key} - {""}
    return new, again


def _update(batch: RowBatch, again: list[ImportedRow], updates: Updates) -> int:
    """Return how many of the rows changed a record. One whose first row was skipped as a duplicate is skipped as well."""
    updates.look({row.key for row in again} - set(updates.known))
    for row in again:
        problem: Problem | None = Problem("duplicate", "The first row with this ID was skipped, so this one is too.")
        if row.key in updates.known:
            values = dict(zip(COLUMNS, row.values, strict=True))
            problem = updates.take(row.key, values, has_labels=bool(row.contents))
        if problem:
            batch.refuse(row.line, ImportIssue.Outcome.SKIPPED, problem, row.preview, row.file)
    return updates.write()


def without_erased(
    batch: RowBatch, rows: list[ImportedRow], originals: Mapping[int, str] = MappingProxyType({})
) -> list[ImportedRow]:
    """Return the rows whose content was not erased from the dataset on request. The others are skipped, their text not kept.

    `originals` are hashes by line of contents that come along as the history of a row's own.
    """
    here = ErasedRecord.objects.filter(record__dataset=batch.dataset)
    if not here.exists():  # as in most datasets, where each batch would look for thousands of hashes
        return rows
    hashes = {row.line: (row.content_hash, originals.get(row.line, "")) for row in rows}
    wanted = {digest for both in hashes.values() for digest in both} - {""}
    erased = dict(here.filter(content_hash__in=wanted).values_list("content_hash", "erasure"))
    left = []
    for row in rows:
        if (found := next((erased[digest] for digest in hashes[row.line] if digest in erased), None)) is None:
            left.append(row)
            continue
        problem = Problem("erased", f"Skipped: this content was erased on request (erasure {found}).")
        batch.refuse(row.line, ImportIssue.Outcome.SKIPPED, problem, "", row.file)
    return left


def _without_duplicates(batch: RowBatch, rows: list[ImportedRow]) -> list[ImportedRow]:
    """Return the rows that are not in the dataset yet, nor earlier in this batch.

    The rest is skipped, naming its duplicate.
    """
    # Sorted and narrowed here: asked for an order by id, or for present records, SQLite walks the whole dataset
    # instead of its index of contents.
    twins = batch.dataset.records.filter(content_hash__in={row.content_hash for row in rows}).order_by()
    stored = sorted(twins.values_list("content_hash", "pk", "deleted_at"), key=itemgetter(1), reverse=True)
    there = {digest: pk for digest, pk, deleted_at in stored if deleted_at is None}
    lines: dict[str, int] = {}
    fresh = []
    for row in rows:
        digest = row.content_hash
        twin = f"record {there[digest]}" if digest in there else ""
        twin = twin or (f"line {lines[digest]} of this file" if digest in lines else "")
        if twin:
            problem = Problem("duplicate", SAME_CONTENT.format(twin))
            batch.refuse(row.line, ImportIssue.Outcome.SKIPPED, problem, row.preview, row.file)
        else:
            lines[digest] = row.line
            fresh.append(row)
    return fresh
