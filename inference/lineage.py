"""Lineage in inference: evaluations on a version, deployments of an adapter."""

from collections.abc import Iterator

from django.db.models import Model
from django.urls import reverse

from atelier.jobs.models import LIVE
from curation.models import Version
from curation.versions import archive, lineage
from curation.versions.lineage import Node
from inference.models import Evaluation
from training.models import Adapter


def register() -> None:
    lineage.follow(Version, _evaluations)
    lineage.follow(Adapter, _deployments)
    lineage.follow(Adapter, _evaluated)
    archive.used_by(_live_evaluations)


def _live_evaluations(version: Version) -> Iterator[str]:
    for evaluation in version.evaluations.filter(status__in=LIVE).order_by("pk"):
        yield evaluation.title


def _node(evaluation: Evaluation) -> Node:
    url = reverse("inference:evaluation", args=[evaluation.project_id, evaluation.pk])
    return Node("Evaluation", evaluation.name, url, evaluation.get_status_display().lower())


def _evaluations(version: Version) -> Iterator[tuple[Node, Model | None]]:
    for evaluation in version.evaluations.order_by("-pk")[: lineage.MOST]:
        yield _node(evaluation), None


def _deployments(adapter: Adapter) -> Iterator[tuple[Node, Model | None]]:
    for deployment in adapter.deployments.order_by("pk"):
        url = reverse("inference:models", args=[deployment.project_id])
        yield Node("Deployment", deployment.base, url, deployment.get_state_display().lower()), None


def _evaluated(adapter: Adapter) -> Iterator[tuple[Node, Model | None]]:
    found = Evaluation.objects.filter(endpoints__adapter=adapter).distinct().order_by("-pk")
    for evaluation in found[: lineage.MOST]:
        yield _node(evaluation), None
