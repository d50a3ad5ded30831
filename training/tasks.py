"""Celery tasks of training: each executes one job given its id."""

from celery import shared_task

from atelier.jobs import claims
from training.bases import offers
from training.models import Pull, Run
from training.runs import job as run_job


@shared_task(name="training.tasks.train")
def train(pk: int) -> None:
    claims.execute(Run, pk, run_job.train)


@shared_task(name="training.tasks.pull")
def pull(pk: int) -> None:
    claims.execute(Pull, pk, offers.pull)
