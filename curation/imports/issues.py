"""Issues of an import: rows that it refused; fixed by a person, they are imported as part of the same import."""

import csv
from typing import Any

import orjson
from django.db import transaction

from atelier.jobs.models import Status
from curation.chat import Problem
from curation.formats import SourceRow
from curation.formats.readers.jsonl import row_of
from curation.imports import rows as import_rows
from curation.imports.batches import RowBatch
from curation.models import Import, ImportIssue, Record
from curation.models.imports import WHOLE_FILE

MAX_TEXT = 2_000_000
TABLES = ("csv", "tsv")
BUSY = Problem("busy", "The import is still running. Wait until it ends or pause it, then fix its rows.")
MOVED = Problem(
    "moved", "This is a task of another tool with its answers. Fix it there, then export and import it again."
)
NO_ROW = Problem("no-row", "This is a file that could not be read, not a row. Fix the file and import it separately.")
TAKEN = Problem("taken", "This row has already been imported.")


def columns_of(issue: ImportIssue) -> list[tuple[str, str]] | None:
    """Return a row of a table as (column, cell); None if the row is better fixed as JSON."""
    source = issue.parent.source
    names = source.get("columns", [])
    if source.get("format") not in TABLES or not names:
        return None
    if issue.raw.lstrip().startswith("{"):
        return _cells_of(issue, names)
    delimiter = source.get("delimiter") or ","
    cells = next(csv.reader([issue.raw], delimiter=delimiter), [])
    if len(cells) > len(names):
        # What is too much stands in the last column, where a person sees it.
        cells = [*cells[: len(names) - 1], delimiter.join(cells[len(names) - 1 :])]
    return list(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))


def _cells_of(issue: ImportIssue, names: list[str]) -> list[tuple[str, str]] | None:
    """Return the cells of a row that was read well and refused later, from the stored JSON; None for what is no row of this
    table.
    """
    try:
        row = orjson.loads(issue.raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or not row.keys() <= set(names) or not all(isinstance(v, str) for v in row.values()):
        return None
    return [(name, row.get(name, "")) for name in names]


def text_of(issue: ImportIssue) -> str:
    """Return the row as JSON, formatted for reading if it is valid; else as it came."""
    try:
        return orjson.dumps(orjson.loads(issue.raw), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return issue.raw


def read_text(text: str) -> dict[str, Any] | Problem:
    """Return the row that a person wrote as JSON, or what is wrong with it."""
    if len(text) > MAX_TEXT:
        return Problem("too-long", f"A row can have at most {MAX_TEXT:,} characters here. Split it.")
    try:
        row = row_of(1, orjson.loads(text), text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        line, column = text.count("\n", 0, error.pos) + 1, error.pos - text.rfind("\n", 0, error.pos)
        return Problem("not-json", f"This is not valid JSON: {error.msg} (line {line}, character {column}).")
    return row.data if row.data is not None else row.problem or TAKEN


def take(issue: ImportIssue, data: dict[str, Any]) -> Problem | None:
    """Import the fixed row under the line it came from. A Problem states why it is still refused; then nothing has changed.

    Sent twice, or by two people at once, it is imported once: the import's row is locked, and its issue looked at
    again.
    """
    if issue.parent.source.get("tool"):
        return MOVED
    try:
        with transaction.atomic():
            rows = Import.objects.select_for_update(of=("self",)).select_related("dataset", "created_by")
            job = rows.get(pk=issue.parent_id)
            now = ImportIssue.objects.get(pk=issue.pk)
            if job.status in (Status.RUNNING, Status.QUEUED):
                return BUSY
            if now.code == WHOLE_FILE:
                return NO_ROW
            if now.record_id or now.outcome != ImportIssue.Outcome.FAILED:
                return TAKEN
            _import(job, now, data)
    except _StillRefused as refused:
        return refused.problem
    issue.refresh_from_db()
    return None


class _StillRefused(Exception):
    """Rolls back what a refused row may have written."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _import(job: Import, issue: ImportIssue, data: dict[str, Any]) -> None:
    before = {name: getattr(job, name) for name in ("failed", "skipped")}
    batch = RowBatch(job, import_rows.RecordWriter(job))
    batch.take([SourceRow(issue.line, data, file=issue.file)])
    key = batch.rows[0].key if batch.rows else ""
    # Issues of the row itself are words for the person now, not further rows of the ledger.
    batch.write(keep_issues=False)
    if batch.issues:
        raise _StillRefused(Problem(batch.issues[0].code, batch.issues[0].message))
    job.failed, job.skipped = before["failed"] - 1, before["skipped"]
    job.line = import_rows.outcome(job)
    job.save(update_fields=["ok", "updated", "failed", "line"])
    record = Record.objects.filter(imported_by=job, import_line=issue.line).first()
    record = record or job.dataset.records.present().filter(key=key).order_by("pk").first()
    issue.record = record
    issue.save(update_fields=["record"])
