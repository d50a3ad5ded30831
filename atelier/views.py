"""Home, a project's home, the strip of what runs, and the pages for errors."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, reverse
from django.views.decorators.http import require_GET

from atelier import loop
from atelier.accounts.access import project_or_404
from atelier.accounts.models import Membership, Project
from atelier.context import running as running_jobs


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Straight to the project when there is only one; else the list of all."""
    projects = Project.objects.visible_to(request.user).select_related("team").order_by("team__name", "name")
    if len(projects) == 1 and "all" not in request.GET:
        return redirect("project", projects[0].pk)
    memberships = Membership.objects.filter(user=request.user).select_related("team").order_by("team__name")
    return render(request, "atelier/home.html", {"projects": projects, "memberships": memberships})


@require_GET
def project_home(request: HttpRequest, project_id: int) -> HttpResponse:
    """The loop as steps with counts and the next action, what runs now, what happened lately."""
    project = project_or_404(request, project_id)
    cards = [
        {
            "step": step,
            "state": step.state(project).seen_by(project.role),
            "url": reverse(step.route, args=[project.pk]),
        }
        for step in loop.steps()
        if step.state is not None
    ]
    following = next((card for card in cards if card["state"].action), None)
    for card in cards:
        card["next"] = card is following
    recent = [
        {"job": job, "icon": job.icon, "url": reverse(job.route, args=[project.pk, job.pk])}
        for job in loop.recent_jobs(project)
    ]
    return render(request, "atelier/project.html", {"cards": cards, "following": following, "recent": recent})


@require_GET
def running(request: HttpRequest, project_id: int) -> HttpResponse:
    """The strip at the rail's foot, polled."""
    project = project_or_404(request, project_id)
    return render(request, "partials/running.html", {"running": running_jobs(project)})


@require_GET
@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """For load balancers and for `manage.py up`: the web process answers."""
    return JsonResponse({"status": "ok"})


# What the API says when nobody has said more.
API_ERRORS = {
    400: "The request cannot be read.",
    403: "You may not do that.",
    404: "There is no such address: /api/docs lists them all.",
    500: "Something broke on our side: try again. If it happens again, the log of the web process says what went wrong.",
}


def _error(request: HttpRequest, status: int, exception: Any = None) -> HttpResponse:
    # A view gives a sentence; of an unknown address Django gives a list of all patterns, which is for programmers.
    spoken = exception is not None and exception.args and not isinstance(exception, Resolver404)
    message = str(exception) if spoken else ""
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": message or API_ERRORS[status]}, status=status)
    return render(request, f"{status}.html", {"message": message if "/" not in message else ""}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    # A view's own BadRequest is a sentence for people; other causes speak to programmers.
    return _error(request, 400, exception if isinstance(exception, BadRequest) else None)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, 500)
