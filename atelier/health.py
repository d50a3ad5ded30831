"""The health of the workers, for `/health`: asked within a second or not at all, whatever the database does."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import Any

from django.db import DatabaseError, connection

from atelier.jobs import watch

LIMIT_SECONDS = 1.0
# One thread: while a database is away, one question waits for it, not one for each call.
_asking = ThreadPoolExecutor(1, thread_name_prefix="health")
_asked: "Future[dict[str, Any]] | None" = None


def workers() -> dict[str, Any]:
    """Return {"state": ok, trouble or unknown, "queues": {name: state}, "troubles": sentences}."""
    global _asked  # the question that still waits for the database
    look = _asked if _asked is not None and not _asked.done() else _asking.submit(_look)
    _asked = look
    try:
        return look.result(LIMIT_SECONDS)
    except (TooLate, DatabaseError):
        return {"state": "unknown", "queues": {}, "troubles": ["The database does not answer."]}


def _look() -> dict[str, Any]:
    try:
        states = watch.queue_states()
        troubles = watch.troubles(states)
    finally:
        connection.close()
    queues = {state.queue: state.state for state in states}
    return {"state": "trouble" if troubles else "ok", "queues": queues, "troubles": troubles}
