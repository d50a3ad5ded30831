"""Deletion of a dataset: it is hidden at once, then deleted in parts by a job, because a million records take many minutes."""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.jobs.claims import Claim
from atelier.jobs.clearing import DeletionPart, clear
from atelier.jobs.models import LIVE, Status
from curation import deletion
from curation.models import Annotation, Dataset, Deletion, Distillation, Record, VersionEntry
from curation.search import counts as record_counts
from curation.versions import lineage

NAMED = 90  # characters of the old name that are kept while it goes
NAMED_MOST = 5  # of what needs a dataset: a sentence is no place for more


def refuse_needed(dataset: Dataset) -> None:
    """Raise ValidationError, with a sentence for each thing that needs the dataset, and the way out."""
    live = [
        relation
        for relation in (
            dataset.imports,
            dataset.exports,
            dataset.bulk_actions,
            dataset.distillations,
            dataset.distilled_by,
            dataset.versions,
            dataset.erasures,
        )
        if relation.filter(status__in=LIVE).exists()
    ]
    if live:
        raise ValidationError("A job is using this dataset. Wait until it ends or cancel it, then delete the dataset.")
    if reasons := [*_refuse_versions(dataset), *_refuse_derived(dataset)]:
        raise ValidationError(reasons)


def _refuse_versions(dataset: Dataset) -> Iterator[str]:
    """Yield why the versions of the dataset keep it.

    Archived ones without files don't: what they were outlasts the dataset. With files, no record could be erased from them.
    """
    frozen = dataset.versions.filter(status=Status.DONE, freed_at=None).order_by("number")
    if versions := list(frozen[: NAMED_MOST + 1]):
        needed = f"{_listed([str(version) for version in versions])} {'was' if len(versions) == 1 else 'were'} frozen from this dataset"
        users = sum(len(lineage.onward(version)) for version in versions[:NAMED_MOST])
        made = (
            f", with {users:,} run{'' if users == 1 else 's'} or evaluations that must stay traceable" if users else ""
        )
        them = "it" if len(versions) == 1 else "them"
        yield f"{needed}{made}. Archive {them} under Versions and remove the files, then delete the dataset."


def _refuse_derived(dataset: Dataset) -> Iterator[str]:
    """Yield why records of other datasets keep it: those that were distilled or copied from its records."""
    derived = (
        Record.objects.present().filter(source__dataset=dataset, dataset__deleted_at=None).exclude(dataset=dataset)
    )
    counted = derived.order_by().values_list("dataset__name").annotate(count=Count("pk")).order_by("dataset__name")
    if rows := list(counted[: NAMED_MOST + 1]):
        named = _listed([f"{_so_many(count, 'record')} of {name}" for name, count in rows])
        yield (
            f"{named} {'was' if len(rows) == 1 and rows[0][1] == 1 else 'were'} made from this dataset, and would no longer "
            "show their source. Delete those first, then this dataset."
        )


def _listed(names: list[str]) -> str:
    shown = [*names[:NAMED_MOST], "others"] if len(names) > NAMED_MOST else names
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _so_many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def contents(dataset: Dataset) -> list[str]:
    """Return what is deleted with the dataset, each with its number, for a person to read before they confirm."""
    counted = {
        "record": record_counts.size(dataset),
        "import": dataset.imports.count(),
        "annotation": Annotation.objects.filter(record__dataset=dataset).count(),
        "distillation": Distillation.objects.filter(Q(dataset=dataset) | Q(target=dataset)).count(),
        "export": dataset.exports.count(),
    }
    return [_so_many(count, noun) for noun, count in counted.items() if count or noun == "record"]


def keeps(dataset: Dataset) -> list[str]:
    """Return the names of the archived versions whose rows outlast the dataset."""
    archived = dataset.versions.filter(status=Status.DONE).exclude(freed_at=None)
    return [str(version) for version in archived.order_by("number")]


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
    """Delete what is left of the dataset, so that a killed job can resume. The dataset itself is deleted last.

    One with archived versions stays as a hidden row, for they are of it: what runs and adapters were made of stays known.
    """
    job = claim.job
    stays = job.dataset is not None and job.dataset.versions.filter(status=Status.DONE).exists()
    if job.dataset is not None:  # else it was killed between its last two writes
        claim.progress(line="Deleting the records")
        clear(claim, DeletionPart(VersionEntry.objects.filter(version__dataset=job.dataset)), counted=False)
        for part in deletion.of_datasets([job.dataset.pk]):
            clear(claim, part, counted=part.rows.model is Record)
        with claim.writing():
            if not stays:
                job.dataset.delete()
    words = " Its archived versions keep their hashes and figures." if stays else ""
    claim.progress(
        total=job.done, line=f"{job.name} was deleted, with {job.done:,} record{'' if job.done == 1 else 's'}.{words}"
    )
