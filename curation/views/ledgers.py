"""Pages: the ledger of a distillation, one of its rows, and all of it as a file."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404, project_or_404
from curation import exporting
from curation.diffs import word_diff
from curation.models import Distillation, Generation
from curation.views.downloads import download

PAGE = 50


def _job_or_404(request: HttpRequest, project_id: int, pk: int) -> Distillation:
    return child_or_404(project_or_404(request, project_id).distillations.select_related("dataset", "target"), pk)


def _crumbs(job: Distillation) -> list[tuple[str, str]]:
    return [
        ("Distil", reverse("curation:distil", args=[job.project_id])),
        (job.name, reverse("curation:distillation", args=[job.project_id, job.pk])),
    ]


@require_GET
def ledger(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in Generation.Outcome.values else ""
    chosen = job.generations.filter(outcome=outcome) if outcome else job.generations.all()
    rows, previous, following = _page(chosen.select_related("record"), request)
    context = {
        "job": job,
        "rows": rows,
        "tabs": _tabs(job, outcome),
        "outcome": outcome,
        "crumbs": _crumbs(job),
        "can_edit": request.project.role.covers("editor"),
        "prev_url": previous and f"?outcome={outcome}&before={previous}",
        "next_url": following and f"?outcome={outcome}&after={following}",
    }
    part = "#rows" if request.htmx and not request.htmx.history_restore_request else ""
    return render(request, "curation/distil_ledger.html" + part, context)


def _tabs(job: Distillation, outcome: str) -> list[dict[str, Any]]:
    counts = dict(job.generations.order_by().values_list("outcome").annotate(rows=Count("pk")))
    named = [
        ("", "All", sum(counts.values())),
        *[
            (name, "OK" if name == "ok" else name.capitalize(), counts.get(name, 0))
            for name in Generation.Outcome.values
        ],
    ]
    return [
        {"label": label, "url": f"?outcome={name}", "active": name == outcome, "count": count}
        for name, label, count in named
    ]


def _page(chosen: QuerySet[Generation], request: HttpRequest) -> tuple[list[Generation], int | None, int | None]:
    """A page by key: its rows, and the keys for the pages before and after it."""
    before, after = (request.GET.get(name, "") for name in ("before", "after"))
    if before.isdigit():
        found = list(chosen.filter(pk__lt=int(before)).order_by("-pk")[: PAGE + 1])
        more, rows = len(found) > PAGE, found[:PAGE][::-1]
        return rows, rows[0].pk if more else None, rows[-1].pk if rows else None
    start = int(after) if after.isdigit() else 0
    found = list(chosen.filter(pk__gt=start).order_by("pk")[: PAGE + 1])
    rows = found[:PAGE]
    return rows, rows[0].pk if rows and start else None, rows[-1].pk if len(found) > PAGE else None


@require_GET
def row(request: HttpRequest, project_id: int, pk: int, unit_id: int) -> HttpResponse:
    """One call: what was asked, what came, and the difference between them word by word."""
    job = _job_or_404(request, project_id, pk)
    unit = child_or_404(job.generations.select_related("record", "result"), unit_id)
    asked = str(unit.prompt[-1]["content"]) if unit.prompt else ""
    crumbs = [*_crumbs(job), ("Ledger", reverse("curation:ledger", args=[project_id, pk]))]
    return render(
        request,
        "curation/distil_row.html",
        {
            "job": job,
            "call": unit,
            "asked": asked,
            "diff": word_diff(asked, unit.answer),
            "crumbs": crumbs,
            "previous": job.generations.filter(pk__lt=unit.pk).order_by("-pk").values_list("pk", flat=True).first(),
            "following": job.generations.filter(pk__gt=unit.pk).order_by("pk").values_list("pk", flat=True).first(),
        },
    )


@require_GET
def ledger_file(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    job = _job_or_404(request, project_id, pk)
    return download(exporting.ledger_lines(job), f"distillation-{job.pk}-ledger.jsonl")
