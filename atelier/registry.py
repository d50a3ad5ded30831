"""The registry in which apps register with the shell: the steps of the loop, and their kinds of job.

The shell may not import the apps, so each app registers itself in `AppConfig.ready`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from django.db.models import Model

    from atelier.accounts.models import Project, Role, User
    from atelier.jobs.clearing import DeletionPart
    from atelier.jobs.models import Job


@dataclass(frozen=True)
class StepState:
    """The state of a project in one step."""

    count: int
    line: str  # one sentence on what is there
    action: str = ""  # what to do next here, as the label of a button; empty when nothing is due
    url: str = ""
    needs: str = "editor"  # the role that the action takes; others see none

    def seen_by(self, role: "Role") -> "StepState":
        """Return the state as somebody with this role sees it."""
        return self if role.covers(self.needs) else replace(self, action="", url="")


@dataclass(frozen=True)
class ProjectRows:
    """The rows of a model that belong to a project, optionally of one status only.

    Those of all steps are counted in one query.
    """

    model: type["Model"]
    status: str = ""


@dataclass(frozen=True)
class Step:
    """A step of the loop: an entry of the rail and a card on the project's home."""

    order: int
    key: str
    label: str
    route: str  # URL name that takes the project's id
    count: ProjectRows | Callable[["Project"], int]
    state: Callable[["Project"], StepState] | None = None
    needs: str = "viewer"
    also: tuple[str, ...] = ()  # how other addresses of this step begin, below the project's


@dataclass(frozen=True)
class Inbox:
    """A person's notifications in a project: how many are unread, and the page that lists them."""

    label: str
    route: str  # URL name that takes the project's id
    unread: Callable[["User", "Project"], int]


MOST_LIVE = 20  # jobs of one kind in the strip
_inboxes: list[Inbox] = []
_steps: dict[str, Step] = {}
_jobs: list[type["Job"]] = []
_sweeps: list[Callable[[], int]] = []
_backlogs: dict[str, Callable[[], tuple[int, int]]] = {}
_parts: list[Callable[["Project"], Iterator["DeletionPart"]]] = []
_hidden: list[Callable[["Project"], None]] = []


def register(*steps: Step, jobs: list[type["Job"]] = []) -> None:  # noqa: B006 - never changed
    """Register the kinds of job of an app. Called by every app once, when Django is ready."""
    for step in steps:
        _steps[step.key] = step
    _jobs.extend(job for job in jobs if job not in _jobs)


def register_inbox(inbox: Inbox) -> None:
    """Register an inbox. Called once, when Django is ready."""
    if inbox.route not in [one.route for one in _inboxes]:
        _inboxes.append(inbox)


def inboxes() -> list[Inbox]:
    return list(_inboxes)


def on_tick(sweep: Callable[[], int]) -> None:
    """Register a sweep that the reaper calls every few seconds: it wakes what is due and returns how many that were."""
    if sweep not in _sweeps:
        _sweeps.append(sweep)


def register_backlog(queue: str, backlog: Callable[[], tuple[int, int]]) -> None:
    """Register for the reaper how many rows (waiting, worked on) a queue has that are no jobs."""
    _backlogs[queue] = backlog


def backlogs() -> dict[str, Callable[[], tuple[int, int]]]:
    """Return {queue: function that counts its rows that wait and that are worked on}, of rows that are no jobs."""
    return dict(_backlogs)


def sweeps() -> list[Callable[[], int]]:
    return list(_sweeps)


def on_project_end(
    parts: Callable[["Project"], Iterator["DeletionPart"]], hidden: Callable[["Project"], None] | None = None
) -> None:
    """Register which parts of a project may be very many rows or files, in the order in which they can be deleted.

    Called by every app once. `hidden` is called in the transaction that hides a project from everybody.
    """
    if parts not in _parts:
        _parts.append(parts)
        _hidden.extend([hidden] if hidden else [])


def parts(project: "Project") -> Iterator["DeletionPart"]:
    """Yield all that is deleted of a project before its row: of the last app first, for it refers to the rows of the others."""
    for of_app in reversed(_parts):
        yield from of_app(project)


def project_hidden(project: "Project") -> None:
    """Notify the apps that nobody sees this project any longer."""
    for hear in _hidden:
        hear(project)


def steps() -> list[Step]:
    return sorted(_steps.values(), key=lambda step: step.order)


def job_models() -> list[type["Job"]]:
    """Return every concrete kind of job."""
    return list(_jobs)


def counts(project: "Project") -> dict[str, int]:
    """Return {key of a step: its count}, as the rail shows them."""
    numbers = {step.key: step.count(project) for step in steps() if not isinstance(step.count, ProjectRows)}
    counted = {step.key: step.count for step in steps() if isinstance(step.count, ProjectRows)}
    if counted:
        columns = [
            f"(SELECT count(*) FROM {_table(rows.model)} WHERE project_id = %s{' AND status = %s' if rows.status else ''})"  # noqa: S608 - names of our own
            for rows in counted.values()
        ]
        params = [value for rows in counted.values() for value in (project.pk, rows.status) if value != ""]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)}", params)
            numbers.update(zip(counted, cursor.fetchone(), strict=True))
    return numbers


def live_jobs(project: "Project") -> list["Job"]:
    """Return the queued, running or paused jobs of a project, the oldest first."""
    jobs = [
        job
        for model, pks in _live_ids(project).items()
        for job in model._default_manager.filter(pk__in=pks).live()[:MOST_LIVE]
    ]
    return sorted(jobs, key=lambda job: job.created_at)


def _live_ids(project: "Project") -> dict[type["Job"], list[int]]:
    """Return the ids of active jobs by one query over all kinds, because every page asks, and mostly nothing is active."""
    if not _jobs:
        return {}
    from atelier.jobs.models import LIVE  # models are loaded after the apps that register here

    places = ", ".join(["%s"] * len(LIVE))
    sql = " UNION ALL ".join(
        f"SELECT {kind}, id FROM {_table(model)} WHERE project_id = %s AND status IN ({places})"  # noqa: S608
        for kind, model in enumerate(_jobs)
    )
    pks_by_model: defaultdict[type[Job], list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql, [project.pk, *LIVE] * len(_jobs))
        for kind, pk in sorted(cursor.fetchall()):
            pks_by_model[_jobs[kind]].append(pk)
    return {model: pks[:MOST_LIVE] for model, pks in pks_by_model.items()}


def _table(model: type["Model"]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def recent_jobs(project: "Project", limit: int = 12) -> list["Job"]:
    """Return the jobs that were started last, whatever their outcome."""
    jobs = [
        job
        for model in _jobs
        for job in model._default_manager.filter(project=project)
        .exclude(status="draft")
        .order_by("-created_at")[:limit]
    ]
    return sorted(jobs, key=lambda job: job.created_at, reverse=True)[:limit]
