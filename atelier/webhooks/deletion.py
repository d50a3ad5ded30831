"""The webhooks' part in the deletion of a project."""

from collections.abc import Iterator

from atelier.accounts.models import Project
from atelier.jobs.clearing import DeletionPart
from atelier.webhooks.models import Delivery, Webhook


def of_project(project: Project) -> Iterator[DeletionPart]:
    yield DeletionPart(Delivery.objects.filter(webhook__project=project))
    yield DeletionPart(Webhook.objects.filter(project=project))


def hush(project: Project) -> None:
    """Switch off the webhooks of a project that is being deleted."""
    Webhook.objects.filter(project=project).update(is_active=False)
