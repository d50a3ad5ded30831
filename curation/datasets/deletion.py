"""Deletion of a dataset: it is hidden at once, then deleted in parts by a job, because a million records take many minutes."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.jobs.claims import Claim
from atelier.jobs.clearing import clear
from atelier.jobs.models import LIVE
from curation import deletion
from curation.models import Dataset, Deletion, Record
from curation.search import counts as record_counts

NAMED = 90  # characters of the old name that are kept while it goes


def refuse_needed(dataset: Dataset) -> None:
    """Raise ValidationError while something needs the dataset."""
    live = [
        relation
        for relation in (
            dataset.imports,
            dataset.exports,
            dataset.bulk_actions,
            dataset.distillations,
            dataset.distilled_by,
            dataset.versions,
        )
        if relation.filter(status__in=LIVE).exists()
    ]
    if live:
        raise ValidationError("A job is using this dataset. Wait until it ends or cancel it, then delete the dataset.")
    if dataset.versions.exists():
        raise ValidationError(
            "This dataset cannot be deleted, because versions were frozen from it and models trained on them must stay traceable."
        )


def begin(dataset: Dataset, user: User | None, asker: trail.Asker | None = None) -> Deletion:
    """Hide the dataset, so that its name is free again, and queue its end; the caller wakes a worker.

    The audit trail notes it for whoever asks. Raises ValidationError while something needs the dataset. Asked twice it gives the same job.
    """
    with transaction.atomic():
        hidden = Dataset.objects.filter(pk=dataset.pk).update(
            name=f"{dataset.name[:NAMED]} (deleted, {dataset.pk})", idempotency_key=None, deleted_at=timezone.now()
        )
        if not hidden:
            return Deletion.objects.get(dataset=dataset)
        refuse_needed(dataset)  # and takes the above back
        job = Deletion.objects.create(
            project=dataset.project, dataset=dataset, name=dataset.name, created_by=user, queued_at=timezone.now(),
            total=record_counts.size(dataset),
        )  # fmt: skip
        if asker is not None:
            about = {"kind": "dataset", "pk": dataset.pk, "name": dataset.name, "records": job.total}
            trail.note(asker, AuditAction.DELETED, project=dataset.project, **about)
        return job


def run(claim: Claim[Deletion]) -> None:
    """Delete what is left of the dataset, so that a killed job can resume. The dataset itself is deleted last."""
    job = claim.job
    if job.dataset is not None:  # else it was killed between its last two writes
        claim.progress(line="Deleting the records")
        for part in deletion.of_datasets([job.dataset.pk]):
            clear(claim, part, counted=part.rows.model is Record)
        with claim.writing():
            job.dataset.delete()
    claim.progress(
        total=job.done, line=f"{job.name} was deleted, with {job.done:,} record{'' if job.done == 1 else 's'}."
    )
