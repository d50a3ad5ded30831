"""Pages of a project deletion's progress. They belong to its team, for the project is hidden."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, team_or_404
from atelier.jobs import queue
from atelier.jobs.pages import polled


@require_GET
def page(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    return render(request, "deletions/project.html", _context(request, team_id, pk))


@require_GET
def progress(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    context = _context(request, team_id, pk)
    return polled(request, context["job"], context)


@require_POST
def retry(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    """Retry a failed deletion: half a project is of no use to anybody."""
    job = _context(request, team_id, pk, needs="owner")["job"]
    if job.move("resume"):
        queue.wake(job)
    else:
        messages.error(request, job.worded(job.MOVES["resume"].refused, "resume"))
    if request.htmx:
        return render(request, "partials/progress.html", _context(request, team_id, pk))
    return redirect("project_deletion", team_id, pk)


def _context(request: HttpRequest, team_id: int, pk: int, needs: str = "viewer") -> dict[str, Any]:
    team = team_or_404(request, team_id, needs=needs)
    job = child_or_404(team.project_deletions.select_related("created_by"), pk)
    return {
        "team": team,
        "job": job,
        "crumbs": [(team.name, reverse("team", args=[team.pk]))],
        "poll_url": reverse("project_deletion_progress", args=[team.pk, job.pk]),
        "resume_url": reverse("retry_project_deletion", args=[team.pk, job.pk]),
        "can_edit": team.role.covers("owner"),
        "next_line": "" if job.is_over else "You can leave this page; the deletion continues. It cannot be stopped.",
    }
