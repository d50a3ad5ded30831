"""The last use of an API key: noted at most once a minute, and only if that delays nobody."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

if TYPE_CHECKING:
    from atelier.accounts.models import APIKey

log = logging.getLogger(__name__)
EVERY_SECONDS = 60
PATIENCE_MS = 50  # a request that only reads must not wait for somebody who writes
REMEMBERED = 10_000
_tried: dict[int, float] = {}  # id of a key: when this process tried last, successful or not


def note(key: "APIKey") -> None:
    """Write the time of use unless that was tried within the last minute.

    A failure is ignored, for the next request to retry.
    """
    now = timezone.now()
    if key.last_used_at is not None and (now - key.last_used_at).total_seconds() <= EVERY_SECONDS:
        return
    if time.monotonic() - _tried.get(key.pk, -EVERY_SECONDS) < EVERY_SECONDS:
        return
    if len(_tried) >= REMEMBERED:
        _tried.clear()
    _tried[key.pk] = time.monotonic()
    try:
        with _impatient():
            type(key)._default_manager.filter(pk=key.pk).update(last_used_at=now)
    except DatabaseError as error:
        log.debug("the use of key %s was not noted: %s", key.prefix, error)


@contextmanager
def _impatient() -> Iterator[None]:
    """Turn a lock that somebody else holds into an error after a moment."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            patience = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
            cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
            try:
                with transaction.atomic():
                    yield
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {patience}")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{PATIENCE_MS}ms"])
        yield
