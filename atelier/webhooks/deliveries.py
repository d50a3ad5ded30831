"""Webhook deliveries: each is claimed by one worker at a time, signed, sent, noted, and retried after growing pauses."""

from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from atelier.jobs import broker, queue
from atelier.jobs.models import from_now
from atelier.secrets import SecretUnreadable
from atelier.webhooks import events, sending, signing
from atelier.webhooks.models import Delivery, Webhook
from atelier.webhooks.sending import DeliveryReply

PAUSES = [60, 5 * 60, 15 * 60, 3600, 3 * 3600, 6 * 3600, 12 * 3600]  # seconds after the first, second, … try
TRIES = len(PAUSES) + 1
LONGEST_PAUSE = PAUSES[-1]
CLAIM_SECONDS = 60  # far above the limit of one try: a claim this old belongs to a worker that is gone
GONE = 410
WAKE_AT_ONCE = 1000


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
        reply = DeliveryReply(0, 0.0, f"The secret cannot be read: {error}")
    _note(delivery, reply)


def _claim(pk: int) -> Delivery | None:
    """Claim a delivery by one conditional UPDATE: of many copies of a wake-up one wins."""
    free = Q(claimed_at=None) | Q(claimed_at__lt=from_now(-CLAIM_SECONDS))
    rows = Delivery.objects.filter(free, pk=pk, state=Delivery.State.WAITING, due_at__lte=Now())
    if not rows.update(claimed_at=Now(), woken_at=None):
        queue.taken_in_vain(Delivery, pk)
        return None
    return Delivery.objects.select_related("webhook__project").get(pk=pk)


def _send(delivery: Delivery, hook: Webhook) -> DeliveryReply:
    body = orjson.dumps(delivery.body)
    timestamp = int(timezone.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "atelier",
        "webhook-id": delivery.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(hook.secret, delivery.event_id, timestamp, body),
    }
    return sending.post(hook.url, body, headers, settings.WEBHOOK_PRIVATE_HOSTS)


def _note(delivery: Delivery, reply: DeliveryReply) -> None:
    """Store the try, and decide what follows."""
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
    """Send a delivered or abandoned delivery again, with its log and its event id. Returns False while it already waits."""
    with transaction.atomic():
        changed = (
            Delivery.objects.filter(pk=delivery.pk)
            .exclude(state=Delivery.State.WAITING)
            .update(state=Delivery.State.WAITING, due_at=Now(), claimed_at=None, tries_before=len(delivery.tries))
        )
        if changed:
            transaction.on_commit(lambda: events.wake(delivery.pk))
    return bool(changed)


def wake_due() -> int:
    """Send as many wake-ups as the queue lacks for due deliveries, as the reaper's sweep. Returns how many were sent.

    Thus there is at most one for each delivery, however long the receiver or the workers are away.
    """
    # What was just noted is being woken by its own commit: leave that a moment.
    due = _due().filter(due_at__lt=from_now(-2)).order_by("due_at")
    try:
        missing = min(due.count() - broker.waiting(events.QUEUE), WAKE_AT_ONCE)
    except broker.BrokerUnavailable:
        return 0  # the reaper has said so for the jobs
    woken = 0
    for pk in due.filter(queue.lost_or_new()).values_list("pk", flat=True)[: max(0, missing)]:
        if not events.wake(pk):
            break
        woken += 1
    return woken


def backlog() -> tuple[int, int]:
    """Count the deliveries that are due, and those that are being tried."""
    claimed = Delivery.objects.filter(state=Delivery.State.WAITING, claimed_at__gte=from_now(-CLAIM_SECONDS))
    return _due().count(), claimed.count()


def _due() -> QuerySet[Delivery]:
    free = Q(claimed_at=None) | Q(claimed_at__lt=from_now(-CLAIM_SECONDS))
    return Delivery.objects.filter(free, state=Delivery.State.WAITING, due_at__lte=Now())
