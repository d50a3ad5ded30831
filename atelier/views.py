"""The pages of home, a project's home, the strip of running jobs, and errors."""

import sys
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, reverse
from django.views.decorators.http import require_GET

from atelier import registry
from atelier.accounts import invitations, members
from atelier.accounts.access import project_or_404
from atelier.accounts.models import Membership, Project
from atelier.health import workers as health_of_workers
from atelier.web.context import running as running_jobs
from atelier.web.context import troubles
from atelier.web.middleware import unavailable


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the project when there is only one and no invitation waits; else list all."""
    projects = Project.objects.visible_to(request.user).select_related("team").order_by("team__name", "name")
    waiting = invitations.waiting_for(request.user)
    if len(projects) == 1 and "all" not in request.GET and not waiting:
        return redirect("project", projects[0].pk)
    memberships = Membership.objects.filter(user=request.user).select_related("team").order_by("team__name")
    can_make_teams = members.may_make_teams(request.user)
    context = {"projects": projects, "memberships": memberships, "waiting": waiting, "can_make_teams": can_make_teams}
    return render(request, "atelier/home.html", context)


@require_GET
def project_home(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the loop as steps with counts and the next action, running jobs, and recent activity."""
    project = project_or_404(request, project_id)
    cards = [
        {
            "step": step,
            "state": step.state(project).seen_by(project.role),
            "url": reverse(step.route, args=[project.pk]),
        }
        for step in registry.steps()
        if step.state is not None
    ]
    following = next((card for card in cards if card["state"].action), None)
    for card in cards:
        card["next"] = card is following
    recent = [
        {"job": job, "icon": job.icon, "url": reverse(job.route, args=[project.pk, job.pk])}
        for job in registry.recent_jobs(project)
    ]
    return render(request, "atelier/project.html", {"cards": cards, "following": following, "recent": recent})


@require_GET
def running(request: HttpRequest, project_id: int) -> HttpResponse:
    """Return the strip of running jobs at the rail's foot, polled."""
    project = project_or_404(request, project_id)
    return render(request, "partials/running.html", {"running": running_jobs(project), "troubles": troubles()})


@require_GET
@login_not_required
def health(request: HttpRequest) -> HttpResponse:
    """Respond with 200 as long as the web process answers, with the workers' state. For load balancers and `manage.py up`."""
    return JsonResponse({"status": "ok", "workers": health_of_workers()})


# What the API says when nobody has said more.
API_ERRORS = {
    400: "The request could not be read.",
    403: "You don't have permission.",
    404: "This URL does not exist. /api/docs lists all of them.",
    500: "Something went wrong on our side. Try again. If the error persists, check the log of the web process.",
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
    # What failed outside of a view, in a middleware that reads an upload or writes the session, comes here only.
    return unavailable(request, sys.exc_info()[1]) or _error(request, 500)
