"""Whole files that may hold an erased record: exports kept for download and files of imports kept to be read again."""

from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.db.models import Count, F, Max, Q, QuerySet

from atelier.jobs.claims import Claim
from atelier.jobs.models import TERMINAL, Status
from curation.erasures import tally
from curation.erasures.remains import Remain
from curation.models import Erasure, Export, Import, Record, Version

GONE = "The file was removed, because a record in it was erased. Export again."
GONE_IMPORT = "The file was removed, because a record in it was erased."


def restart_readers(claim: Claim[Erasure]) -> int:
    """Make freezes and exports that may have read an erased record begin again; return how many. The records are empty by now.

    A higher fence is all it takes: the former attempt can write nothing more, and the next reads what is left.
    """
    datasets = _datasets(claim.job)
    with claim.writing():
        return sum(
            model._default_manager.filter(dataset__in=datasets, status=Status.RUNNING).update(
                status=Status.QUEUED, lease_until=None, woken_at=None, fence=F("fence") + 1
            )
            for model in (Version, Export)
        )


def _datasets(erasure: Erasure) -> list[int]:
    return list(Record.objects.filter(erased__erasure=erasure).order_by().values_list("dataset", flat=True).distinct())


def remove_exports(claim: Claim[Erasure]) -> None:
    """Remove the files of exports that may hold an erased record: which rows an export holds is not known."""
    erasure = claim.job
    versions = erasure.files.values("version")
    wiped = erasure.records.aggregate(last=Max("wiped_at"))["last"]
    made = Export.objects.filter(Q(dataset__in=_datasets(erasure), version=None) | Q(version__in=versions))
    for export in made.filter(status__in=TERMINAL, started_at__lte=wiped).exclude(file=""):
        claim.obey()
        default_storage.delete(export.file)
        with claim.writing():
            Export.objects.filter(pk=export.pk).update(file="", size=0, line=GONE)
            tally.add(claim, exports=1)


def remove_imports(claim: Claim[Erasure]) -> None:
    """Remove the files from which erased records were imported, of imports that are over."""
    for job in _imports(claim.job).filter(status__in=TERMINAL).exclude(file=""):
        claim.obey()
        default_storage.delete(job.file)
        with claim.writing():
            Import.objects.filter(pk=job.pk).update(file="", line=GONE_IMPORT)
            tally.add(claim, imported_files=1)


def _imports(erasure: Erasure) -> "QuerySet[Import]":
    return Import.objects.filter(records__erased__erasure=erasure).distinct().order_by("pk")


def remains(erasure: Erasure) -> Iterator[Remain]:
    """Yield what holds the content still: imports that are not over, sources outside, and records of the same content."""
    for job in _imports(erasure):
        if job.status not in TERMINAL and job.file:
            yield Remain(
                "Import",
                job.original_name,
                job.project_id,
                "curation:import",
                job.pk,
                "the import is not over, so its file is still needed. Cancel it, then resume this erasure.",
            )
        if job.url or job.origin:
            yield Remain(
                "Source",
                job.original_name,
                job.project_id,
                "curation:import",
                job.pk,
                "the original outside Atelier, from which it was imported, is not Atelier's to change.",
            )
    erased = Record.objects.filter(erased__erasure=erasure)
    same = Record.objects.present().filter(
        dataset__project=erasure.project, dataset__deleted_at=None,
        content_hash__in=erased.values("erased__content_hash"), erased=None,
    )  # fmt: skip
    for dataset, name, count in same.order_by().values_list("dataset", "dataset__name").annotate(count=Count("pk")):
        yield Remain(
            "Records",
            f"{count:,} of {name}",
            erasure.project_id,
            "curation:dataset",
            dataset,
            "the content is the same, but nothing says that they were made from one another. Erase them there.",
        )
