"""Endpoints: anything that answers chat completions. Deployments: the wish that a base be served."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from atelier import secrets
from atelier.accounts.models import Project
from training.models import Adapter

SILENT_SECONDS = 15  # after that the model server is taken for gone


class Deployment(models.Model):
    """The wish that a base model with these adapters be served; the server's loop makes it so and reports here."""

    class Wanted(models.TextChoices):
        UP = "up"
        DOWN = "down"

    class State(models.TextChoices):
        DOWN = "down", "Down"
        WAITING = "waiting", "Waiting for the server"
        STARTING = "starting", "Starting"
        READY = "ready", "Ready"
        STOPPING = "stopping", "Stopping"
        FAILED = "failed", "Failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deployments")
    base = models.CharField(max_length=80)
    adapters = models.ManyToManyField(Adapter, related_name="deployments", blank=True)
    wanted = models.CharField(max_length=4, choices=Wanted.choices, default=Wanted.UP)
    wanted_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    message = models.TextField(blank=True)  # the server's own words
    url = models.CharField(max_length=200, blank=True)  # of the vLLM process, while it is ready
    loaded = models.JSONField(default=list)  # served names of the adapters that answer now
    seen_at = models.DateTimeField(null=True)  # the server's last look

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "base"], name="one_deployment_a_base")]

    def __str__(self) -> str:
        return f"{self.base} ({self.state})"

    @property
    def is_silent(self) -> bool:
        """True when the model server has not looked for longer than it ever should."""
        return self.seen_at is None or timezone.now() - self.seen_at > timedelta(seconds=SILENT_SECONDS)

    @property
    def is_answering(self) -> bool:
        """True when its server is ready, and was still there a moment ago."""
        return self.state == self.State.READY and bool(self.url) and not self.is_silent


class Endpoint(models.Model):
    """A name that answers chat completions over HTTP (or replays recorded answers, and says so)."""

    class Kind(models.TextChoices):
        RECORDED = "recorded", "Recorded answers"
        OPENAI = "openai", "OpenAI-compatible"
        MISTRAL = "mistral", "Mistral API"
        SERVED = "served", "Served here"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="endpoints")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    url = models.CharField(max_length=500, blank=True)
    model = models.CharField(max_length=200, blank=True)
    sealed_key = models.TextField(blank=True, editable=False)
    answers = models.CharField(max_length=200, blank=True)  # recorded: storage name of the JSONL with the answers
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, null=True, related_name="endpoints")
    adapter = models.ForeignKey(Adapter, on_delete=models.CASCADE, null=True, related_name="endpoints")
    price_in = models.DecimalField(max_digits=10, decimal_places=4, default=0)  # for a million prompt tokens
    price_out = models.DecimalField(max_digits=10, decimal_places=4, default=0)  # for a million answer tokens
    is_teacher = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="endpoint_name_unique_in_project"),
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="endpoint_idempotent"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (recorded answers)" if self.kind == self.Kind.RECORDED else self.name

    @property
    def key(self) -> str:
        """The provider's key in plain. Raises SecretUnreadable."""
        return secrets.unseal(self.sealed_key)

    @property
    def model_shown(self) -> str:
        """What answers, for pages: the provider's model, the adapter, or the base."""
        if self.adapter:
            return self.adapter.name
        return self.deployment.base if self.deployment else self.model

    def set_key(self, plain: str) -> None:
        self.sealed_key = secrets.seal(plain)

    @property
    def is_ready(self) -> bool:
        """True when it can be asked now."""
        if self.kind != self.Kind.SERVED:
            return self.archived_at is None
        deployment = self.deployment
        if deployment is None or not deployment.is_answering:
            return False
        return self.adapter is None or self.adapter.served_name in deployment.loaded
