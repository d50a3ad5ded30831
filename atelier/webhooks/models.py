"""Webhooks: what happened here, told to an address over there. Every try is kept."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from atelier import secrets
from atelier.accounts.models import Project


class Webhook(models.Model):
    """An address that wants to know. Deliveries are signed with its secret."""

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
        """In plain, to sign with. Raises SecretUnreadable."""
        return secrets.unseal(self.sealed_secret)


class Delivery(models.Model):
    """One event for one webhook: tried until the other side took it, or the tries were used up."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=20)
    body = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    tries = models.JSONField(default=list)  # [{"at", "status", "seconds", "error", "reply"}]
    tries_before = models.PositiveSmallIntegerField(default=0)  # made before it was last sent again
    due_at = models.DateTimeField(default=timezone.now, null=True)  # the next try
    claimed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="delivery_due", condition=models.Q(state="waiting"))]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}: {self.state}"

    @property
    def event_id(self) -> str:
        """The same through every try, so that the receiver can tell a repetition."""
        return f"evt_{self.pk}"
