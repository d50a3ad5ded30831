"""Pages of fetching base models."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import queue
from training import bases, catalogue
from training.models import Pull

END_OF_POLL = 286
MOVES = {"cancel": Pull.cancel, "resume": Pull.enqueue}


@require_POST
def start_pull(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    try:
        pull = bases.start_pull(project, request.POST.get("base", ""), request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("inference:models", project.pk)
    queue.wake(pull)
    return redirect("training:pull", project.pk, pull.pk)


@require_GET
def pull(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The page of a pull; for htmx the part that it polls."""
    project = project_or_404(request, project_id)
    job = child_or_404(project.pulls, pk)
    context = {
        "job": job,
        "base": catalogue.load().get(job.slug),
        "can_edit": project.role.covers("editor"),
        "next_line": _next_line(job, project.role.covers("editor")) if job.status == "done" else "",
    }
    status = END_OF_POLL if request.htmx and not job.is_live else 200
    return render(request, "training/pull.html" + ("#job" if request.htmx else ""), context, status=status)


def _next_line(job: Pull, can_edit: bool) -> str:
    train = reverse("training:new_run" if can_edit else "training:runs", args=[job.project_id])
    models = reverse("inference:models", args=[job.project_id])
    text = 'Next: <a href="{}?base={}">train on a version with it</a>, or <a href="{}">deploy it</a> to talk to it.'
    return format_html(text, train, job.slug, models)


@require_POST
def move_pull(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, or try again."""
    project = project_or_404(request, project_id, needs="editor")
    job = child_or_404(project.pulls, pk)
    if MOVES[move](job) and move == "resume":
        queue.wake(job)
    if request.htmx:
        return render(request, "training/pull.html#job", {"job": job, "can_edit": True})
    return redirect("training:pull", project.pk, job.pk)
