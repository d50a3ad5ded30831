"""Discarding an import before it began: it leaves nothing behind."""

from django.core.files.storage import default_storage

from atelier.jobs.models import Status
from curation.models import Import


def discard(job: Import) -> None:
    """Delete a draft, or an import that was cancelled before its first row; it leaves nothing behind."""
    job.cancel()
    if not job.done and job.file:
        default_storage.delete(job.file)


def can_be_discarded(job: Import) -> bool:
    """Return whether nothing of the import has been used yet: a draft, or a URL that could not be downloaded."""
    if job.confirmed or job.done:
        return False
    return job.status in (Status.DRAFT, Status.FAILED) or (job.status == Status.PAUSED and bool(job.file))


def throw_away(job: Import) -> None:
    """Discard the import, and the dataset that was created for it alone, as long as nothing else was done with that."""
    discard(job)
    dataset = job.dataset
    made_for_it = job.source.get("any_kind") and not job.confirmed
    others = dataset.imports.exclude(pk=job.pk).exists() or dataset.questions.exists() or dataset.distilled_by.exists()
    if made_for_it and not others and not dataset.records.exists():
        dataset.delete()
