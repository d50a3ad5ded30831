"""Celery tasks of inference: each executes one job given its id."""

from celery import shared_task

from atelier.jobs import claims
from inference import endpoints
from inference.evaluations import job as evaluation_job
from inference.models import Evaluation


@shared_task(name="inference.tasks.evaluate")
def evaluate(pk: int) -> None:
    claims.execute(Evaluation, pk, lambda claim: evaluation_job.run(claim, endpoints.client_for))
