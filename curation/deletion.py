"""Deletion of large parts of datasets, very many rows or large files, in an order that references allow."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q

from atelier.accounts.models import Project
from atelier.jobs.clearing import DeletionPart
from curation.models import (
    Change,
    Dataset,
    Distillation,
    Export,
    Generation,
    Import,
    ImportIssue,
    NearDuplicate,
    Record,
    Version,
    VersionEntry,
)
from curation.versions import archive, diff


def of_project(project: Project) -> Iterator[DeletionPart]:
    """Yield the parts of a project to delete, versions first: what was frozen keeps its records."""
    versions = Version.objects.filter(project=project)
    yield DeletionPart(VersionEntry.objects.filter(version__in=_ids(versions)))
    yield DeletionPart(Export.objects.filter(project=project), files=_discard_files)
    yield DeletionPart(versions, files=_discard_versions)
    yield from of_datasets(_ids(Dataset._base_manager.filter(project=project)))
    yield DeletionPart(Dataset._base_manager.filter(project=project))


def of_datasets(datasets: list[int]) -> Iterator[DeletionPart]:
    """Yield the parts of datasets to delete, given their ids, but for versions and the datasets themselves."""
    distillations = _ids(Distillation.objects.filter(Q(dataset__in=datasets) | Q(target__in=datasets)))
    yield DeletionPart(NearDuplicate.objects.filter(dataset__in=datasets))
    yield DeletionPart(Generation.objects.filter(distillation__in=distillations))
    yield DeletionPart(ImportIssue.objects.filter(parent__in=_ids(Import.objects.filter(dataset__in=datasets))))
    yield DeletionPart(Record.objects.filter(dataset__in=datasets), before=_forget_changes)
    yield DeletionPart(Import.objects.filter(dataset__in=datasets), files=_discard_files)
    yield DeletionPart(Export.objects.filter(dataset__in=datasets), files=_discard_files)


def _ids(rows: Any) -> list[int]:
    return list(rows.values_list("pk", flat=True))


def _forget_changes(records: list[int]) -> None:
    """Delete the records' changes by one statement; nothing refers to changes."""
    Change.objects.filter(record__in=records).delete()


def _discard_files(jobs: Iterable[Any]) -> None:
    for job in jobs:
        if job.file:
            default_storage.delete(job.file)


def _discard_versions(versions: list[Version]) -> None:
    """Delete the files of versions that no other version has: they are named by their content, which two may share."""
    for version in versions:
        diff.forget(version)
        names = {file["name"] for file in version.files.values()}
        with transaction.atomic():
            archive.keep_freezes_out()
            for name in names - archive.names_of_others(version):
                default_storage.delete(name)
            Version.objects.filter(pk=version.pk).update(files={})
