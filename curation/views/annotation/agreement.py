"""Pages of inter-annotator agreement in a dataset, and the job that measures it if there are many answers."""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from curation.access import dataset_or_404
from curation.annotation import agreement
from curation.models import AgreementReport
from curation.views.annotation.tabs import frame


def day(text: str) -> date | None:
    """Return a day as forms send it; None for anything else."""
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
    if agreement.is_small(dataset, since, until):
        figures: dict[str, Any] = agreement.figures(dataset, since, until)
    else:
        report, newest = agreement.last_done(dataset, since, until), agreement.last(dataset, since, until)
        figures = report.figures if report else {}
        context |= {"many": True, "report": report, "running": newest if newest and newest.is_live else None}
    return render(request, "curation/annotation/agreement.html", context | _shown(figures))


def _shown(figures: dict[str, Any]) -> dict[str, Any]:
    if not figures:
        return {"figures": None}
    for question in figures["questions"]:
        question["main_measure"] = next(one for one in question["measures"] if one["name"] == question["main"])
        question["matrix"] = _matrix(figures["people"], question["pairs"])
        question["chart"] = _chart(question["weeks"])
    return {"figures": figures}


def _matrix(people: list[str], pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a person, with a cell for each person: None on the diagonal and for pairs without a common record."""
    by_names = {(pair["a"], pair["b"]): pair for pair in pairs}
    met = [name for name in people if any(name in key for key in by_names)]
    return [
        {"name": name, "cells": [by_names.get((name, other)) or by_names.get((other, name)) for other in met]}
        for name in met
    ]


def _chart(weeks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the percent by week, as `partials/chart.html` takes it; a week is named by its Monday."""
    if not weeks:
        return None
    mondays = [date.fromisoformat(week["week"]) for week in weeks]
    places = [(monday - mondays[0]).days // 7 for monday in mondays]
    points = [[place, round(100 * week["percent"], 1)] for place, week in zip(places, weeks, strict=True)]
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
    job = agreement.begin(dataset, request.user, day(request.GET.get("since", "")), day(request.GET.get("until", "")))
    queue.wake(job)
    return redirect("curation:agreement_report", project_id, job.pk)


@require_GET
def report(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, AgreementReport, project_id, pk)
    return render(request, "curation/annotation/agreement_report.html", _job_context(request, job))


def _job_context(request: HttpRequest, job: AgreementReport) -> dict[str, Any]:
    chosen = urlencode({name: value for name, value in (("since", job.since), ("until", job.until)) if value})
    results = reverse("curation:agreement", args=[job.project_id, job.dataset_id]) + (f"?{chosen}" if chosen else "")
    return frame(request, job.dataset, "agreement") | {
        "job": job,
        "results_url": results,
        "next_line": format_html('Next: <a href="{}">see the results</a>.', results)
        if job.is_over
        else "You can leave this page; the measurement continues.",
        **addresses(job),
    }


@require_GET
def report_progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, AgreementReport, project_id, pk)
    return polled(request, job, _job_context(request, job))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    job = job_or_404(request, AgreementReport, project_id, pk, needs="editor")
    return moved(request, job, move, _job_context)
