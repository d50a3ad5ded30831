"""Pages of a dataset's problems, its near-duplicates, and the checks that find both."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web import border
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation import bulk as actions
from curation.access import dataset_or_404
from curation.models import BulkAction, Check, Dataset
from curation.quality import clusters, jobs, problems
from curation.quality import duplicates as near
from curation.quality.minhash import THRESHOLD
from curation.search.filters import Filters
from curation.views.bulk import pages as bulk_pages
from curation.views.crumbs import crumbs

PAIRS = 50


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
        "last": jobs.last(dataset, part),
        "can_edit": request.project.role.covers("editor"),
        "can_review": request.project.role.covers("annotator"),
    }


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the problems by their kind."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    context = {
        "groups": problems.groups(dataset),
        "unchecked": dataset.records.filter(is_checked=False).count(),
        "records": dataset.records.present().exists(),
        "any_checked": dataset.records.present().filter(is_checked=True).exists(),
    }
    return render(request, "curation/quality/problems.html", context | _context(request, dataset, "problems"))


@require_GET_POST
def fix(request: HttpRequest, project_id: int, dataset_id: int, code: str) -> HttpResponse:
    """Show what fixing one kind of problem would do; the POST fixes every record, as a bulk action that can be undone."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    group = next((group for group in problems.groups(dataset) if group.code == code and group.fixable), None)
    if group is None:
        raise Http404("No record has this problem, or it cannot be fixed automatically.")
    if request.method == "POST":
        try:
            chosen = Filters.read({"q": group.query})
            job = actions.begin(dataset, request.user, BulkAction.Action.FIX, chosen, options={"codes": [code]})
        except ValidationError as error:
            say_error(request, error)
            return redirect("curation:problems", project_id, dataset_id)
        return bulk_pages.started(request, job)
    context = {"group": group, "shown": problems.preview(dataset, code)}
    return render(request, "curation/quality/fix.html", context | _context(request, dataset, "problems"))


@require_GET
def duplicates(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the groups of near-duplicates."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    rows = clusters.page(dataset, _whole(request.GET.get("after")))
    next_url = f"{request.path}?after={rows[-1]['cluster']}" if len(rows) == clusters.PAGE else None
    context = {"rows": rows, "next_url": next_url, "threshold": near.threshold(dataset) or THRESHOLD}
    return render(request, "curation/quality/duplicates.html", context | _context(request, dataset, "duplicates"))


@require_GET
def leaks(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the near-duplicates whose records are in different splits."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    found = problems.pairs(dataset, crossing=True, after=_whole(request.GET.get("after")))
    rows = list(found[: PAIRS + 1])
    next_url = f"{request.path}?after={rows[PAIRS - 1].pk}" if len(rows) > PAIRS else None
    context = {"rows": rows[:PAIRS], "next_url": next_url, "left_out": near.left_out(dataset)}
    return render(request, "curation/quality/leaks.html", context | _context(request, dataset, "leaks"))


def _whole(given: str | None) -> int:
    """Return a place in a list from the URL; the beginning if it is invalid."""
    return border.whole(given) or 0


@require_GET_POST
def cluster(request: HttpRequest, project_id: int, dataset_id: int, cluster_id: int) -> HttpResponse:
    """Show one group side by side; the POST keeps one record and rejects the others, which can be undone."""
    needs = "annotator" if request.method == "POST" else "viewer"
    dataset = dataset_or_404(request, project_id, dataset_id, needs=needs)
    if request.method == "POST":
        ids = clusters.others(dataset, cluster_id, _whole(request.POST.get("keep")))
        if not ids:
            messages.error(request, "This record is no longer in the group. Check again.")
            return redirect("curation:duplicates", project_id, dataset_id)
        job = actions.begin(dataset, request.user, BulkAction.Action.REJECT, Filters.read({"ids": ids}))
        return bulk_pages.started(request, job)
    shown = clusters.members(dataset, cluster_id)
    if not shown:
        raise Http404("This group of near-duplicates does not exist.")
    size = dataset.records.present().filter(cluster=cluster_id).count()
    context = {
        "shown": shown,
        "size": size,
        "cluster": cluster_id,
        "more": size - len(shown),
        "at_once": clusters.AT_ONCE,
    }
    return render(request, "curation/quality/cluster.html", context | _context(request, dataset, "duplicates"))


# --- the jobs ------------------------------------------------------------------------------------


@require_POST
def start(request: HttpRequest, project_id: int, dataset_id: int, part: str) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        job = jobs.begin(
            dataset,
            request.user,
            part,
            everything="everything" in request.POST,
            threshold=_threshold(request.POST.get("threshold", "")),
        )
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:problems", project_id, dataset_id)
    queue.wake(job)
    return redirect("curation:check", project_id, job.pk)


def _threshold(given: str) -> float | None:
    """Return the threshold that a form gives; None for none. Raises ValidationError for what is no number."""
    try:
        return float(given) if given.strip() else None
    except ValueError:
        raise ValidationError("The threshold must be a number between 0.3 and 1, such as 0.5.") from None


@require_GET
def job(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    check = job_or_404(request, Check, project_id, pk)
    return render(request, "curation/quality/check.html", _job_context(request, check))


def _job_context(request: HttpRequest, job: Check) -> dict[str, Any]:
    results = {Check.Part.TEXTS: "problems", Check.Part.MAP: "charts"}.get(job.part, "duplicates")
    results_url = reverse(f"curation:{results}", args=[job.project_id, job.dataset_id])
    label = "See the map" if job.part == Check.Part.MAP else "See the problems"
    return {
        "job": job,
        "crumbs": crumbs(request.project, job.dataset),
        "can_edit": request.project.role.covers("editor"),
        "results_url": results_url,
        "found": label,
        "next_line": format_html('Next: <a href="{}">{}</a>.', results_url, label[0].lower() + label[1:])
        if job.is_over
        else "You can leave this page; the check continues.",
        **addresses(job),
    }


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    check = job_or_404(request, Check, project_id, pk)
    return polled(request, check, _job_context(request, check))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    return moved(request, job_or_404(request, Check, project_id, pk, needs="editor"), move, _job_context)
