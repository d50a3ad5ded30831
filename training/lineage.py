"""Lineage in training: a version's runs, and the adapter of each."""

from collections.abc import Iterator

from django.db.models import Model
from django.urls import reverse

from atelier.jobs.models import LIVE
from curation.models import Version
from curation.versions import archive, lineage
from curation.versions.lineage import Node
from training.models import Adapter, Run


def register() -> None:
    lineage.follow(Version, _runs)
    lineage.follow(Run, _adapter)
    archive.used_by(_live_runs)


def _live_runs(version: Version) -> Iterator[str]:
    for run in version.runs.filter(status__in=LIVE).order_by("pk"):
        yield run.title


def _runs(version: Version) -> Iterator[tuple[Node, Model | None]]:
    for run in version.runs.order_by("-pk")[: lineage.MOST]:
        url = reverse("training:run", args=[run.project_id, run.pk])
        yield Node("Run", run.title, url, run.get_status_display().lower()), run


def _adapter(run: Run) -> Iterator[tuple[Node, Model | None]]:
    for adapter in Adapter.objects.filter(run=run):
        yield Node("Adapter", adapter.name, "", f"on {adapter.base}"), adapter
