"""What the apps tell the shell: the steps of the loop, and their kinds of job.

The shell may not import the apps, so each app registers itself in `AppConfig.ready`.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from django.db.models import Model

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
class Rows:
    """The rows of a model that belong to a project, perhaps of one status only. Those of all steps are counted in one query."""

    model: type["Model"]
    status: str = ""


@dataclass(frozen=True)
class Step:
    """A step of the loop: an entry of the rail and a card on the project's home."""

    order: int
    key: str
    label: str
    route: str  # URL name that takes the project's id
    count: Rows | Callable[["Project"], int]
    state: Callable[["Project"], State] | None = None
    needs: str = "viewer"
    also: tuple[str, ...] = ()  # how other addresses of this step begin, below the project's


@dataclass(frozen=True)
class Inbox:
    """What a person was told in a project: how much is unread, and the page that lists it."""

    label: str
    route: str  # URL name that takes the project's id
    unread: Callable[["User", "Project"], int]


MOST_LIVE = 20  # jobs of one kind in the strip
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


def counts(project: "Project") -> dict[str, int]:
    """{key of a step: its count}, as the rail shows them."""
    found = {step.key: step.count(project) for step in steps() if not isinstance(step.count, Rows)}
    counted = {step.key: step.count for step in steps() if isinstance(step.count, Rows)}
    if counted:
        asked = [
            f"(SELECT count(*) FROM {_table(rows.model)} WHERE project_id = %s{' AND status = %s' if rows.status else ''})"  # noqa: S608 - names of our own
            for rows in counted.values()
        ]
        params = [value for rows in counted.values() for value in (project.pk, rows.status) if value != ""]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(asked)}", params)
            found.update(zip(counted, cursor.fetchone(), strict=True))
    return found


def live_jobs(project: "Project") -> list["Job"]:
    """What is queued, running or paused in a project, the oldest first."""
    found = [
        job
        for model, pks in _live_ids(project).items()
        for job in model._default_manager.filter(pk__in=pks).live()[:MOST_LIVE]
    ]
    return sorted(found, key=lambda job: job.created_at)


def _live_ids(project: "Project") -> dict[type["Job"], list[int]]:
    """By one query over all kinds, for every page asks, and mostly nothing is live."""
    if not _jobs:
        return {}
    from atelier.jobs.models import LIVE  # models are loaded after the apps that register here

    places = ", ".join(["%s"] * len(LIVE))
    sql = " UNION ALL ".join(
        f"SELECT {kind}, id FROM {_table(model)} WHERE project_id = %s AND status IN ({places})"  # noqa: S608
        for kind, model in enumerate(_jobs)
    )
    found: defaultdict[type[Job], list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql, [project.pk, *LIVE] * len(_jobs))
        for kind, pk in sorted(cursor.fetchall()):
            found[_jobs[kind]].append(pk)
    return {model: pks[:MOST_LIVE] for model, pks in found.items()}


def _table(model: type["Model"]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


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
