"""A batch of an import's rows: read into what records hold, added with their search text, and what was refused of them."""

from collections import Counter
from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple, Protocol, Self

import orjson
from django.db import connection
from django.utils import timezone

from atelier.characters import WITH_NUL
from curation.chat import Problem
from curation.formats import Draft, Mapping, RowError, SourceRow
from curation.formats.readers.rows import Note, NoteCounts
from curation.imports.columns import ColumnCounts, ColumnReader
from curation.models import Change, Import, ImportIssue, Record
from curation.records import derived, store
from curation.records.store import COLUMNS
from curation.search.dialect import dialect

RAW = 100_000  # characters of a row that are kept, so that it can be fixed
REPEATED_NAMED = 5  # of the IDs that came again
HASH, PREVIEW, KEY = (COLUMNS.index(name) for name in ("content_hash", "preview", "key"))


class ImportedRow(NamedTuple):
    """A row that is ready to be written: the record's values in the order of COLUMNS, and its text for SQLite's search."""

    line: int
    values: tuple[Any, ...]
    text: str
    file: str
    contents: Any = None  # what its writer writes beside the record

    @property
    def key(self) -> str:
        return str(self.values[KEY])

    @property
    def content_hash(self) -> str:
        return str(self.values[HASH])

    @property
    def preview(self) -> str:
        return str(self.values[PREVIEW])


class Writer(Protocol):
    """How the rows of an import are read and written; one writer has all its batches."""

    size: int  # rows in a batch
    origin: str  # of the records
    asks_database: bool  # while it reads, so that no batch is read while another is written

    def read(self, batch: "RowBatch", row: SourceRow) -> ImportedRow:
        """Make a row ready to be written. Raises RowError."""
        ...

    def write(self, batch: "RowBatch") -> tuple[int, int]:
        """Write what the batch took. Returns how many rows added a record, and how many changed one."""
        ...

    def counters(self) -> dict[str, Any]:
        """Return what the job stores of the batches so far, in the transaction of the last."""
        ...


