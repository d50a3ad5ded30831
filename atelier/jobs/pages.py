"""Shared parts of every job's pages and REST calls: finding a job, its progress URLs, and its moves."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import queue
from atelier.jobs.models import Job

J = TypeVar("J", bound=Job)
PROGRESS = "partials/progress.html"
END_OF_POLL = 286  # htmx stops asking


def job_or_404(request: HttpRequest, model: type[J], project_id: int, pk: int, needs: str = "viewer") -> J:
    """Return the project's job of this kind, with what its page shows. 404 for strangers, 403 for a role that is too low."""
    project = project_or_404(request, project_id, needs=needs)
    rows = getattr(project, str(model._meta.get_field("project").remote_field.get_accessor_name()))
    return child_or_404(rows.select_related(*model.fetched_with), pk)


def addresses(job: Job) -> dict[str, str]:
    """Return the URLs where a job's progress is polled and its moves are POSTed, by the names that the template takes.

    Their names are the job page's, followed by `_progress` and `_move`.
    """
    args = [job.project_id, job.pk]
    moves = {f"{move}_url": reverse(f"{job.route}_move", args=[*args, move]) for move in job.MOVES}
    return {"poll_url": reverse(f"{job.route}_progress", args=args)} | moves


def polled(
    request: HttpRequest, job: Job, context: dict[str, Any], template: str = PROGRESS, *, ends: bool = False
) -> HttpResponse:
    """Respond to a poll. When the job has ended, or the poll `ends` for another reason, the whole page is reloaded, once."""
    response = render(request, template, context)
    if ends or not job.is_live:
        response.status_code, response["HX-Refresh"] = END_OF_POLL, "true"
    return response


def make_move(job: Job, move: str) -> None:
    """Make a move for a REST call, and wake a worker if needed. Raises ValidationError when it is refused."""
    if not _made(job, move):
        raise ValidationError(job.worded(job.cannot, move))


def moved(
    request: HttpRequest,
    job: J,
    move: str,
    context: Callable[[HttpRequest, J], dict[str, Any]],
    template: str = PROGRESS,
) -> HttpResponse:
    """Make the move that a button POSTed. Returns the progress for htmx, else a redirect to the job's page.

    A refusal is shown as a message, by the kinds that have a sentence for it.
    """
    if not _made(job, move) and (sentence := job.worded(job.MOVES[move].refused, move)):
        messages.error(request, sentence)
    if request.htmx:
        return render(request, template, context(request, job))
    return redirect(job.route, job.project_id, job.pk)


def _made(job: Job, move: str) -> bool:
    is_allowed = job.move(move)
    if is_allowed and move == "resume":
        queue.wake(job)
    return is_allowed
