"""Celery tasks of training: thin, they take an id."""

from celery import shared_task

from atelier.jobs import claims
from training import bases, execution
from training.models import Pull, Run


@shared_task(name="training.tasks.train")
def train(pk: int) -> None:
    claims.execute(Run, pk, execution.train)


@shared_task(name="training.tasks.pull")
def pull(pk: int) -> None:
    claims.execute(Pull, pk, bases.pull)
