"""Fair shares of a queue's slots between teams: which job takes a free one, and which gives one back.

A message in the broker means only that something waits. The worker that takes it asks `following`: the team that has
the fewest jobs running comes first, then the one whose turn was longest ago, then the one that waits longest. So a
thousand waiting jobs of one team are in nobody's way. If there are several teams, none holds all slots of a queue: one
is always left for the others, however slowly a job gives way.

When all slots are taken and a team has nothing running, `gives_way` makes a running job, at its next check for
requests, hand its slot over. First those give way whose team has more than one: its newest job, a few seconds later its
next one, so that the oldest of each team continues. When all teams are down to one, they take turns in slices of a
minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, Min, Q
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from atelier import registry
from atelier.accounts.models import Team
from atelier.jobs.models import Job, PauseReason, QueueState, Status

GRACE_SECONDS = 3.0  # a free slot takes a new job sooner than that
STEP_SECONDS = 2.0  # more for each further job of a team: the newest gives way first
SLICE_SECONDS = 60.0  # between teams with one job each


@dataclass
class TeamLoad:
    """The jobs of one team in a queue."""

    running: int = 0
    waiting: int = 0
    oldest: datetime | None = None  # since when its longest waiting job waits

    @property
    def waited(self) -> float:
        """Return the seconds that the oldest waits. Clocks of several machines should agree to a second or two."""
        return (timezone.now() - self.oldest).total_seconds() if self.oldest else 0.0


def models_of(queue: str) -> list[type[Job]]:
    """Return the kinds of job that run in a queue."""
    return [model for model in registry.job_models() if model.queue == queue]


def team_of(job: Job) -> int | None:
    """Return the team that a job counts for. None for the deletion of a project that is already deleted."""
    return job.project.team_id if job.project_id else None


def loads(queue: str) -> dict[int | None, TeamLoad]:
    """Return {id of a team, or None for deleted projects: its load} of all teams with queued or running jobs, by one query."""
    queued, running = Q(status=Status.QUEUED), Q(status=Status.RUNNING)
    parts = [
        model._default_manager.filter(status__in=[Status.QUEUED, Status.RUNNING])
        .order_by()
        .values_list("project__team")
        .annotate(
            running=Count("pk", filter=running),
            waiting=Count("pk", filter=queued),
            oldest=Min(model.waits_since(), filter=queued),
        )
        for model in models_of(queue)
    ]
    by_team: dict[int | None, TeamLoad] = {}
    for team, running_now, waiting, oldest in _together(parts):
        load = by_team.setdefault(team, TeamLoad())
        load.running += running_now
        load.waiting += waiting
        load.oldest = min((at for at in (load.oldest, oldest) if at is not None), default=None)
    return by_team


def most_of_a_team(queue: str) -> int | None:
    """Return how many jobs of one team may run at once in a queue; None is no limit.

    It is as many as the setting allows, and one fewer than there are slots if there are several teams and slots.
    """
    limits = [settings.TEAM_JOBS] if settings.TEAM_JOBS else []
    slots = QueueState.objects.filter(pk=queue).values_list("slots", flat=True).first() or 0
    if slots > 1 and len(Team.objects.values_list("pk")[:2]) > 1:
        limits.append(slots - 1)
    return min(limits, default=None)


def claimable(load: TeamLoad, most: int | None) -> int:
    """Return how many of a team's waiting jobs may run beside the running ones, by `most_of_a_team`."""
    return load.waiting if most is None else min(load.waiting, max(0, most - load.running))


def following(queue: str, hint: Job | None = None) -> Job | None:
    """Return the waiting job that a free slot should take, or None. `hint` is taken when its team's turn has come anyway."""
    most = most_of_a_team(queue)
    by_team = {team: load for team, load in loads(queue).items() if claimable(load, most)}
    if not by_team:
        return None
    fewest = min(load.running for load in by_team.values())
    teams = [team for team, load in by_team.items() if load.running == fewest]
    last = _last_turns(queue, teams) if len(teams) > 1 else {}
    long_ago = datetime.min.replace(tzinfo=timezone.get_current_timezone())
    team = min(teams, key=lambda one: (last.get(one, long_ago), by_team[one].oldest or timezone.now(), one or 0))
    if hint is not None and team_of(hint) == team and hint.status == Status.QUEUED:
        return hint
    return _oldest(queue, team)


def gives_way(job: Job, seconds: float) -> bool:
    """Return whether a running job, which had its slot for so many seconds, should hand it to a team that has none."""
    by_team, most = loads(job.queue), most_of_a_team(job.queue)
    mine = by_team.get(team_of(job), TeamLoad())
    starving = [load.waited for team, load in by_team.items() if not load.running and claimable(load, most)]
    if not starving or mine.running < max(load.running for load in by_team.values()):
        return False
    if mine.running > 1:
        return max(starving) >= GRACE_SECONDS + STEP_SECONDS * _before(job)
    return job.resumes_cheaply and seconds >= SLICE_SECONDS and max(starving) >= SLICE_SECONDS


def line(running: int) -> str:
    """Return the line of a job that lets others go first."""
    if not running:
        return f"{PauseReason.TURN.label}: jobs of other teams run first"
    return f"{PauseReason.TURN.label}: your team has {running} job{'' if running == 1 else 's'} running"


def tell(queue: str) -> None:
    """Set the line of waiting jobs of teams that are busy to why they wait. Other lines stay."""
    by_team = loads(queue)
    busy = any(load.running for load in by_team.values())
    for team, load in by_team.items():
        words, reason = (line(load.running), PauseReason.TURN) if busy else ("", "")
        told = Q(pause_reason=PauseReason.TURN) | (Q(line="", pause_reason="") if load.running else Q(pk=None))
        for model in models_of(queue) if load.waiting else []:
            waiting = model._default_manager.filter(told, status=Status.QUEUED, project__team=team)
            waiting.exclude(line=words).update(line=words, pause_reason=reason)


def _together(parts: list[Any]) -> Iterable[Any]:
    return parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0] if parts else []


def _last_turns(queue: str, teams: list[int | None]) -> dict[int | None, datetime]:
    """Return when a job of each team was last started, or handed its slot over: that queued it again."""
    parts = [
        model._default_manager.filter(project__team__in=teams, started_at__isnull=False)
        .order_by()
        .values_list("project__team")
        .annotate(last=Max(Greatest("started_at", Coalesce("queued_at", F("started_at")))))
        for model in models_of(queue)
    ]
    turns: dict[int | None, datetime] = {}
    for team, last in _together(parts):
        turns[team] = max(last, turns.get(team, last))
    return turns


def _oldest(queue: str, team: int) -> Job | None:
    first = [
        job
        for model in models_of(queue)
        for job in model._default_manager.filter(status=Status.QUEUED, project__team=team)
        .annotate(waits_from=model.waits_since())
        .order_by("waits_from", "pk")[:1]
    ]
    return min(first, key=lambda job: job.waits_from, default=None)


def _before(job: Job) -> int:
    """Return how many running jobs of the same team give way before this one.

    Those are newer ones, and all that lose nothing by it before those that would start over.
    """
    others = [
        other
        for model in models_of(job.queue)
        for other in model._default_manager.filter(status=Status.RUNNING, project__team=team_of(job))
    ]
    return sum(_giving(other) > _giving(job) for other in others)


def _giving(job: Job) -> tuple[bool, datetime, str, int]:
    return job.resumes_cheaply, job.queued_at or job.created_at, job._meta.label, job.pk
