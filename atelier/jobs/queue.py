"""The only module that publishes to the broker."""

import logging

from celery import current_app
from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from atelier.jobs.models import Job, Status

log = logging.getLogger(__name__)


def wake(job: Job) -> None:
    """Tell a worker that this job waits, once the transaction is committed.

    When the broker is away nothing is lost: the row says queued, and the reaper wakes it later.
    """
    model, pk = type(job), job.pk
    transaction.on_commit(lambda: send(model, pk))


def send(model: type[Job], pk: int) -> bool:
    """Publish one wake-up. Returns False, with a line in the log, when the broker cannot be reached."""
    try:
        current_app.send_task(model.task, args=[pk], queue=model.queue)
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable, %s %s waits for the reaper: %s", model.__name__, pk, error)
        return False
    model._default_manager.filter(pk=pk, status=Status.QUEUED).update(woken_at=Now())
    return True


def wake_task(task: str, pk: int) -> None:
    """Tell a worker of a row that is no job, once the transaction is committed; whoever owns the row sweeps for lost ones."""
    transaction.on_commit(lambda: send_task(task, pk))


def send_task(task: str, pk: int) -> bool:
    """Publish one such wake-up. Returns False, with a line in the log, when the broker cannot be reached."""
    try:
        current_app.send_task(task, args=[pk], queue="default")
    except (OperationalError, OSError) as error:
        log.warning("broker unreachable, %s %s waits for the next sweep: %s", task, pk, error)
        return False
    return True
