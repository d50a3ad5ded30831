"""Webhook events: one waiting delivery for each webhook that subscribed to the event."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from atelier.accounts.models import Project
from atelier.database.prepared import prepared
from atelier.jobs import queue
from atelier.webhooks.models import Delivery, Webhook

DELIVER = "atelier.webhooks.tasks.deliver"
QUEUE = "webhooks"  # a slow receiver keeps no job from its slot
TEST = "test"


def emit(project: Project, event: str, body: dict[str, Any]) -> int:
    """Note an event inside the caller's transaction; a worker is woken after the commit. Returns how many webhooks get it.

    `event` is one of `Webhook.Event`. `body` is JSON of plain values: ids, counts, names; never a secret and never a
    record's content, because the receiver may be outside.
    """
    if event not in Webhook.Event.values:
        raise ValueError(f"No event is called {event!r}. Use one of {', '.join(Webhook.Event.values)}.")
    wanting = [hook for hook in _active(project.pk) if event in hook.events]
    for hook in wanting:
        note(hook, event, body)
    return len(wanting)


@prepared
def _active(project: int) -> QuerySet[Webhook]:
    return Webhook.objects.filter(project=project, is_active=True)


def note(hook: Webhook, event: str, body: dict[str, Any]) -> Delivery:
    """Create one waiting delivery, with a worker woken after the commit."""
    delivery = Delivery.objects.create(webhook=hook, event=event, body=payload(hook.project, event, body), due_at=Now())
    transaction.on_commit(lambda: wake(delivery.pk))
    return delivery


def wake(pk: int) -> bool:
    """Publish the wake-up of a waiting delivery, unless one is on its way. Returns False when the broker is unavailable."""
    waiting = Delivery.objects.filter(pk=pk, state=Delivery.State.WAITING)
    return queue.send_once(waiting, DELIVER, [pk], QUEUE)


def payload(project: Project, event: str, body: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """Return what the receiver gets, as a JSON object."""
    return {
        "type": event,
        "timestamp": (at or timezone.now()).isoformat(),
        "project": {"id": project.pk, "name": project.name},
        "data": body,
    }
