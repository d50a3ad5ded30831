"""The worker's tasks of the data side: each executes one job given its id."""

from celery import shared_task
from django.core.exceptions import ValidationError

from atelier.jobs import claims
from atelier.jobs.claims import Claim, JobFailed
from curation import bulk as bulk_actions
from curation import distillation, freezing, importing
from curation.models import BulkAction, Distillation, Import, Version
from inference import endpoints


@shared_task(name="curation.tasks.import_file")
def import_file(pk: int) -> None:
    claims.execute(Import, pk, importing.run)


@shared_task(name="curation.tasks.bulk")
def bulk(pk: int) -> None:
    claims.execute(BulkAction, pk, bulk_actions.run)


@shared_task(name="curation.tasks.distil")
def distil(pk: int) -> None:
    claims.execute(Distillation, pk, _teach)


def _teach(claim: Claim[Distillation]) -> None:
    """Give the domain its client: the teacher of the job, who tries again what may succeed later."""
    teacher = claim.job.teacher
    if teacher is None:
        raise JobFailed(f"The teacher {claim.job.teacher_name} was deleted: start again with another.")
    try:
        client = endpoints.Patient(endpoints.client_for(teacher))
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    distillation.run(claim, client, teacher.price_in, teacher.price_out)


@shared_task(name="curation.tasks.freeze")
def freeze(pk: int) -> None:
    claims.execute(Version, pk, freezing.run)
