"""What happened, for those who want to know: one waiting delivery for each webhook that asked for the event."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.jobs import queue
from atelier.statements import kept
from atelier.webhooks.models import Delivery, Webhook

DELIVER = "atelier.webhooks.tasks.deliver"
TEST = "test"


def emit(project: Project, event: str, body: dict[str, Any]) -> int:
    """Note an event inside the caller's transaction; a worker is woken after the commit. Returns how many want it.

    `event` is one of `Webhook.Event`. `body` is JSON of plain values: ids, counts, names; never a secret and never a
    record's content, because the receiver may be outside.
    """
    if event not in Webhook.Event.values:
        raise ValueError(f"There is no event {event!r}: use one of {', '.join(Webhook.Event.values)}.")
    wanting = [hook for hook in _active(project.pk) if event in hook.events]
    for hook in wanting:
        note(hook, event, body)
    return len(wanting)


@kept
def _active(project: int) -> QuerySet[Webhook]:
    return Webhook.objects.filter(project=project, is_active=True)


def note(hook: Webhook, event: str, body: dict[str, Any]) -> Delivery:
    """One waiting delivery, with a worker woken after the commit."""
    delivery = Delivery.objects.create(webhook=hook, event=event, body=payload(hook.project, event, body), due_at=Now())
    queue.wake_task(DELIVER, delivery.pk)
    return delivery


def payload(project: Project, event: str, body: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """What the other side gets, as a JSON object."""
    return {
        "type": event,
        "timestamp": (at or timezone.now()).isoformat(),
        "project": {"id": project.pk, "name": project.name},
        "data": body,
    }
