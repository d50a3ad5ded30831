"""Pages of a distillation's ledger, one of its rows, and all of it as a file."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404
from atelier.files.downloads import download
from atelier.jobs.pages import job_or_404
from atelier.web import border
from curation.diffs import word_diff
from curation.distillation import ledger as distillation_ledger
from curation.models import Distillation, Generation

PAGE = 50


def _crumbs(job: Distillation) -> list[tuple[str, str]]:
    return [
        ("Distil", reverse("curation:distil", args=[job.project_id])),
        (job.name, reverse("curation:distillation", args=[job.project_id, job.pk])),
    ]


@require_GET
def ledger(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Distillation, project_id, pk)
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
    return render(request, "curation/distillation/ledger.html" + part, context)


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
    """Return a page by key: its rows, and the keys for the pages before and after it."""
    before, after = (border.whole(request.GET.get(name)) for name in ("before", "after"))
    if before is not None:
        units = list(chosen.filter(pk__lt=before).order_by("-pk")[: PAGE + 1])
        more, rows = len(units) > PAGE, units[:PAGE][::-1]
        return rows, rows[0].pk if more else None, rows[-1].pk if rows else None
    start = after or 0
    units = list(chosen.filter(pk__gt=start).order_by("pk")[: PAGE + 1])
    rows = units[:PAGE]
    return rows, rows[0].pk if rows and start else None, rows[-1].pk if len(units) > PAGE else None


@require_GET
def row(request: HttpRequest, project_id: int, pk: int, unit_id: int) -> HttpResponse:
    """Show one call: prompt, answer, and the word diff between them."""
    job = job_or_404(request, Distillation, project_id, pk)
    unit = child_or_404(job.generations.select_related("record", "result"), unit_id)
    prompt = str(unit.prompt[-1]["content"]) if unit.prompt else ""
    crumbs = [*_crumbs(job), ("Ledger", reverse("curation:ledger", args=[project_id, pk]))]
    return render(
        request,
        "curation/distillation/row.html",
        {
            "job": job,
            "call": unit,
            "asked": prompt,
            "diff": word_diff(prompt, unit.answer),
            "crumbs": crumbs,
            "previous": job.generations.filter(pk__lt=unit.pk).order_by("-pk").values_list("pk", flat=True).first(),
            "following": job.generations.filter(pk__gt=unit.pk).order_by("pk").values_list("pk", flat=True).first(),
        },
    )


@require_GET
def ledger_file(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    job = job_or_404(request, Distillation, project_id, pk)
    return download(distillation_ledger.lines(job), f"distillation-{job.pk}-ledger.jsonl")
