"""Lineage in training: a version's runs, and the adapter of each."""

from collections.abc import Iterator

from django.db.models import Model
from django.urls import reverse

from curation.models import Version
from curation.versions import lineage
from curation.versions.lineage import Node
from training.models import Adapter, Run


def register() -> None:
    lineage.follow(Version, _runs)
    lineage.follow(Run, _adapter)


def _runs(version: Version) -> Iterator[tuple[Node, Model | None]]:
    for run in version.runs.order_by("-pk")[: lineage.MOST]:
        url = reverse("training:run", args=[run.project_id, run.pk])
        yield Node("Run", run.title, url, run.get_status_display().lower()), run


def _adapter(run: Run) -> Iterator[tuple[Node, Model | None]]:
    for adapter in Adapter.objects.filter(run=run):
        yield Node("Adapter", adapter.name, "", f"on {adapter.base}"), adapter
