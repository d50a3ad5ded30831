"""The models of endpoints, which answer chat completions, and deployments, which request that a base be served."""

from datetime import timedelta
from decimal import Decimal

from django.db import models
from django.utils import timezone

from atelier import secrets
from atelier.accounts.models import Project
from atelier.database.ranges import between
from training.models import Adapter

SILENT_SECONDS = 15  # after that the model server is taken for gone


class Deployment(models.Model):
    """A deployment: the request to serve a base model with these adapters. The model server carries it out and reports here."""

    class Wanted(models.TextChoices):
        UP = "up"
        DOWN = "down"

    class State(models.TextChoices):
        DOWN = "down", "Not deployed"
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
    sealed_key = models.TextField(blank=True, default="", editable=False)  # of that process, drawn when it starts
    loaded = models.JSONField(default=list)  # served names of the adapters that answer now
    seen_at = models.DateTimeField(null=True)  # the server's last look

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "base"], name="one_deployment_a_base")]

    def __str__(self) -> str:
        return f"{self.base} ({self.state})"

    @property
    def key(self) -> str:
        """Return the key that its vLLM process requires, in plain. Raises SecretUnreadable."""
        return secrets.unseal(self.sealed_key)

    @property
    def is_silent(self) -> bool:
        """Return whether the model server has not reported for longer than it ever should."""
        return self.seen_at is None or timezone.now() - self.seen_at > timedelta(seconds=SILENT_SECONDS)

    @property
    def is_answering(self) -> bool:
        """Return whether its server is ready, and was still there a moment ago."""
        return self.state == self.State.READY and bool(self.url) and not self.is_silent


class Endpoint(models.Model):
    """An endpoint that answers chat completions over HTTP (or replays recorded answers, and is labelled so)."""

    class Kind(models.TextChoices):
        RECORDED = "recorded", "Recorded answers"
        OPENAI = "openai", "OpenAI-compatible"
        MISTRAL = "mistral", "Mistral API"
        SERVED = "served", "Served here"

    class TokensField(models.TextChoices):
        MAX_TOKENS = "max_tokens", "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens", "max_completion_tokens"

    class Sampled(models.TextChoices):
        TEMPERATURE = "temperature", "temperature"
        TOP_P = "top_p", "top_p"
        SEED = "seed", "seed"

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
    tokens_field = models.CharField(max_length=21, choices=TokensField.choices, default=TokensField.MAX_TOKENS)
    left_out = models.JSONField(default=list, blank=True)  # sampling fields that it refuses
    more_fields = models.JSONField(default=dict, blank=True)  # further fields of every request
    is_teacher = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=80, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="endpoint_name_unique_in_project"),
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="endpoint_idempotent"),
            between("price_in", 0, Decimal("999999.9999")),
            between("price_out", 0, Decimal("999999.9999")),
        ]

    def __str__(self) -> str:
        return f"{self.name} (recorded answers)" if self.kind == self.Kind.RECORDED else self.name

    @property
    def key(self) -> str:
        """Return the provider's key in plain. Raises SecretUnreadable."""
        return secrets.unseal(self.sealed_key)

    @property
    def model_shown(self) -> str:
        """Return the answering model for pages: the provider's model, the adapter, or the base."""
        if self.adapter:
            return self.adapter.name
        return self.deployment.base if self.deployment else self.model

    def set_key(self, plain: str) -> None:
        self.sealed_key = secrets.seal(plain)

    @property
    def is_ready(self) -> bool:
        """Return whether it can be called now."""
        if self.kind != self.Kind.SERVED:
            return self.archived_at is None
        deployment = self.deployment
        if deployment is None or not deployment.is_answering:
            return False
        return self.adapter is None or self.adapter.served_name in deployment.loaded
