"""Whole files that may hold an erased record: exports kept for download and files of imports kept to be read again."""

from collections.abc import Iterator
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import Count, F, Max, Q, QuerySet

from atelier.jobs.claims import Claim
from atelier.jobs.models import TERMINAL, Status
from curation import exports
from curation.erasures import tally
from curation.erasures.contents import copies_of
from curation.erasures.remains import Remain
from curation.models import Change, Erasure, Export, Import, ImportIssue, Record, Version
from curation.versions import scratch

PAGE = 500
GONE = "The file was removed, because a record in it was erased. Export again."
GONE_IMPORT = "The file was removed, because a record in it was erased."


def restart_readers(claim: Claim[Erasure]) -> int:
    """Make freezes and exports that may have read an erased record begin again; return how many. The records are empty by now.

    A higher fence is all it takes: the former attempt can write nothing more, and the next reads what is left.
    """
    datasets = _datasets(claim.job)
    with claim.writing():
        return sum(_restarted(model._default_manager.filter(dataset__in=datasets)) for model in (Version, Export))


def clear_leftovers(claim: Claim[Erasure]) -> None:
    """Remove what freezes, exports and erasures left that were killed; those that run now clear up for themselves."""
    datasets, idle = _datasets(claim.job), ~Q(status=Status.RUNNING)
    frozen = Version.objects.filter(idle, pk__in=scratch.left(scratch.FREEZE), dataset__in=datasets)
    for pk in frozen.values_list("pk", flat=True):
        scratch.clear(scratch.FREEZE, pk)
    erasures = Erasure.objects.filter(idle | Q(pk=claim.job.pk), pk__in=scratch.left(scratch.ERASE))
    for pk in erasures.values_list("pk", flat=True):
        scratch.clear(scratch.ERASE, pk)
    for export in Export.objects.filter(idle, dataset__in=datasets):
        exports.clear(export)


def restart_exports(claim: Claim[Erasure]) -> int:
    """Make exports of the changed versions begin again, for one may have opened a file before it was replaced; return how many."""
    with claim.writing():
        return _restarted(Export.objects.filter(version__in=claim.job.files.values("version")))


def _restarted(jobs: "QuerySet[Any]") -> int:
    return jobs.filter(status=Status.RUNNING).update(
        status=Status.QUEUED, lease_until=None, woken_at=None, fence=F("fence") + 1
    )


def _datasets(erasure: Erasure) -> list[int]:
    return list(Record.objects.filter(erased__erasure=erasure).order_by().values_list("dataset", flat=True).distinct())


def remove_exports(claim: Claim[Erasure]) -> None:
    """Remove the files of exports that may hold an erased record: which rows an export holds is not known.

    One of a dataset may if it began before the records were emptied, one of a version if it did before its file was replaced.
    """
    erasure = claim.job
    wiped = erasure.records.aggregate(last=Max("wiped_at"))["last"]
    of_dataset = Q(dataset__in=_datasets(erasure), version=None, started_at__lte=wiped)
    replaced = erasure.files.aggregate(last=Max("at"))["last"]
    of_version = Q(version__in=erasure.files.values("version"), started_at__lte=replaced) if replaced else Q(pk=None)
    for export in Export.objects.filter(of_dataset | of_version, status__in=TERMINAL).exclude(file=""):
        claim.obey()
        default_storage.delete(export.file)
        with claim.writing():
            Export.objects.filter(pk=export.pk).update(file="", size=0, line=GONE)
            tally.add(claim, exports=1)


def remove_imports(claim: Claim[Erasure]) -> None:
    """Remove the files from which erased records were imported or changed, or in which copies of them stand.

    Of imports that are over. Called before the records are emptied too: their history says which imports changed them.
    """
    for job in _imports(claim.job).filter(status__in=TERMINAL).exclude(file=""):
        claim.obey()
        default_storage.delete(job.file)
        with claim.writing():
            Import.objects.filter(pk=job.pk).update(file="", line=GONE_IMPORT)
            tally.add(claim, imported_files=1)


def _imports(erasure: Erasure) -> "QuerySet[Import]":
    pks = list(erasure.records.values_list("record", flat=True))
    found: set[Any] = set(
        Import.objects.filter(records__in=erasure.records.values("record")).values_list("pk", flat=True)
    )
    found |= set(Change.objects.filter(record__erased__erasure=erasure).values_list("imported_by", flat=True)) - {None}
    for at in range(0, len(pks), PAGE):
        found |= set(ImportIssue.objects.filter(copies_of(pks[at : at + PAGE])).values_list("parent", flat=True))
    return Import.objects.filter(pk__in=found).order_by("pk")


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
