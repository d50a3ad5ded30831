"""The part of training in the deletion of a project. Base models belong to the installation and stay."""

import shutil
from collections.abc import Iterator

from atelier.accounts.models import Project
from atelier.jobs.clearing import DeletionPart
from training.models import Adapter, Pull, Run


def of_project(project: Project) -> Iterator[DeletionPart]:
    """Yield the parts to delete: adapters are in the folders of their runs."""
    yield DeletionPart(Adapter.objects.filter(project=project))
    yield DeletionPart(Run.objects.filter(project=project), files=_discard)
    yield DeletionPart(Pull.objects.filter(project=project))


def _discard(runs: list[Run]) -> None:
    for run in runs:
        if run.folder.exists():
            shutil.rmtree(run.folder)
