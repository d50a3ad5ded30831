"""The template context of every page's frame: the rail's steps with counts, the teams, and running jobs."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from atelier import registry
from atelier.accounts.models import Project
from atelier.files import disk
from atelier.jobs import watch


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
        frame["troubles"] = SimpleLazyObject(troubles)
        frame["running_url"] = reverse("running", args=[project.pk])
    return frame


def rail(request: HttpRequest, project: Project) -> list[dict[str, Any]]:
    """Return the steps in their order, the one of this page marked active by its URL."""
    entries, counts = [], registry.counts(project)
    home = reverse("project", args=[project.pk])
    for step in registry.steps():
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
    """Return the person's inboxes in this project, with the number of unread items."""
    return [
        {
            "label": inbox.label,
            "url": reverse(inbox.route, args=[project.pk]),
            "unread": inbox.unread(request.user, project),
        }
        for inbox in registry.inboxes()
    ]


def troubles() -> list[str]:
    """Return what keeps jobs from being done, in sentences."""
    return [sentence for sentence in (disk.note(),) if sentence] + watch.troubles(watch.queue_states())


def running(project: Project) -> list[dict[str, Any]]:
    """Return active jobs as the strip shows them."""
    return [
        {
            "title": job.title,
            "percent": job.percent,
            "line": job.line or job.get_status_display(),
            "url": reverse(job.route, args=[project.pk, job.pk]),
            "status": job.status,
        }
        for job in registry.live_jobs(project)
    ]
