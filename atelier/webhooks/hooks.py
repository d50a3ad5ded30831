"""Webhooks of a project: creating, changing, deleting and testing them. Rules in one place for pages and REST."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from atelier import secrets
from atelier.accounts.models import Project, User
from atelier.jobs.once import once
from atelier.network.outbound import Gate, OutboundRefused
from atelier.webhooks import events, sending, signing
from atelier.webhooks.models import Delivery, Webhook

MOST = 20  # of one project: each event is one delivery for each of them
URL_LENGTH = 2000


def create(
    project: Project, user: User | None, url: str, wanted: Iterable[str], key: str | None = None
) -> tuple[Webhook, str]:
    """Create a webhook; return it with its secret in plain, which is shown this once. Raises ValidationError.

    The same idempotency key returns the same webhook, and then no secret.
    """
    secret = signing.new_secret()
    sealed = secrets.seal(secret)

    def make() -> Webhook:
        if project.webhooks.count() >= MOST:
            raise ValidationError(f"A project can have at most {MOST} webhooks. Delete one first.")
        hook = Webhook(project=project, created_by=user, sealed_secret=sealed)
        hook.url, hook.events = check_url(url), check_events(wanted)
        return hook

    hook = once(project.webhooks, key, make)
    return hook, secret if hook.sealed_secret == sealed else ""


def change(hook: Webhook, url: str, wanted: Iterable[str], is_active: bool) -> None:
    """Change a webhook. Raises ValidationError."""
    hook.url, hook.events, hook.is_active = check_url(url), check_events(wanted), is_active
    hook.save(update_fields=["url", "events", "is_active"])


def new_secret(hook: Webhook) -> str:
    """Replace the secret; the old one no longer signs anything. Returns the new one in plain, shown this once."""
    secret = signing.new_secret()
    hook.sealed_secret = secrets.seal(secret)
    hook.save(update_fields=["sealed_secret"])
    return secret


def send_test(hook: Webhook) -> Delivery:
    """Create a delivery of the event "test", tried once, also while the webhook is switched off."""
    delivery = events.note(hook, events.TEST, {"text": "This is a test. Deliveries to this URL arrive."})
    delivery.refresh_from_db()  # its time was written by the database
    return delivery


def check_url(url: Any) -> str:
    """Return the URL, trimmed. Raises ValidationError when it may not be called from here."""
    url = str(url).strip()
    if not url or len(url) > URL_LENGTH:
        raise ValidationError(f"Enter a URL of at most {URL_LENGTH} characters, such as https://host/path.")
    try:
        Gate(settings.WEBHOOK_PRIVATE_HOSTS, setting=sending.PRIVATE_SETTING).check_url(url)
    except OutboundRefused as error:
        raise ValidationError(str(error)) from error
    return url


def problem(hook: Webhook) -> str:
    """Return why nothing can be sent to the webhook, perhaps by a rule newer than the webhook; empty when nothing is known."""
    try:
        check_url(hook.url)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def check_events(wanted: Iterable[str]) -> list[str]:
    """Return the events in their usual order. Raises ValidationError for an unknown one, or none."""
    chosen = set(wanted)
    if unknown := sorted(chosen - set(Webhook.Event.values)):
        names = ", ".join(Webhook.Event.values)
        raise ValidationError(f"No event is called {unknown[0][:40]!r}. Use any of {names}.")
    if not chosen:
        raise ValidationError("Choose at least one event.")
    return [event for event in Webhook.Event.values if event in chosen]