class RowBatch:
    """A batch of rows to import. `take` needs no database and holds no lock; `write` runs inside the claim's transaction."""

    def __init__(self, job: Import, writer: Writer) -> None:
        self.job, self.dataset = job, job.dataset
        so_far = job.source if job.done else {}
        account = so_far.get("account", {})
        self.mapping = Mapping.from_json(job.mapping)
        self.columns = ColumnReader(self.mapping, job.source.get("columns", ()), account.get("late", {}))
        self.status = Record.Status.ACCEPTED if job.mark_accepted_by else Record.Status.NEW
        self.writer = writer
        # Of all batches that were written; what a batch counts joins them when it is.
        self.noted = NoteCounts(so_far.get("row_counts", ()))
        self.counted = ColumnCounts(account.get("columns", {}), account.get("other_values", 0))
        self.totals: dict[str, Any] = {"read": job.done, "again": 0, "there": 0, "first_again": []}
        self.totals |= {name: account[name] for name in self.totals if name in account}
        self.now: Any = None  # when its rows were taken, as the database has it
        self.rows: list[ImportedRow] = []
        self.to_note: list[SourceRow] = []
        self.issues: list[ImportIssue] = []
        self.taken = 0
        self.counts = ColumnCounts()
        self.late: dict[str, Any] = {}

    def next(self, rows: Iterator[list[SourceRow]]) -> Self | None:
        """Return the next batch, taken; None if there are no more rows. The job's counters are shared by all."""
        if (chunk := next(rows, None)) is None:
            return None
        taken = copy(self)
        taken.take(chunk)
        return taken

    def take(self, rows: list[SourceRow]) -> None:
        """Map and check rows; a problem of one never stops the others."""
        self.rows, self.issues, self.counts, self.taken = [], [], ColumnCounts(), len(rows)
        self.to_note = [row for row in rows if row.notes]
        self.now = connection.ops.adapt_datetimefield_value(timezone.now())
        for row in rows:
            if row.data is not None:
                self.counts.add(row.data)
            try:
                self.rows.append(self.writer.read(self, row))
            except RowError as error:
                raw = row.raw or _raw(row.data)
                self.refuse(row.line, ImportIssue.Outcome.FAILED, error.problem, raw, row.file)
        self.late = self.columns.late_json()  # as of this batch: the next is read before this one is written

    def draft(self, row: SourceRow) -> Draft:
        """The row as the mapping reads it. Raises RowError."""
        if row.data is None:
            raise RowError(row.problem or Problem("empty", "The row is empty."))
        draft = self.columns.apply(row.data, row.line, row.file)
        if draft.notes:
            self.to_note.append(row._replace(notes=tuple(Note("mapped", text) for text in draft.notes)))
        return draft

    def ready(
        self, draft: Draft, row: SourceRow, labels: str = "[]", revision: int = 1, contents: Any = None
    ) -> ImportedRow:
        """The row with all that follows from its draft. Raises RowError for what no database can hold."""
        content = tuple(
            _json((draft.fields, draft.messages, draft.tools, draft.chosen, draft.rejected, draft.metadata))
        )
        digest, group, split, preview, words, problems, text = derived.columns(
            draft, self.dataset, searched=dialect.FOLLOWS_TEXTS
        )
        values = (
            *content, orjson.dumps(problems).decode() if problems else "[]", labels, self.dataset.pk, self.status, self.job.mark_accepted_by,
            digest, group, split, _clean(draft.key), preview, words, len(problems), "", False, revision, self.job.pk, row.line, self.writer.origin,
            self.now, self.now,
        )  # fmt: skip
        return ImportedRow(row.line, values, text, row.file, contents)

    def write(self, keep_issues: bool = True) -> None:
        """Write records, their search text, and issues.

        They are counted on the job, which the caller stores in the same transaction.
        """
        if keep_issues and (keys := {row.key for row in self.rows} - {""}):
            self._count_repeated(keys)
        added, updated = self.writer.write(self)
        if keep_issues:
            ImportIssue.objects.bulk_create(self.issues)
        outcomes = Counter(issue.outcome for issue in self.issues)
        self.job.ok += added + updated
        self.job.updated += updated
        self.job.failed += outcomes[ImportIssue.Outcome.FAILED]
        self.job.skipped += outcomes[ImportIssue.Outcome.SKIPPED]
        self.totals["read"] += self.taken
        self.counted.merge(self.counts)
        for row in self.to_note:
            self.noted.add(row)

    def _count_repeated(self, keys: set[str]) -> None:
        """Count the rows whose ID an earlier row of the file had, and those whose ID a record had before the import."""
        # Said twice, so that SQLite knows that its index, which has no empty keys, will do.
        records = self.dataset.records.filter(key__in=keys, deleted_at=None).exclude(key="").order_by()
        there = list(records.values_list("key", "pk", "imported_by_id"))
        changed = set()
        if self.job.update_by_key and there:
            changes = Change.objects.filter(record__in=[pk for _, pk, _ in there], imported_by=self.job)
            changed = set(changes.values_list("record_id", flat=True))
        seen = {key for key, pk, by in there if by == self.job.pk or pk in changed}
        before = {key for key, _, _ in there} - seen
        for row in self.rows:
            if row.key in seen:
                self.totals["again"] += 1
                if len(self.totals["first_again"]) < REPEATED_NAMED:
                    self.totals["first_again"].append([row.key[:60], row.line])
            elif row.key in before:
                self.totals["there"] += 1
            seen |= {row.key} - {""}

    def account(self, source: dict[str, Any]) -> dict[str, Any]:
        """Return the job's source with what is known of its rows so far, to be stored with this batch."""
        columns = {"columns": self.counted.counts, "other_values": self.counted.others, "late": self.late}
        noted = {"row_notes": list(self.noted.sentences()), "row_counts": self.noted.to_json()}
        return source | {"account": self.totals | columns} | (noted if self.noted.found else {})

    def insert(self, rows: list[ImportedRow]) -> None:
        """Add records with their search text."""
        if not rows:
            return
        with connection.cursor() as cursor:
            store.insert(cursor, [row.values for row in rows])
        dialect.add_imported(self.job.pk, [(row.line, row.text) for row in rows])

    def refuse(self, line: int, outcome: str, problem: Problem, raw: str, file: str = "") -> None:
        """Note what was not, or not wholly, taken of a line."""
        self.issues.append(ImportIssue(
            parent_id=self.job.pk, line=line, outcome=outcome, code=problem.code[:40], message=_clean(problem.message)[:500],
            raw=_clean(raw[:RAW]), file=_clean(file)[:300],
        ))  # fmt: skip


def _json(content: tuple[Any, ...]) -> Iterator[str]:
    """Yield the columns as JSON text. Raises RowError for what no database can hold."""
    for value in content:
        if not value:
            yield "{}" if isinstance(value, dict) else "[]"
            continue
        try:
            text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
        except (TypeError, RecursionError) as error:
            raise RowError(
                Problem(
                    "not_storable",
                    f"This row has a value that JSON can't store ({str(error)[:100]}). Fix it and import the row again.",
                )
            ) from error
        # Without its escaped backslashes, JSON that still says \u0000 means the character.
        if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
            raise RowError(Problem("nul", f"The row {WITH_NUL}"))
        yield text


def _raw(data: Any) -> str:
    """Return a row as JSON; empty if none was read."""
    if data is None:
        return ""
    try:
        return orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):
        return repr(data)


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
