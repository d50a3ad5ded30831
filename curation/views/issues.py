"""The rows that an import did not take: the table with its filter, and the whole of it as a file."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404, project_or_404
from curation.models import Import
from curation.views.downloads import download

SIZE = 50
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
COLUMNS = ("line", "outcome", "code", "message", "raw")


def issue_table(request: HttpRequest, job: Import) -> dict[str, Any]:
    """One page of the issues by line, and the filter's choices with their counts."""
    code, after = request.GET.get("code", "")[:40], request.GET.get("after", "")
    rows = job.issues.filter(code=code) if code else job.issues.all()
    # The line is the key of the page: whatever is no number begins at the first one.
    rows = rows.filter(line__gt=int(after)) if after.isdecimal() and len(after) < 19 else rows
    shown = list(rows.order_by("line")[: SIZE + 1])
    codes = job.issues.order_by("code").values_list("code").annotate(Count("pk"))
    options = [
        ("", f"All ({job.failed + job.skipped:,})"),
        *((name, f"{name.replace('-', ' ').replace('_', ' ')} ({count:,})") for name, count in codes),
    ]
    next_url = (
        f"{request.path}?{urlencode({'code': code, 'after': shown[SIZE - 1].line})}" if len(shown) > SIZE else None
    )
    return {
        "issues": shown[:SIZE],
        "code": code,
        "options": options,
        "next_url": next_url,
        "prev_url": f"{request.path}?{urlencode({'code': code})}" if after else None,
        "missing": job.done - job.ok - job.failed - job.skipped,
    }


def _job_or_404(request: HttpRequest, project_id: int, pk: int) -> Import:
    return child_or_404(project_or_404(request, project_id).imports.select_related("dataset"), pk)


@require_GET
def table(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    return render(
        request,
        "curation/import_issues.html" + ("#issues" if request.htmx else ""),
        {"job": job, **issue_table(request, job)},
    )


@require_GET
def file(request: HttpRequest, project_id: int, pk: int, form: str) -> StreamingHttpResponse:
    """All issues: as CSV for spreadsheets, in which no cell is a formula, or as JSON lines, exact."""
    job = _job_or_404(request, project_id, pk)
    rows = job.issues.order_by("line").values(*COLUMNS).iterator(chunk_size=1000)
    name = f"import-{job.pk}-rows-not-taken.{form}"
    if form == "csv":
        return download(_csv(rows), name, "text/csv")
    return download((orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows), name)


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield _line(COLUMNS)
    for row in rows:
        yield _line([safe_cell(row[name]) for name in COLUMNS])


def _line(cells: Iterable[Any]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def safe_cell(value: Any) -> Any:
    """A quote before what a spreadsheet would take for a formula (OWASP ASVS 1.2.10)."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value
