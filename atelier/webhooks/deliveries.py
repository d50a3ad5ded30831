"""Deliveries: each is claimed by one worker at a time, signed, sent, noted, and tried again after growing pauses."""

from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from atelier.jobs import queue
from atelier.jobs.models import from_now
from atelier.secrets import SecretUnreadable
from atelier.webhooks import events, sending, signing
from atelier.webhooks.models import Delivery, Webhook
from atelier.webhooks.sending import Reply

PAUSES = [60, 5 * 60, 15 * 60, 3600, 3 * 3600, 6 * 3600, 12 * 3600]  # seconds after the first, second, … try
TRIES = len(PAUSES) + 1
LONGEST_PAUSE = PAUSES[-1]
CLAIM_SECONDS = 60  # far above the limit of one try: a claim this old belongs to a worker that is gone
GONE = 410
WAKE_AT_ONCE = 50


def deliver(pk: int) -> None:
    """Try one delivery, unless it is not due or another worker has it."""
    delivery = _claim(pk)
    if delivery is None:
        return
    hook = delivery.webhook
    if not hook.is_active and delivery.event != events.TEST:
        _settle(delivery, Delivery.State.FAILED, None)
        return
    try:
        reply = _send(delivery, hook)
    except SecretUnreadable as error:
        reply = Reply(0, 0.0, f"The secret cannot be read: {error}")
    _note(delivery, reply)


def _claim(pk: int) -> Delivery | None:
    """One conditional UPDATE: of many copies of a wake-up one wins."""
    free = Q(claimed_at=None) | Q(claimed_at__lt=from_now(-CLAIM_SECONDS))
    rows = Delivery.objects.filter(free, pk=pk, state=Delivery.State.WAITING, due_at__lte=Now())
    if not rows.update(claimed_at=Now()):
        return None
    return Delivery.objects.select_related("webhook__project").get(pk=pk)


def _send(delivery: Delivery, hook: Webhook) -> Reply:
    body = orjson.dumps(delivery.body)
    timestamp = int(timezone.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "atelier",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(hook.secret, delivery.event_id, timestamp, body),
    }
    return sending.post(hook.url, body, headers, settings.PRIVATE_HOSTS_ALLOWED)


def _note(delivery: Delivery, reply: Reply) -> None:
    """Keep the try, and decide what follows."""
    done = {"at": timezone.now().isoformat(), "status": reply.status, "seconds": reply.seconds, "error": reply.error}
    delivery.tries = [*delivery.tries, done | {"reply": reply.text}]
    tries = len(delivery.tries) - delivery.tries_before
    if reply.ok:
        _settle(delivery, Delivery.State.DELIVERED, None)
    elif tries >= TRIES or reply.status == GONE or delivery.event == events.TEST:
        _settle(delivery, Delivery.State.FAILED, None)
    else:
        pause = min(max(PAUSES[tries - 1], reply.retry_after), LONGEST_PAUSE)
        _settle(delivery, Delivery.State.WAITING, pause)


def _settle(delivery: Delivery, state: str, pause: float | None) -> None:
    due: Any = None if pause is None else from_now(pause)
    # What somebody else has settled meanwhile stays so.
    Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.WAITING, claimed_at__isnull=False).update(
        state=state, tries=delivery.tries, due_at=due, claimed_at=None
    )


def send_again(delivery: Delivery) -> bool:
    """Start over with what was delivered or given up, keeping its log and its event id. False while it waits anyway."""
    with transaction.atomic():
        changed = (
            Delivery.objects.filter(pk=delivery.pk)
            .exclude(state=Delivery.State.WAITING)
            .update(state=Delivery.State.WAITING, due_at=Now(), claimed_at=None, tries_before=len(delivery.tries))
        )
        if changed:
            queue.wake_task(events.DELIVER, delivery.pk)
    return bool(changed)


def wake_due() -> int:
    """The reaper's sweep: wake what is due and nobody works on. Returns how many."""
    free = Q(claimed_at=None) | Q(claimed_at__lt=from_now(-CLAIM_SECONDS))
    # What was just noted is being woken by its own commit: leave that a moment.
    due = Delivery.objects.filter(free, state=Delivery.State.WAITING, due_at__lt=from_now(-2)).order_by("due_at")
    woken = 0
    for pk in due.values_list("pk", flat=True)[:WAKE_AT_ONCE]:
        if not queue.send_task(events.DELIVER, pk):
            break
        woken += 1
    return woken
