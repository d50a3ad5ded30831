"""The inner part of an import: batches of rows into records and issues, each batch with its counters in one transaction."""

from collections.abc import Generator, Iterator
from contextlib import closing
from copy import copy
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import orjson
from django.db import connection
from django.utils import timezone

from atelier.jobs.claims import Claim
from curation import contents, record_rows, search, splits, tallying
from curation.ahead import ahead
from curation.chat import Problem
from curation.formats import Draft, Mapping, Row, RowError, Source, read
from curation.import_updates import Updates
from curation.models import Import, ImportIssue, Record
from curation.record_rows import COLUMNS

CHECKPOINT_PAGES = 12_000  # 48 MB, below the log's size limit
CACHE_KB = 16_000
UPDATES = 150  # rows in a batch that may change records, which costs more than adding them
MERGED = 100  # batches after which the pieces of the search index are made one
BATCH = 400  # so that the database is never locked for a quarter of a second
RAW = 100_000  # characters of a row that are kept, so that it can be mended
HASH, PREVIEW, KEY = (COLUMNS.index(name) for name in ("content_hash", "preview", "key"))
Good = tuple[int, str, tuple[Any, ...], str, str]  # line, hash, values, text for the search, file


def run(claim: Claim[Import], path: Path, batch: "Batch | None" = None) -> None:
    """Read what the ledger does not have yet, into batches of another kind if one is given. Raises FormatError when the file breaks off."""
    job = claim.job
    takes = _ahead if batch is None else _one_by_one
    batch = batch or Batch(job)
    claim.progress(total=job.source.get("rows") or 0, line=f"Reading {job.original_name}")
    if batch.sqlite:
        _prepare_sqlite()
    rows = read(path, Source.from_json(job.source), start=job.done)
    with closing(takes(batch, rows)) as coming:
        for number, taken in enumerate(coming, 1):
            claim.obey()
            with claim.writing():
                taken.write()
                claim.update(**taken.counters())
            if batch.sqlite and number % MERGED == 0:
                search.merge()
    search.settle()
    claim.progress(total=job.done, line=outcome(job))


def _one_by_one(batch: "Batch", rows: Iterator[Row]) -> "Generator[Batch, None, None]":
    """Batches that are ready to be written. What is moved from elsewhere may ask the database while it is taken."""
    while taken := batch.next(rows):
        yield taken


def _ahead(batch: "Batch", rows: Iterator[Row]) -> "Generator[Batch, None, None]":
    """The same, each made while the one before is written."""
    return ahead(lambda: batch.next(rows))


