"""What the apps tell the shell: the steps of the loop, and their kinds of job.

The shell may not import the apps, so each app registers itself in `AppConfig.ready`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atelier.accounts.models import Project, Role, User
    from atelier.jobs.models import Job


@dataclass(frozen=True)
class State:
    """Where a project stands in one step."""

    count: int
    line: str  # one sentence on what is there
    action: str = ""  # what to do next here, as the label of a button; empty when nothing is due
    url: str = ""
    needs: str = "editor"  # the role that the action takes; others see none

    def seen_by(self, role: "Role") -> "State":
        """As somebody with this role sees it."""
        return self if role.covers(self.needs) else replace(self, action="", url="")


@dataclass(frozen=True)
class Step:
    """A step of the loop: an entry of the rail and a card on the project's home."""

    order: int
    key: str
    label: str
    route: str  # URL name that takes the project's id
    count: Callable[["Project"], int]
    state: Callable[["Project"], State] | None = None
    needs: str = "viewer"


@dataclass(frozen=True)
class Inbox:
    """What a person was told in a project: how much is unread, and the page that lists it."""

    label: str
    route: str  # URL name that takes the project's id
    unread: Callable[["User", "Project"], int]


_inboxes: list[Inbox] = []
_steps: dict[str, Step] = {}
_jobs: list[type["Job"]] = []
_sweeps: list[Callable[[], int]] = []


def register(*steps: Step, jobs: list[type["Job"]] = []) -> None:  # noqa: B006 - never changed
    """Called by every app once, when Django is ready."""
    for step in steps:
        _steps[step.key] = step
    _jobs.extend(job for job in jobs if job not in _jobs)


def register_inbox(inbox: Inbox) -> None:
    """Called once, when Django is ready."""
    if inbox.route not in [one.route for one in _inboxes]:
        _inboxes.append(inbox)


def inboxes() -> list[Inbox]:
    return list(_inboxes)


def on_tick(sweep: Callable[[], int]) -> None:
    """Have the reaper call this every few seconds: it wakes what is due and returns how many that were."""
    if sweep not in _sweeps:
        _sweeps.append(sweep)


def sweeps() -> list[Callable[[], int]]:
    return list(_sweeps)


def steps() -> list[Step]:
    return sorted(_steps.values(), key=lambda step: step.order)


def job_models() -> list[type["Job"]]:
    """Every concrete kind of job."""
    return list(_jobs)


def live_jobs(project: "Project") -> list["Job"]:
    """What is queued, running or paused in a project, the oldest first."""
    found = [job for model in _jobs for job in model._default_manager.filter(project=project).live()[:20]]
    return sorted(found, key=lambda job: job.created_at)


def recent_jobs(project: "Project", limit: int = 12) -> list["Job"]:
    """What was started last, whatever became of it."""
    found = [
        job
        for model in _jobs
        for job in model._default_manager.filter(project=project)
        .exclude(status="draft")
        .order_by("-created_at")[:limit]
    ]
    return sorted(found, key=lambda job: job.created_at, reverse=True)[:limit]
