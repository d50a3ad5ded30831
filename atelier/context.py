"""What every page's frame needs: the rail's steps with counts, the teams, and what runs now."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from atelier import loop
from atelier.accounts.models import Project


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"project": None, "steps": []}
    project: Project | None = getattr(request, "project", None)
    mine = SimpleLazyObject(
        lambda: list(Project.objects.visible_to(user).select_related("team").order_by("team__name", "name"))
    )
    frame: dict[str, Any] = {"project": project, "steps": [], "my_projects": mine}
    if project is not None:
        frame["team"] = project.team
        # Polls and other fragments have no rail: what nobody shows is not counted.
        frame["steps"] = SimpleLazyObject(lambda: rail(request, project))
        frame["inboxes"] = SimpleLazyObject(lambda: inboxes(request, project))
        frame["running"] = SimpleLazyObject(lambda: running(project))
        frame["running_url"] = reverse("running", args=[project.pk])
    return frame


def rail(request: HttpRequest, project: Project) -> list[dict[str, Any]]:
    """The steps in their order, the one of this page marked active by its URL."""
    entries, counts = [], loop.counts(project)
    home = reverse("project", args=[project.pk])
    for step in loop.steps():
        url = reverse(step.route, args=[project.pk])
        entries.append(
            {
                "key": step.key,
                "label": step.label,
                "url": url,
                "count": counts[step.key],
                "active": request.path.startswith((url, *(home + begin for begin in step.also))),
            }
        )
    return entries


def inboxes(request: HttpRequest, project: Project) -> list[dict[str, Any]]:
    """What the person was told in this project, with how much of it is unread."""
    return [
        {"label": one.label, "url": reverse(one.route, args=[project.pk]), "unread": one.unread(request.user, project)}
        for one in loop.inboxes()
    ]


def running(project: Project) -> list[dict[str, Any]]:
    """Live jobs as the strip shows them."""
    return [
        {
            "title": job.title,
            "percent": job.percent,
            "line": job.line or job.get_status_display(),
            "url": reverse(job.route, args=[project.pk, job.pk]),
            "status": job.status,
        }
        for job in loop.live_jobs(project)
    ]
