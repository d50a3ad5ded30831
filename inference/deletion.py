"""The part of inference in the deletion of a project: evaluations, comparisons and endpoints."""

from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.jobs.clearing import DeletionPart
from inference.models import Comparison, Deployment, Endpoint, Evaluation, EvaluationAnswer, Turn


def of_project(project: Project) -> Iterator[DeletionPart]:
    """Yield the parts to delete in this order: answers and sides refer to their endpoints, evaluations to their versions."""
    yield DeletionPart(EvaluationAnswer.objects.filter(evaluation__project=project))
    yield DeletionPart(Evaluation.objects.filter(project=project))
    yield DeletionPart(Turn.objects.filter(comparison__project=project))
    yield DeletionPart(Comparison.objects.filter(project=project))
    yield DeletionPart(Endpoint.objects.filter(project=project), files=_discard)
    yield DeletionPart(Deployment.objects.filter(project=project))


def stop_serving(project: Project) -> None:
    """Stop serving everything of a project that is being deleted."""
    Deployment.objects.filter(project=project).update(wanted=Deployment.Wanted.DOWN, wanted_at=timezone.now())


def _discard(endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        if endpoint.answers:
            default_storage.delete(endpoint.answers)
