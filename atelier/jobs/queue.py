"""The queue, the only module that publishes to the broker. A row has at most one message outstanding, noted in `woken_at`."""

import logging
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from atelier.jobs.models import Job, Status, from_now

log = logging.getLogger(__name__)
WORK = "atelier.jobs.tasks.work"
WAKE_AGAIN_SECONDS = 30  # a message that was not taken for so long may be lost


def wake(job: Job) -> None:
    """Notify a worker that this job waits, once the transaction is committed.

    When the broker is unavailable nothing is lost: the row is queued, and the reaper wakes it later.
    """
    model, pk = type(job), job.pk
    transaction.on_commit(lambda: send(model, pk))


def send(model: type[Job], pk: int) -> bool:
    """Publish the wake-up of a queued job, unless one is on its way.

    Returns False, with a line in the log, when the broker is unavailable.
    """
    waiting = model._default_manager.filter(pk=pk, status=Status.QUEUED)
    return send_once(waiting, WORK, [model.task, pk], model.queue)


def send_once(row: "QuerySet[Any]", task: str, args: list[Any], queue: str) -> bool:
    """Publish the wake-up of a row with `woken_at`, given as a query set, unless one is on its way or it no longer waits.

    Returns False, with a line in the log, when the broker cannot be reached. The wake-up is noted before it is sent: if
    the process dies in between, the reaper sends it again half a minute later; noted after, it would be sent by every
    reaper at once.
    """
    if not row.filter(lost_or_new()).update(woken_at=Now()):
        return True
    try:
        current_app.send_task(task, args=args, queue=queue)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable, %s of %s waits for the reaper: %s", task, args, error)
        row.update(woken_at=None)
        return False
    return True


def lost_or_new() -> Q:
    """Return the condition for rows of which no message can be on its way, or one that may be lost."""
    return Q(woken_at=None) | Q(woken_at__lt=from_now(-WAKE_AGAIN_SECONDS))


def taken_in_vain(model: type[Model], pk: Any) -> None:
    """Note that the message of a row was taken while the row did not wait, so that its next one is sent at once."""
    model._default_manager.filter(pk=pk, woken_at__isnull=False).update(woken_at=None)