def _prepare_sqlite() -> None:
    """Let SQLite's log grow before it is copied into the database, once a batch would cost as much as the writing; and hold a
    batch's pages in memory, for what does not fit is written twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES:d}")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KB:d}")


def counters(job: Import) -> dict[str, int]:
    """The sums as they are stored: `done` is where the next attempt goes on."""
    found = {name: getattr(job, name) for name in ("ok", "updated", "failed", "skipped")}
    return found | {"done": job.ok + job.failed + job.skipped}


def outcome(job: Import) -> str:
    """The sums, as a sentence."""
    parts, skipped = [f"{job.ok:,} of {job.done:,} rows imported"], job.skipped
    if job.update_by_key:
        same = unchanged(job)
        parts = [f"{job.ok - job.updated:,} added, {job.updated:,} updated, {same:,} unchanged of {job.done:,} rows"]
        skipped -= same
    if job.failed:
        parts.append(f"{job.failed:,} failed")
    if skipped:
        parts.append(f"{skipped:,} skipped")
    return ", ".join(parts) + "."


def unchanged(job: Import) -> int:
    """Rows that named a record which had their content already."""
    return job.issues.filter(code="unchanged").count() if job.update_by_key else 0


class Batch:
    """Rows on their way in. `take` needs no database and holds no lock; `write` runs inside the claim's transaction."""

    def __init__(self, job: Import) -> None:
        self.job, self.dataset = job, job.dataset
        self.mapping = Mapping.from_json(job.mapping)
        self.origin = f"imported from {job.original_name}"[:200]
        self.status = Record.Status.ACCEPTED if job.mark_accepted_by else Record.Status.NEW
        self.sqlite = connection.vendor == "sqlite"
        self.good: list[Good] = []
        self.issues: list[ImportIssue] = []

    @property
    def size(self) -> int:
        return UPDATES if self.job.update_by_key else BATCH

    def counters(self) -> dict[str, Any]:
        """What the job stores of this batch, in the batch's transaction."""
        return counters(self.job)

    def next(self, rows: Iterator[Row]) -> Self | None:
        """The next batch, taken; None when there are no more rows. What the job counts is common to all."""
        if not (chunk := list(islice(rows, self.size))):
            return None
        taken = copy(self)
        taken.take(chunk)
        return taken

    def take(self, rows: list[Row]) -> None:
        """Map and check rows; what is wrong with one never stops the others."""
        self.good, self.issues = [], []
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        for row in rows:
            try:
                self.good.append(self._values(row, now))
            except RowError as error:
                self._issue(row.line, ImportIssue.Outcome.FAILED, error.problem, row.raw or _raw(row.data), row.file)

    def _values(self, row: Row, now: Any) -> Good:
        if row.data is None:
            raise RowError(row.problem or Problem("empty", "The row is empty."))
        return self._of(self.mapping.apply(row.data), row, now)

    def _of(self, draft: Draft, row: Row, now: Any) -> Good:
        group, found = draft.source_group, contents.problems(draft, self.mapping.kind)
        content = (draft.fields, draft.messages, draft.tools, draft.chosen, draft.rejected, draft.metadata)
        values = (
            *_json(content), orjson.dumps(found).decode() if found else "[]", "[]", self.dataset.pk, self.status, self.job.mark_accepted_by,
            draft.content_hash, group, splits.assign(self.dataset.seed, group, self.dataset.shares), _clean(draft.key),
            contents.preview(draft), contents.words(draft), len(found), "", False, 1, self.job.pk, row.line, self.origin, now, now,
        )  # fmt: skip
        text = search.text_of(*content[:2], *content[3:]) if self.sqlite else ""
        return row.line, values[HASH], values, text, row.file

    def write(self, keep_issues: bool = True) -> None:
        """Records, their search text, and issues; counted on the job, which the caller stores in the same transaction."""
        new, again = self._by_key() if self.job.update_by_key else (self.good, [])
        if self.job.skip_duplicates:
            new = self._without_duplicates(new)
        self._insert(new)
        updated = self._update(new, again) if again else 0
        if keep_issues:
            ImportIssue.objects.bulk_create(self.issues)
        failed = sum(issue.outcome == ImportIssue.Outcome.FAILED for issue in self.issues)
        self.job.ok += len(new) + updated
        self.job.updated += updated
        self.job.failed += failed
        self.job.skipped += len(self.issues) - failed

    def _insert(self, good: list[Good]) -> None:
        if not good:
            return
        with connection.cursor() as cursor:
            record_rows.insert(cursor, [values for _, _, values, _, _ in good])
            if self.sqlite:
                tallying.count_imported(cursor, self.job.pk, (good[0][0], good[-1][0]))
                search.add(cursor, self.job.pk, [(line, text) for line, _, _, text, _ in good])

    def _by_key(self) -> tuple[list[Good], list[Good]]:
        """What adds a record, and what names one: in the dataset, or earlier in this batch."""
        self.updates = Updates(self.job, self.status)
        self.updates.look({values[KEY] for _, _, values, _, _ in self.good} - {""})
        seen, new, again = set(self.updates.known), [], []
        for row in self.good:
            key = row[2][KEY]
            (again if key in seen else new).append(row)
            seen |= {key} - {""}
        return new, again

    def _update(self, new: list[Good], again: list[Good]) -> int:
        """How many of the rows changed a record. One whose first row was skipped as a duplicate is skipped as well."""
        self.updates.look({values[KEY] for _, _, values, _, _ in again} - set(self.updates.known))
        for line, _, values, _, file in again:
            key = values[KEY]
            problem = Problem("duplicate", "The first row with this key was skipped, and so is this one.")
            if key in self.updates.known:
                problem = self.updates.take(key, dict(zip(COLUMNS, values, strict=True)))
            if problem:
                self._issue(line, ImportIssue.Outcome.SKIPPED, problem, values[PREVIEW], file)
        return self.updates.write()

    def _without_duplicates(self, good: list[Good]) -> list[Good]:
        """What is not in the dataset yet, nor earlier in this batch; the rest is skipped, naming its twin."""
        # Sorted and narrowed here: asked for an order by id, or for present records, SQLite walks the whole dataset
        # instead of its index of contents.
        twins = self.dataset.records.filter(content_hash__in={digest for _, digest, _, _, _ in good}).order_by()
        found = sorted(twins.values_list("content_hash", "pk", "deleted_at"), key=itemgetter(1), reverse=True)
        there = {digest: pk for digest, pk, deleted_at in found if deleted_at is None}
        lines: dict[str, int] = {}
        kept = []
        for row in good:
            line, digest, values, _, file = row
            twin = f"record {there[digest]}" if digest in there else ""
            twin = twin or (f"line {lines[digest]} of this file" if digest in lines else "")
            if twin:
                problem = Problem("duplicate", f"The same content as {twin}: skipped, as was asked.")
                self._issue(line, ImportIssue.Outcome.SKIPPED, problem, values[PREVIEW], file)
            else:
                lines[digest] = line
                kept.append(row)
        return kept

    def _issue(self, line: int, outcome: str, problem: Problem, raw: str, file: str = "") -> None:
        self.issues.append(ImportIssue(
            parent_id=self.job.pk, line=line, outcome=outcome, code=problem.code[:40], message=_clean(problem.message)[:500],
            raw=_clean(raw[:RAW]), file=_clean(file)[:300],
        ))  # fmt: skip


def _json(content: tuple[Any, ...]) -> Iterator[str]:
    """The columns as JSON text. Raises RowError for what no database can hold."""
    for value in content:
        if not value:
            yield "{}" if isinstance(value, dict) else "[]"
            continue
        try:
            text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
        except (TypeError, RecursionError) as error:
            raise RowError(
                Problem("not_storable", f"The row holds a value that JSON cannot ({str(error)[:100]}): mend it.")
            ) from error
        # Without its escaped backslashes, JSON that still says \u0000 means the character.
        if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
            raise RowError(
                Problem("nul_character", "The row contains a NUL character, which cannot be stored: remove it.")
            )
        yield text


def _raw(data: Any) -> str:
    """A row as JSON; empty where none was read."""
    if data is None:
        return ""
    try:
        return orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):
        return repr(data)


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
