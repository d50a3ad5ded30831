"""The end of a dataset: hidden at once, then taken away in parts by a job, for a million records take many minutes."""

import time
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.jobs.claims import Claim
from atelier.jobs.models import LIVE
from curation import datasets
from curation.bulk.running import paced
from curation.models import Change, Dataset, Deletion, Generation, ImportIssue, Record

BATCH = 100  # at first; then as many as the database takes in a tenth of a second
NAMED = 90  # characters of the old name that are kept while it goes


def refuse_needed(dataset: Dataset) -> None:
    """Raises ValidationError while something needs the dataset."""
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
        raise ValidationError("A job works on this dataset: wait until it ends or cancel it, then delete the dataset.")
    if dataset.versions.exists():
        raise ValidationError(
            "Versions were frozen from this dataset, and what was learned from them must stay traceable: it cannot be deleted."
        )


def begin(dataset: Dataset, user: User | None) -> Deletion:
    """Hide the dataset, so that its name is free again, and queue its end; the caller wakes a worker.

    Raises ValidationError while something needs the dataset. Asked twice it gives the same job.
    """
    with transaction.atomic():
        hidden = Dataset.objects.filter(pk=dataset.pk).update(
            name=f"{dataset.name[:NAMED]} (deleted, {dataset.pk})", idempotency_key=None, deleted_at=timezone.now()
        )
        if not hidden:
            return Deletion.objects.get(dataset=dataset)
        refuse_needed(dataset)  # and takes the above back
        return Deletion.objects.create(
            project=dataset.project, dataset=dataset, name=dataset.name, created_by=user, queued_at=timezone.now(),
            total=datasets.size(dataset),
        )  # fmt: skip


def run(claim: Claim[Deletion]) -> None:
    """Take away what is left, so that a job which was killed goes on. The dataset itself goes last."""
    job = claim.job
    if job.dataset is not None:  # else it was killed between its last two writes
        claim.progress(line="Deleting the records")
        for rows in _parts(job.dataset):
            _clear(claim, rows)
        # Before their rows: a file without a row would lie there for ever.
        for jobs in (job.dataset.imports, job.dataset.exports):
            for name in jobs.exclude(file="").values_list("file", flat=True):
                default_storage.delete(name)
        with claim.writing():
            job.dataset.delete()
    claim.progress(
        total=job.done, line=f"{job.name} is deleted, with {job.done:,} record{'' if job.done == 1 else 's'}."
    )


def _parts(dataset: Dataset) -> Iterator[QuerySet[Any]]:
    """All that can be very many. What belongs to a record goes with it."""
    yield dataset.records.order_by("pk")
    yield Generation.objects.filter(distillation__dataset=dataset).order_by("pk")
    yield Generation.objects.filter(distillation__target=dataset).order_by("pk")
    yield ImportIssue.objects.filter(parent__dataset=dataset).order_by("pk")


def _clear(claim: Claim[Deletion], rows: QuerySet[Any]) -> None:
    """In short transactions, so that nobody else waits long for the database."""
    size, counted = BATCH, rows.model is Record
    while pks := list(rows.values_list("pk", flat=True)[:size]):
        started = time.monotonic()
        with claim.writing(done=claim.job.done + len(pks) * counted):
            if counted:  # nothing hangs on changes, so they go by one statement
                Change.objects.filter(record__in=pks).delete()
            rows.model._default_manager.filter(pk__in=pks).delete()
        size = paced(size, time.monotonic() - started)
