"""Webhooks of a project: made, changed, ended, tried. Rules in one place for pages and REST."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atelier import secrets
from atelier.accounts.models import Project, User
from atelier.outbound import Gate, Refused
from atelier.webhooks import events, signing
from atelier.webhooks.models import Delivery, Webhook

MOST = 20  # of one project: each event is one delivery for each of them
URL_LENGTH = 2000


def create(
    project: Project, user: User | None, url: str, wanted: Iterable[str], key: str | None = None
) -> tuple[Webhook, str]:
    """A new webhook and its secret in plain, which is shown this once. Raises ValidationError.

    The same idempotency key gives the same webhook, and then no secret.
    """
    if key and (found := project.webhooks.filter(idempotency_key=key).first()):
        return found, ""
    if project.webhooks.count() >= MOST:
        raise ValidationError(f"A project has at most {MOST} webhooks: delete one first.")
    secret = signing.new_secret()
    hook = Webhook(project=project, created_by=user, sealed_secret=secrets.seal(secret), idempotency_key=key or None)
    hook.url, hook.events = check_url(url), check_events(wanted)
    try:
        with transaction.atomic():
            hook.save()
    except IntegrityError:  # the same key at the same moment
        return project.webhooks.get(idempotency_key=key), ""
    return hook, secret


def change(hook: Webhook, url: str, wanted: Iterable[str], is_active: bool) -> None:
    """Raises ValidationError."""
    hook.url, hook.events, hook.is_active = check_url(url), check_events(wanted), is_active
    hook.save(update_fields=["url", "events", "is_active"])


def new_secret(hook: Webhook) -> str:
    """Replace the secret; the old one signs nothing any more. Returns the new one in plain, shown this once."""
    secret = signing.new_secret()
    hook.sealed_secret = secrets.seal(secret)
    hook.save(update_fields=["sealed_secret"])
    return secret


def send_test(hook: Webhook) -> Delivery:
    """A delivery of the event "test", tried once, also while the webhook is switched off."""
    delivery = events.note(hook, events.TEST, {"text": "A test: deliveries to this address arrive."})
    delivery.refresh_from_db()  # its time was written by the database
    return delivery


def check_url(url: Any) -> str:
    """The address, trimmed. Raises ValidationError when it may not be called from here."""
    url = str(url).strip()
    if not url or len(url) > URL_LENGTH:
        raise ValidationError(f"Enter an address of at most {URL_LENGTH} characters, such as https://host/path.")
    try:
        Gate(settings.PRIVATE_HOSTS_ALLOWED).check_url(url)
    except Refused as error:
        raise ValidationError(str(error)) from error
    return url


def check_events(wanted: Iterable[str]) -> list[str]:
    """The events in their usual order. Raises ValidationError for an unknown one, or none."""
    chosen = set(wanted)
    if unknown := sorted(chosen - set(Webhook.Event.values)):
        names = ", ".join(Webhook.Event.values)
        raise ValidationError(f"There is no event {unknown[0][:40]!r}: use some of {names}.")
    if not chosen:
        raise ValidationError("Choose at least one event.")
    return [event for event in Webhook.Event.values if event in chosen]
