"""The reaper: wakes what is queued and was not taken, and releases what lost its worker.

Each worker runs one in a thread. Every step is a conditional UPDATE, so several reapers do no harm.
"""

import logging
import threading

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q

from atelier import loop
from atelier.jobs import queue
from atelier.jobs.models import Status, from_now

log = logging.getLogger(__name__)
WAKE_AGAIN_SECONDS = 30
WAKE_AT_ONCE = 1000
_stop = threading.Event()


def tick() -> int:
    """One round over every kind of job. Returns how many were woken."""
    woken = 0
    for model in loop.job_models():
        released = model.release_expired()
        if released:
            log.warning("released %s %s whose worker was lost", released, model._meta.verbose_name_plural)
        waiting = model._default_manager.filter(status=Status.QUEUED).filter(
            Q(woken_at=None) | Q(woken_at__lt=from_now(-WAKE_AGAIN_SECONDS))
        )
        for pk in waiting.order_by("pk").values_list("pk", flat=True)[:WAKE_AT_ONCE]:
            if not queue.send(model, pk):
                return woken  # the broker is away: no use in trying the rest now
            woken += 1
    return woken + sum(sweep() for sweep in loop.sweeps())


def _run() -> None:
    while not _stop.wait(settings.JOB_REAP_SECONDS):
        try:
            tick()
        except DatabaseError as error:
            log.warning("the reaper could not reach the database: %s", error)
        finally:
            connection.close()  # children of a prefork pool must not inherit an open connection


def start() -> None:
    _stop.clear()
    threading.Thread(target=_run, name="reaper", daemon=True).start()


def stop() -> None:
    _stop.set()
