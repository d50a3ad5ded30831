"""Pages: downloading a base model, and how far that is."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import project_or_404
from atelier.jobs import queue
from atelier.jobs.pages import END_OF_POLL, addresses, job_or_404, moved
from atelier.web.toasts import say_error
from curation.quality import jobs as quality
from training import catalogue
from training.bases import offers
from training.models import Pull

PROGRESS = "training/bases/pull.html#job"


@require_POST
def start_pull(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    try:
        pull = offers.start_pull(project, request.POST.get("base", ""), request.user)
    except ValidationError as error:
        say_error(request, error)
        return redirect("inference:models", project.pk)
    queue.wake(pull)
    return redirect("training:pull", project.pk, pull.pk)


@require_POST
def count_with(request: HttpRequest, project_id: int) -> HttpResponse:
    """Count the project's records by this base, now and from now on."""
    project = project_or_404(request, project_id, needs="editor")
    slug = request.POST.get("base", "")
    try:
        offers.count_with(project, slug)
    except ValidationError as error:
        say_error(request, error)
    else:
        for check in quality.recount(project, request.user):
            queue.wake(check)
        messages.success(request, f"Records are counted by {offers.title(slug)} from now on. Their checks run again.")
    return redirect("inference:models", project.pk)


@require_GET
def pull(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(request, "training/bases/pull.html", _context(request, job_or_404(request, Pull, project_id, pk)))


@require_GET
def pull_progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The progress of a pull, polled."""
    job = job_or_404(request, Pull, project_id, pk)
    return render(request, PROGRESS, _context(request, job), status=200 if job.is_live else END_OF_POLL)


def _context(request: HttpRequest, job: Pull) -> dict[str, Any]:
    can_edit = request.project.role.covers("editor")
    return {
        "job": job,
        "base": catalogue.load().get(job.slug),
        "can_edit": can_edit,
        "next_line": _next_line(job, can_edit) if job.status == "done" else "",
        **addresses(job),
    }


def _next_line(job: Pull, can_edit: bool) -> str:
    train = reverse("training:new_run" if can_edit else "training:runs", args=[job.project_id])
    models = reverse("inference:models", args=[job.project_id])
    text = 'Next: <a href="{}?base={}">train on a version with this base</a>, or <a href="{}">deploy it</a> to chat with it.'
    return format_html(text, train, job.slug, models)


@require_POST
def pull_move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel a pull, or retry it."""
    return moved(request, job_or_404(request, Pull, project_id, pk, needs="editor"), move, _context, PROGRESS)
