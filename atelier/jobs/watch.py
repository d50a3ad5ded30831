"""Monitoring of workers that take no jobs: noticed by the reaper, shown by pages and `/health`, fixed by ending the worker.

A busy worker does not hang. It hangs when messages have waited for a while, it took none of them all that time, and by
the rows of the database fewer jobs are worked on than there are slots: a job that is worked on renews its lease,
whereas a child that hangs holds a slot and no claim.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from atelier import registry
from atelier.jobs import broker, shares
from atelier.jobs.models import QueueState

log = logging.getLogger(__name__)
COMES_SECONDS = 40.0  # a worker needs as long to come up, or to come back
STALE_SECONDS = 60.0  # a reaper that wrote nothing for so long does not run
FREE_LOOKS, FREE_SECONDS = 3, 15.0  # a slot that is free at one look may be between two jobs
QUIET_SECONDS = 30.0  # after the start of this process: the reaper, which starts with it, has not looked yet
_started = time.monotonic()
State = QueueState.State


def queues() -> list[str]:
    """Return every queue that workers serve."""
    return sorted({model.queue for model in registry.job_models()} | set(registry.backlogs()))


class WorkerWatch:
    """A reaper's memory between two checks of the workers. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = clock()
        self.taken: dict[str, tuple[tuple[str, int], float]] = {}  # of a worker: its last count, and since when
        self.waits: dict[str, float] = {}  # of a queue: since when it was never seen empty
        self.free: dict[
            str, tuple[float, int]
        ] = {}  # of a queue: since when a slot was free at each look, and their number
        self.served: dict[str, float] = {}  # of a queue: when a worker of it was last seen

    def look(self) -> None:
        """Check every queue, ask workers that hang to end, and note the states for the pages."""
        try:
            reports = broker.reports()
            messages = {name: broker.waiting(name) for name in queues()}
            self._note_taken(reports)
            for name, count in messages.items():
                self._look_at(name, count, [report for report in reports if name in report.queues])
        except broker.BrokerUnavailable:
            self.waits.clear()
            self.free.clear()
            for name in queues():
                running, waiting = _rows(name)
                _note(name, State.NO_BROKER, 0, running, waiting)

    def _note_taken(self, reports: list[broker.WorkerReport]) -> None:
        now = self.clock()
        for report in reports:
            count = (report.began, report.taken)
            if self.taken.get(report.name, (None, 0.0))[0] != count:
                self.taken[report.name] = (count, now)

    def _look_at(self, name: str, messages: int, workers: list[broker.WorkerReport]) -> None:
        now = self.clock()
        slots = sum(worker.slots for worker in workers)
        running, waiting = _rows(name)
        if messages:
            self.waits.setdefault(name, now)
        else:
            self.waits.pop(name, None)
        if workers:
            self.served[name] = now
        state = State.BUSY if running >= slots else State.OK
        if not workers:
            self.free.pop(name, None)
            absent = now - self.served.get(name, self.began)
            state = State.AWAY if absent > COMES_SECONDS else State.OK
        elif self._has_free(name, workers, slots) and (hanging := self._hanging(name, workers)):
            state = State.STUCK
            for worker in hanging:
                log.error(
                    "%s takes no work: %s messages wait in %s, and %s of %s slots are at work. It is asked to end.",
                    worker.name, messages, name, running, slots,
                )  # fmt: skip
                broker.ask_to_end(worker.name)
        _note(name, state, slots, running, waiting)

    def _has_free(self, name: str, workers: list[broker.WorkerReport], slots: int) -> bool:
        """Return whether a slot was free at each of several checks.

        Between the end of a job and the next claim one is for a moment.
        """
        if _worked_on(workers) >= slots:
            self.free.pop(name, None)
            return False
        since, looks = self.free.get(name, (self.clock(), 0))
        self.free[name] = (since, looks + 1)
        return looks + 1 >= FREE_LOOKS and self.clock() - since >= FREE_SECONDS

    def _hanging(self, name: str, workers: list[broker.WorkerReport]) -> list[broker.WorkerReport]:
        """Return the workers that took nothing for so long although messages waited all the time."""
        latest = self.clock() - settings.WORKER_PATIENCE_SECONDS
        if self.waits.get(name, self.clock()) > latest:
            return []
        return [worker for worker in workers if self.taken[worker.name][1] <= latest]


def _worked_on(workers: list[broker.WorkerReport]) -> int:
    """Count the rows worked on in all the queues that these workers serve: each slot is for any of them."""
    return sum(_rows(name)[0] for name in {name for worker in workers for name in worker.queues})


def _rows(name: str) -> tuple[int, int]:
    """Count the rows of a queue that are worked on, and those that wait."""
    if name in registry.backlogs():
        waiting, running = registry.backlogs()[name]()
        return running, waiting
    team_loads = shares.loads(name).values()
    return sum(load.running for load in team_loads), sum(load.waiting for load in team_loads)


def _note(name: str, state: State, slots: int, running: int, waiting: int) -> None:
    facts = {"state": state, "slots": slots, "running": running, "waiting": waiting}
    row, made = QueueState.objects.get_or_create(queue=name, defaults=facts)
    if made:
        return
    if row.state != state:
        log.log(logging.INFO if state in (State.OK, State.BUSY) else logging.WARNING, "%s: %s", name, state.label)
    old = timezone.now() - row.seen_at > timedelta(seconds=STALE_SECONDS / 6)
    if old or {key: getattr(row, key) for key in facts} != facts:
        since = F("since") if row.state == state else Now()
        QueueState.objects.filter(pk=name).update(**facts, since=since, seen_at=Now())


# --- what is told --------------------------------------------------------------------------------

WORKERS = {"default": "worker", "training": "trainer", "webhooks": "worker for webhooks"}
NOBODY_WATCHES = "The reaper isn't running, so new jobs may wait."
NO_BROKER = "Redis does not answer. New jobs wait and run when Redis is back."


def queue_states() -> list[QueueState]:
    """Return the last observed state of every queue; empty when that is too long ago to be true."""
    seen = QueueState.objects.filter(queue__in=queues(), seen_at__gte=timezone.now() - timedelta(seconds=STALE_SECONDS))
    return list(seen.order_by("queue"))


def troubles(states: list[QueueState]) -> list[str]:
    """Return sentences for people on what keeps jobs from being done; none when all is well."""
    if not states:
        return [NOBODY_WATCHES] if time.monotonic() - _started > QUIET_SECONDS else []
    if any(state.state == State.NO_BROKER for state in states):
        return [NO_BROKER]
    sentences = []
    for state in states:
        worker = WORKERS.get(state.queue, f"worker of {state.queue}")
        if state.state == State.STUCK:
            sentences.append(f"The {worker} isn't accepting work and is being restarted.")
        if state.state == State.AWAY and (state.waiting or state.queue == "default"):
            sentences.append(f"No {worker} is running, so new jobs wait until one starts.")
    return sentences
