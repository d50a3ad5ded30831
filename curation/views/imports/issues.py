"""Pages of an import's rejected rows: the table with its filter, and the whole of it as a file."""

from typing import Any, NamedTuple

import orjson
from django.contrib import messages
from django.db.models import Count
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404
from atelier.files.downloads import download
from atelier.jobs.pages import job_or_404
from atelier.web import border
from atelier.web.methods import require_GET_POST
from curation.chat import Problem
from curation.formats.writers.tables import write_safe_csv
from curation.imports import issues
from curation.models import Import, ImportIssue
from curation.models.imports import WHOLE_FILE

SIZE = 50
COLUMNS = ("line", "outcome", "code", "message", "raw", "file", "record")


def issue_table(request: HttpRequest, job: Import) -> dict[str, Any]:
    """Return one page of the issues by line, and the filter's choices with their counts."""
    code, after = request.GET.get("code", "")[:40], request.GET.get("after", "")
    rows = job.issues.filter(code=code) if code else job.issues.all()
    rows = rows.defer("raw").annotate(beginning=Left("raw", 600))
    # The line is the key of the page: whatever is no number begins at the first one.
    rows = rows.filter(line__gt=place) if (place := border.whole(after)) else rows
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
        "can_fix": request.project.role.covers("editor")
        and job.status != Import.Status.RUNNING
        and not job.source.get("tool"),
        "heading": _heading({name for name, _ in codes}, bool(job.source.get("tool"))),
    }


def _heading(codes: set[str], moved: bool) -> str:
    """Return what the rows of the list have in common."""
    if codes == {"unchanged"}:
        return "Rows without changes"
    more = "or partly imported" if moved else "or unchanged" if "unchanged" in codes else ""
    return f"Rejected rows{more}"


@require_GET
def table(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Import, project_id, pk)
    return render(
        request,
        "curation/imports/issues.html" + ("#issues" if request.htmx else ""),
        {"job": job, **issue_table(request, job)},
    )


@require_GET
def file(request: HttpRequest, project_id: int, pk: int, form: str) -> StreamingHttpResponse:
    """Download all issues: as CSV for spreadsheets, in which no cell is a formula, or as JSON lines, exact."""
    job = job_or_404(request, Import, project_id, pk)
    rows = job.issues.order_by("line").values(*COLUMNS).iterator(chunk_size=100)
    name = f"import-{job.pk}-rows-not-taken.{form}"
    if form == "csv":
        lines = ({key: str("" if value is None else value) for key, value in row.items()} for row in rows)
        return download(write_safe_csv(lines), name, "text/csv")
    return download((orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows), name)


@require_GET_POST
def fix(request: HttpRequest, project_id: int, pk: int, issue_id: int) -> HttpResponse:
    """Show one rejected row, to be changed as its columns or as JSON, and import it under the line it came from."""
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    issue = child_or_404(job.issues.select_related("parent", "record"), issue_id)
    columns, text = issues.columns_of(issue), issues.text_of(issue)
    problem = Problem(issue.code, issue.message)
    if request.method == "POST":
        sent = _sent(request, columns, text)
        columns, text = sent.columns, sent.text
        refused = sent.row if isinstance(sent.row, Problem) else issues.take(issue, sent.row)
        if refused is None:
            return _taken(request, job, issue)
        problem = refused
    context = {
        "job": job, "issue": issue, "problem": problem, "text": text,
        "columns": [(number, name, cell) for number, (name, cell) in enumerate(columns)] if columns else None,
        "crumbs": [("Data", reverse("curation:data", args=[project_id])), (job.original_name, _page_of(job))],
        "following": _following(job, issue.line),
    }  # fmt: skip
    part = "#fix" if request.htmx and request.method == "POST" else ""
    status = 422 if request.method == "POST" else 200
    return render(request, "curation/imports/fix.html" + part, context, status=status)


class SentRow(NamedTuple):
    """A row as a person sent it: its columns or its text, as they are shown again, and the row that they mean."""

    columns: list[tuple[str, str]] | None
    text: str
    row: dict[str, Any] | Problem


def _sent(request: HttpRequest, columns: list[tuple[str, str]] | None, text: str) -> SentRow:
    if columns is None or "text" in request.POST:
        text = request.POST.get("text", "")
        return SentRow(None, text, issues.read_text(text))
    names = [name for name, _ in columns]
    cells = [request.POST.get(f"column.{number}", "").replace("\r\n", "\n") for number in range(len(names))]
    columns = list(zip(names, cells, strict=True))
    return SentRow(columns, text, dict(columns))


def _page_of(job: Import) -> str:
    return reverse("curation:import", args=[job.project_id, job.pk])


def _following(job: Import, line: int) -> ImportIssue | None:
    """Return the next row that waits to be fixed."""
    waiting = job.issues.filter(outcome=ImportIssue.Outcome.FAILED, record=None).exclude(code=WHOLE_FILE)
    return waiting.filter(line__gt=line).order_by("line").first()


def _taken(request: HttpRequest, job: Import, issue: ImportIssue) -> HttpResponse:
    """Redirect to the next row that waits, or back to the import."""
    following = _following(job, issue.line)
    messages.success(request, f"Line {issue.line} was imported.")
    args = [job.project_id, job.pk]
    address = reverse("curation:fix_issue", args=[*args, following.pk]) if following else _page_of(job)
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
