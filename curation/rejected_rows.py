"""Rows that an import did not take: mended by a person, they come in as part of the same import."""

import csv
from typing import Any

import orjson
from django.db import transaction

from atelier.jobs.models import Status
from curation import import_rows
from curation.chat import Problem
from curation.formats import Row
from curation.formats.lines import row_of
from curation.models import Import, ImportIssue, Record
from curation.models.imports import WHOLE_FILE

MAX_TEXT = 2_000_000
TABLES = ("csv", "tsv")
BUSY = Problem("busy", "The import still runs: wait until it ends, or pause it, then mend its rows.")
MOVED = Problem("moved", "This is a task of another tool with its answers: mend it there, export it and move it again.")
NO_ROW = Problem(
    "no-row", "This is a whole file that could not be read, not a row: mend the file and import it by itself."
)
TAKEN = Problem("taken", "Somebody has imported this row already.")


def columns_of(issue: ImportIssue) -> list[tuple[str, str]] | None:
    """A row of a table as (column, cell); None where the row is better mended as JSON."""
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
    """Of a row that was read well and refused later, which is kept as JSON; None for what is no row of this table."""
    try:
        row = orjson.loads(issue.raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(row, dict) or not row.keys() <= set(names) or not all(isinstance(v, str) for v in row.values()):
        return None
    return [(name, row.get(name, "")) for name in names]


def text_of(issue: ImportIssue) -> str:
    """The row as JSON, laid out for reading where it is valid; else as it came."""
    try:
        return orjson.dumps(orjson.loads(issue.raw), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return issue.raw


def read_text(text: str) -> dict[str, Any] | Problem:
    """The row that a person wrote as JSON, or what is wrong with it."""
    if len(text) > MAX_TEXT:
        return Problem("too-long", f"A row may have at most {MAX_TEXT:,} characters here: split it.")
    try:
        row = row_of(1, orjson.loads(text), text.encode("utf-8", "replace"))
    except orjson.JSONDecodeError as error:
        line, column = text.count("\n", 0, error.pos) + 1, error.pos - text.rfind("\n", 0, error.pos)
        return Problem("not-json", f"This is not valid JSON: {error.msg} (line {line}, character {column}).")
    return row.data if row.data is not None else row.problem or TAKEN


def take(issue: ImportIssue, data: dict[str, Any]) -> Problem | None:
    """Import the mended row under the line it came from. A Problem says why it is still refused; then nothing has changed.

    Asked twice, or by two people at once, it comes in once: the import's row is locked, and its issue looked at again.
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
    batch = import_rows.Batch(job)
    batch.take([Row(issue.line, data, file=issue.file)])
    key = str(batch.good[0][2][import_rows.KEY]) if batch.good else ""
    # Issues of the row itself are words for the person now, not further rows of the ledger.
    batch.write(keep_issues=False)
    if batch.issues:
        raise _StillRefused(Problem(batch.issues[0].code, batch.issues[0].message))
    job.failed, job.skipped = before["failed"] - 1, before["skipped"]
    job.line = import_rows.outcome(job)
    job.save(update_fields=["ok", "updated", "failed", "line"])
    found = Record.objects.filter(imported_by=job, import_line=issue.line).first()
    found = found or job.dataset.records.present().filter(key=key).order_by("pk").first()
    issue.record = found
    issue.save(update_fields=["record"])
