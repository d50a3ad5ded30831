"""Pages: how well people agree in a dataset, and the job that measures it where there are many answers."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import queue
from curation.annotation import agreeing
from curation.models import AgreementReport
from curation.views.annotate_tabs import dataset_or_404, frame


def day(text: str) -> date | None:
    """A day as forms send it; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id)
    since, until = day(request.GET.get("since", "")), day(request.GET.get("until", ""))
    context = frame(request, dataset, "agreement") | {"since": since, "until": until}
    context["query"] = urlencode({name: value for name, value in (("since", since), ("until", until)) if value})
    if agreeing.is_small(dataset, since, until):
        found: dict[str, Any] = agreeing.figures(dataset, since, until)
    else:
        report, newest = agreeing.last_done(dataset, since, until), agreeing.last(dataset, since, until)
        found = report.figures if report else {}
        context |= {"many": True, "report": report, "running": newest if newest and newest.is_live else None}
    return render(request, "curation/agreement.html", context | _shown(found))


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    if not found:
        return {"figures": None}
    for question in found["questions"]:
        question["main_measure"] = next(one for one in question["measures"] if one["name"] == question["main"])
        question["matrix"] = _matrix(found["people"], question["pairs"])
        question["chart"] = _chart(question["weeks"])
    return {"figures": found}


def _matrix(people: list[str], pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a person, with a cell for each person: None on the diagonal and where two never met."""
    by_names = {(pair["a"], pair["b"]): pair for pair in pairs}
    met = [name for name in people if any(name in key for key in by_names)]
    return [
        {"name": name, "cells": [by_names.get((name, other)) or by_names.get((other, name)) for other in met]}
        for name in met
    ]


def _chart(weeks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Percent by week, as `partials/chart.html` takes it; a week is named by its Monday."""
    if not weeks:
        return None
    mondays = [date.fromisoformat(one["week"]) for one in weeks]
    places = [(monday - mondays[0]).days // 7 for monday in mondays]
    points = [[place, round(100 * one["percent"], 1)] for place, one in zip(places, weeks, strict=True)]
    named = [mondays[0] + timedelta(weeks=place) for place in range(places[-1] + 1)]
    return {
        "x": "Week of",
        "y": "Same answer, %",
        "labels": [f"{monday.day} {monday:%b}" for monday in named],
        "series": [{"name": "Same answer", "points": points}],
        "done": True,
    }


@require_POST
def start(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Measure many answers, by a job."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    job = agreeing.begin(dataset, request.user, day(request.GET.get("since", "")), day(request.GET.get("until", "")))
    queue.wake(job)
    return redirect("curation:agreement_report", project_id, job.pk)


def _job_or_404(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> AgreementReport:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.agreementreports.select_related("dataset__project", "project", "created_by"), pk)


@require_GET
def report(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    return render(request, "curation/agreement_report.html", _job_context(request, job))


def _job_context(request: HttpRequest, job: AgreementReport) -> dict[str, Any]:
    args = [job.project_id, job.pk]
    chosen = urlencode({name: value for name, value in (("since", job.since), ("until", job.until)) if value})
    results = reverse("curation:agreement", args=[job.project_id, job.dataset_id]) + (f"?{chosen}" if chosen else "")
    return frame(request, job.dataset, "agreement") | {
        "job": job,
        "poll_url": reverse("curation:agreement_progress", args=args),
        "results_url": results,
        "next_line": format_html('Next: <a href="{}">see what was measured</a>.', results)
        if job.is_over
        else "You can leave this page: it goes on.",
        **{
            f"{move}_url": reverse("curation:agreement_move", args=[*args, move])
            for move in ("cancel", "pause", "resume")
        },
    }


@require_GET
def report_progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    response = render(request, "partials/progress.html", _job_context(request, job))
    if job.is_over:
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    job = _job_or_404(request, project_id, pk, needs="editor")
    if {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}[move]() and move == "resume":
        queue.wake(job)
    if request.htmx:
        job.refresh_from_db()
        return render(request, "partials/progress.html", _job_context(request, job))
    return redirect("curation:agreement_report", project_id, pk)
