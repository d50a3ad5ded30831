"""The rows that an import did not take: the table with its filter, and the whole of it as a file."""

from typing import Any

import orjson
from django.contrib import messages
from django.db.models import Count
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods

from atelier.accounts.access import child_or_404, project_or_404
from curation import rejected_rows
from curation.chat import Problem
from curation.formats.table_writers import write_csv
from curation.models import Import, ImportIssue
from curation.models.imports import WHOLE_FILE
from curation.views.downloads import download

SIZE = 50
COLUMNS = ("line", "outcome", "code", "message", "raw", "file", "record")


def issue_table(request: HttpRequest, job: Import) -> dict[str, Any]:
    """One page of the issues by line, and the filter's choices with their counts."""
    code, after = request.GET.get("code", "")[:40], request.GET.get("after", "")
    rows = job.issues.filter(code=code) if code else job.issues.all()
    rows = rows.defer("raw").annotate(beginning=Left("raw", 600))
    # The line is the key of the page: whatever is no number begins at the first one.
    rows = rows.filter(line__gt=int(after)) if after.isdecimal() and len(after) < 19 else rows
    shown = list(rows.order_by("line")[: SIZE + 1])
    codes = job.issues.order_by("code").values_list("code").annotate(Count("pk"))
    codes = list(codes)
    options = [
        ("", f"All ({sum(count for _, count in codes):,})"),
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
        "can_mend": request.project.role.covers("editor")
        and job.status != Import.Status.RUNNING
        and not job.source.get("tool"),
        "heading": _heading({name for name, _ in codes}, bool(job.source.get("tool"))),
        "missing": job.done - job.ok - job.failed - job.skipped,
    }


def _heading(codes: set[str], moved: bool) -> str:
    """What the rows of the list have in common."""
    if codes == {"unchanged"}:
        return "Rows that changed nothing"
    more = ", or in part" if moved else ", or changed nothing" if "unchanged" in codes else ""
    return f"Rows that were not taken{more}"


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
    rows = job.issues.order_by("line").values(*COLUMNS).iterator(chunk_size=100)
    name = f"import-{job.pk}-rows-not-taken.{form}"
    if form == "csv":
        lines = ({key: str("" if value is None else value) for key, value in row.items()} for row in rows)
        return download(write_csv(lines, safe=True), name, "text/csv")
    return download((orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows), name)


@require_http_methods(["GET", "POST"])
def mend(request: HttpRequest, project_id: int, pk: int, issue_id: int) -> HttpResponse:
    """One row that was refused: changed as its columns or as JSON, and imported under the line it came from."""
    project = project_or_404(request, project_id, needs="editor")
    job = child_or_404(project.imports.select_related("dataset", "project"), pk)
    issue = child_or_404(job.issues.select_related("parent", "record"), issue_id)
    columns, text = rejected_rows.columns_of(issue), rejected_rows.text_of(issue)
    problem = Problem(issue.code, issue.message)
    if request.method == "POST":
        columns, text, data = _written(request, columns, text)
        found = data if isinstance(data, Problem) else rejected_rows.take(issue, data)
        if found is None:
            return _taken(request, job, issue)
        problem = found
    context = {
        "job": job, "issue": issue, "problem": problem, "text": text,
        "columns": [(number, name, cell) for number, (name, cell) in enumerate(columns)] if columns else None,
        "crumbs": [("Data", reverse("curation:data", args=[project_id])), (job.original_name, _page_of(job))],
        "following": _following(job, issue.line),
    }  # fmt: skip
    part = "#mend" if request.htmx and request.method == "POST" else ""
    status = 422 if request.method == "POST" else 200
    return render(request, "curation/import_mend.html" + part, context, status=status)


def _written(request: HttpRequest, columns: Any, text: str) -> tuple[Any, str, dict[str, Any] | Problem]:
    """What the person sent, as it is shown again, and the row that it means."""
    if columns is None or "text" in request.POST:
        text = request.POST.get("text", "")
        return None, text, rejected_rows.read_text(text)
    names = [name for name, _ in columns]
    cells = [request.POST.get(f"column.{number}", "").replace("\r\n", "\n") for number in range(len(names))]
    columns = list(zip(names, cells, strict=True))
    return columns, text, dict(columns)


def _page_of(job: Import) -> str:
    return reverse("curation:import", args=[job.project_id, job.pk])


def _following(job: Import, line: int) -> ImportIssue | None:
    """The next row that waits to be mended."""
    waiting = job.issues.filter(outcome=ImportIssue.Outcome.FAILED, record=None).exclude(code=WHOLE_FILE)
    return waiting.filter(line__gt=line).order_by("line").first()


def _taken(request: HttpRequest, job: Import, issue: ImportIssue) -> HttpResponse:
    """On to the next row that waits, or back to the import."""
    following = _following(job, issue.line)
    messages.success(request, f"Line {issue.line} is imported.")
    args = [job.project_id, job.pk]
    address = reverse("curation:mend_issue", args=[*args, following.pk]) if following else _page_of(job)
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
