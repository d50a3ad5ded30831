"""Celery tasks of the data side: each executes one job given its id."""

from celery import shared_task
from django.conf import settings
from django.core.exceptions import ValidationError

from atelier.jobs import claims, queue
from atelier.jobs.claims import Claim, JobFailed
from curation import bulk as bulk_actions
from curation import exports
from curation.annotation import agreement as annotator_agreement
from curation.charts import maps
from curation.datasets import deletion
from curation.distillation import job as distillation_job
from curation.erasures import job as erasure_job
from curation.imports import job as import_job
from curation.models import AgreementReport, BulkAction, Check, Deletion, Distillation, Erasure, Export, Import, Version
from curation.quality import duplicates, jobs
from curation.versions import job as freeze_job
from inference import endpoints


@shared_task(name="curation.tasks.import_file")
def import_file(pk: int) -> None:
    claims.execute(Import, pk, lambda claim: import_job.run(claim, settings.IMPORT_PRIVATE_HOSTS))
    _check_what_came(Import.objects.filter(pk=pk).select_related("dataset", "created_by").first())


def _check_what_came(job: Import | None) -> None:
    """Start the checks of an imported dataset as jobs of their own, so that the rows are there first."""
    if job is not None and job.is_over and job.ok:
        for follower in jobs.follow(job.dataset, job.created_by, grown=True):
            queue.wake(follower)


@shared_task(name="curation.tasks.check")
def check(pk: int) -> None:
    claims.execute(Check, pk, _check)


def _check(claim: Claim[Check]) -> None:
    work = {Check.Part.TEXTS: jobs.check_texts, Check.Part.DUPLICATES: duplicates.run, Check.Part.MAP: maps.run}
    work[Check.Part(claim.job.part)](claim)


@shared_task(name="curation.tasks.agreement")
def agreement(pk: int) -> None:
    claims.execute(AgreementReport, pk, annotator_agreement.run)


@shared_task(name="curation.tasks.export")
def export(pk: int) -> None:
    claims.execute(Export, pk, exports.run)


@shared_task(name="curation.tasks.bulk")
def bulk(pk: int) -> None:
    claims.execute(BulkAction, pk, bulk_actions.run)


@shared_task(name="curation.tasks.delete_dataset")
def delete_dataset(pk: int) -> None:
    claims.execute(Deletion, pk, deletion.run)


@shared_task(name="curation.tasks.erase")
def erase(pk: int) -> None:
    claims.execute(Erasure, pk, erasure_job.run)


@shared_task(name="curation.tasks.distil")
def distil(pk: int) -> None:
    claims.execute(Distillation, pk, _teach)


def _teach(claim: Claim[Distillation]) -> None:
    """Run a distillation with the client of its teacher, which retries what may succeed later."""
    teacher = claim.job.teacher
    if teacher is None:
        raise JobFailed(f"The teacher {claim.job.teacher_name} was deleted. Start again with another.")
    try:
        client = endpoints.RetryingClient(endpoints.client_for(teacher), endpoint=teacher)
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    distillation_job.run(claim, client, teacher.price_in, teacher.price_out)


@shared_task(name="curation.tasks.freeze")
def freeze(pk: int) -> None:
    claims.execute(Version, pk, freeze_job.run)
