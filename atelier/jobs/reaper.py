"""The reaper: wakes waiting jobs, releases those that lost their worker, and watches whether workers take anything.

A process of its own, `manage.py reap`, because it uses the database all the time: a worker forks its pool, and a child
that is forked while another thread is inside SQLite inherits a lock that nobody will ever open. Every step is a
conditional UPDATE, so several reapers do no harm.
"""

import logging
import signal
import threading

from django.conf import settings
from django.db import DatabaseError, connection

from atelier import registry
from atelier.files import disk
from atelier.jobs import broker, queue, shares
from atelier.jobs.models import Job, PauseReason, Status
from atelier.jobs.watch import WorkerWatch

log = logging.getLogger(__name__)
WAKE_AT_ONCE = 1000
HANGS_SECONDS = 300  # a round that takes longer ends the process, and whoever manages it starts it again


def run(ended: threading.Event) -> None:
    """Run rounds until the event is set."""
    watch = WorkerWatch()
    while not ended.is_set():
        signal.alarm(HANGS_SECONDS)
        try:
            tick()
            watch.look()
        except DatabaseError as error:
            log.warning("the reaper could not reach the database: %s", error)
        finally:
            connection.close()
        ended.wait(settings.JOB_REAP_SECONDS)
    signal.alarm(0)


def tick() -> int:
    """Run one round: jobs that lost their worker, then waiting jobs, then the sweeps of other rows.

    Returns how many were woken.
    """
    for model in registry.job_models():
        released = model.release_expired()
        if released:
            log.warning("released %s %s whose worker was lost", released, model._meta.verbose_name_plural)
    woken = 0
    try:
        for name in job_queues():
            woken += wake_waiting(name)
    except broker.BrokerUnavailable as error:
        log.warning("Redis does not answer, so no job is woken: %s", error)
    return woken + sum(sweep() for sweep in registry.sweeps())


def job_queues() -> list[str]:
    """Return the queues in which jobs run."""
    return sorted({model.queue for model in registry.job_models()})


def wake_waiting(name: str) -> int:
    """Send as many wake-ups as a queue lacks, so that it never holds more than one for each waiting job.

    Returns how many were sent. Raises BrokerUnavailable.
    """
    shares.tell(name)
    most = shares.most_of_a_team(name)
    missing = sum(shares.claimable(load, most) for load in shares.loads(name).values()) - broker.waiting(name)
    woken = 0
    for model in shares.models_of(name):
        for pk in _unheard(model, min(missing - woken, WAKE_AT_ONCE)):
            if not queue.send(model, pk):
                raise broker.BrokerUnavailable("a wake-up could not be sent")
            woken += 1
    return woken


def _unheard(model: type[Job], most: int) -> list[int]:
    """Return the waiting jobs of which no message is on its way, or one for so long that it may be lost."""
    if most <= 0:
        return []
    waiting = model._default_manager.filter(queue.lost_or_new(), status=Status.QUEUED)
    if disk.free_bytes() < disk.ROOM_BYTES:
        waiting = waiting.exclude(pause_reason=PauseReason.DISK)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:most])
