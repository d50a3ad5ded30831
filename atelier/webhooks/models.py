"""The models of webhooks: events here, delivered to a URL elsewhere. Every try is stored."""

from secrets import token_urlsafe

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier import secrets
from atelier.accounts.models import Project


def new_event_id() -> str:
    """Return a random id, not a number, which would reveal to a receiver how much happens in other teams."""
    return f"evt_{token_urlsafe(16)}"


class Webhook(models.Model):
    """A webhook: a URL that subscribed to events. Deliveries are signed with its secret."""

    class Event(models.TextChoices):
        IMPORTED = "imported", "An import ended"
        SUBMITTED = "submitted", "An annotation was submitted"
        FROZEN = "frozen", "A version was frozen"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=2000)
    events = models.JSONField(default=list)
    sealed_secret = models.TextField(editable=False)
    is_active = models.BooleanField(default=True)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "idempotency_key"], name="webhook_idempotent")]

    def __str__(self) -> str:
        return self.url

    @property
    def secret(self) -> str:
        """Return the secret in plain, to sign with. Raises SecretUnreadable."""
        return secrets.unseal(self.sealed_secret)


class Delivery(models.Model):
    """A delivery of one event to one webhook: tried until the receiver accepted it, or the tries were used up."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Gave up"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20)
    # The same through every try, so that the receiver can tell a repetition.
    event_id = models.CharField(max_length=40, default=new_event_id, editable=False)
    body = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.JSONField(default=list)  # [{"at", "status", "seconds", "error", "reply"}]
    tries_before = models.PositiveSmallIntegerField(default=0)  # made before it was last sent again
    due_at = models.DateTimeField(default=timezone.now, null=True)  # the next try
    claimed_at = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)  # a message for it is on its way; None again once it is claimed
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="delivery_due", condition=models.Q(state="waiting"))]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}: {self.state}"
