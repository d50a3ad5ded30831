"""Pages: what is wrong in a dataset, its near-duplicates, and the checks that find both."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import queue
from curation import bulk as actions
from curation import checking, clusters, problems
from curation.filters import Filters
from curation.models import BulkAction, Check, Dataset
from curation.views import bulk
from curation.views.datasets import crumbs

PAIRS = 50


def _dataset_or_404(request: HttpRequest, project_id: int, dataset_id: int, needs: str = "viewer") -> Dataset:
    return child_or_404(project_or_404(request, project_id, needs=needs).datasets.select_related("project"), dataset_id)


def _tabs(dataset: Dataset, now: str) -> list[dict[str, Any]]:
    args = [dataset.project_id, dataset.pk]
    names = {"problems": "Problems", "duplicates": "Near-duplicates", "leaks": "Across splits"}
    return [
        {"label": label, "url": reverse(f"curation:{name}", args=args), "active": name == now, "count": ""}
        for name, label in names.items()
    ]


def _context(request: HttpRequest, dataset: Dataset, now: str) -> dict[str, Any]:
    part = Check.Part.TEXTS if now == "problems" else Check.Part.DUPLICATES
    return {
        "dataset": dataset,
        "crumbs": crumbs(request.project, dataset),
        "tabs": _tabs(dataset, now),
        "part": part,
        "last": checking.last(dataset, part),
        "can_edit": request.project.role.covers("editor"),
        "can_review": request.project.role.covers("annotator"),
    }


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The problems by their kind."""
    dataset = _dataset_or_404(request, project_id, dataset_id)
    context = {
        "groups": problems.groups(dataset),
        "unchecked": dataset.records.filter(is_checked=False).count(),
        "records": dataset.records.present().exists(),
        "any_checked": dataset.records.present().filter(is_checked=True).exists(),
    }
    return render(request, "curation/check_problems.html", context | _context(request, dataset, "problems"))


@require_http_methods(["GET", "POST"])
def mend(request: HttpRequest, project_id: int, dataset_id: int, code: str) -> HttpResponse:
    """What mending one kind of problem would do; its POST does it for every record, as a bulk action that can be undone."""
    dataset = _dataset_or_404(request, project_id, dataset_id, needs="editor")
    group = next((group for group in problems.groups(dataset) if group.code == code and group.mendable), None)
    if group is None:
        raise Http404("No record has such a problem, or it cannot be mended.")
    if request.method == "POST":
        try:
            chosen = Filters.read({"q": group.query})
            job = actions.begin(dataset, request.user, BulkAction.Action.MEND, chosen, options={"codes": [code]})
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("curation:problems", project_id, dataset_id)
        return bulk.started(request, job)
    context = {"group": group, "shown": problems.preview(dataset, code)}
    return render(request, "curation/check_mend.html", context | _context(request, dataset, "problems"))


@require_GET
def duplicates(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The groups of records that are nearly the same."""
    dataset = _dataset_or_404(request, project_id, dataset_id)
    rows = clusters.page(dataset, _whole(request.GET.get("after")))
    next_url = f"{request.path}?after={rows[-1]['cluster']}" if len(rows) == clusters.PAGE else None
    context = {"rows": rows, "next_url": next_url}
    return render(request, "curation/check_duplicates.html", context | _context(request, dataset, "duplicates"))


@require_GET
def leaks(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Near-duplicates whose records stand in different splits."""
    dataset = _dataset_or_404(request, project_id, dataset_id)
    found = problems.pairs(dataset, crossing=True, after=_whole(request.GET.get("after")))
    rows = list(found[: PAIRS + 1])
    next_url = f"{request.path}?after={rows[PAIRS - 1].pk}" if len(rows) > PAIRS else None
    context = {"rows": rows[:PAIRS], "next_url": next_url}
    return render(request, "curation/check_leaks.html", context | _context(request, dataset, "leaks"))


def _whole(given: str | None) -> int:
    """A place in a list from the address; what is none is the beginning."""
    return int(given) if given and given.isascii() and given.isdigit() and len(given) < 19 else 0


@require_http_methods(["GET", "POST"])
def cluster(request: HttpRequest, project_id: int, dataset_id: int, cluster_id: int) -> HttpResponse:
    """One group side by side; its POST keeps one record and rejects the others, which can be undone."""
    needs = "annotator" if request.method == "POST" else "viewer"
    dataset = _dataset_or_404(request, project_id, dataset_id, needs=needs)
    if request.method == "POST":
        ids = clusters.others(dataset, cluster_id, _whole(request.POST.get("keep")))
        if not ids:
            messages.error(request, "That record is not in this group any more: look again.")
            return redirect("curation:duplicates", project_id, dataset_id)
        job = actions.begin(dataset, request.user, BulkAction.Action.REJECT, Filters.read({"ids": ids}))
        return bulk.started(request, job)
    shown = clusters.members(dataset, cluster_id)
    if not shown:
        raise Http404("There is no such group of near-duplicates.")
    size = dataset.records.present().filter(cluster=cluster_id).count()
    context = {"shown": shown, "size": size, "cluster": cluster_id, "more": size - len(shown)}
    return render(request, "curation/check_cluster.html", context | _context(request, dataset, "duplicates"))


# --- the jobs ------------------------------------------------------------------------------------


@require_POST
def start(request: HttpRequest, project_id: int, dataset_id: int, part: str) -> HttpResponse:
    dataset = _dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        job = checking.begin(dataset, request.user, part, everything="everything" in request.POST)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("curation:problems", project_id, dataset_id)
    queue.wake(job)
    return redirect("curation:check", project_id, job.pk)


def _job_or_404(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Check:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.checks.select_related("dataset", "project", "created_by"), pk)


@require_GET
def job(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(request, "curation/check.html", _job_context(request, _job_or_404(request, project_id, pk)))


def _job_context(request: HttpRequest, job: Check) -> dict[str, Any]:
    args = [job.project_id, job.pk]
    results = {Check.Part.TEXTS: "problems", Check.Part.MAP: "pictures"}.get(job.part, "duplicates")
    results_url = reverse(f"curation:{results}", args=[job.project_id, job.dataset_id])
    found = "See the map" if job.part == Check.Part.MAP else "See what was found"
    return {
        "job": job,
        "crumbs": crumbs(request.project, job.dataset),
        "can_edit": request.project.role.covers("editor"),
        "poll_url": reverse("curation:check_progress", args=args),
        "results_url": results_url,
        "found": found,
        "next_line": format_html('Next: <a href="{}">{}</a>.', results_url, found[0].lower() + found[1:])
        if job.is_over
        else "You can leave this page: it goes on.",
        **{f"{move}_url": reverse("curation:check_move", args=[*args, move]) for move in ("cancel", "pause", "resume")},
    }


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    response = render(request, "partials/progress.html", _job_context(request, job))
    if job.is_over:
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    job = _job_or_404(request, project_id, pk, needs="editor")
    if not {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}[move]():
        messages.error(request, "There is nothing left to do." if move == "resume" else "It was over already.")
    elif move == "resume":
        queue.wake(job)
    if request.htmx:
        job.refresh_from_db()
        return render(request, "partials/progress.html", _job_context(request, job))
    return redirect("curation:check", project_id, pk)
