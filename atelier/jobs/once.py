"""Idempotency keys: what is requested twice under one key is created once."""

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

M = TypeVar("M", bound="Model")


def earlier(rows: "QuerySet[M] | Any", key: str | None) -> M | None:
    """Return the row that this key created, or None. `rows` are those among which a key is unique."""
    return rows.filter(idempotency_key=key).first() if key else None


def once(
    rows: "QuerySet[M] | Any",
    key: str | None,
    make: Callable[[], M],
    write: Callable[[M], Any] = methodcaller("save"),
) -> M:
    """Return the row that this key created, or create it; without a key, always create one.

    `make` checks the request and returns the row unsaved, or a saved one that will do in its place. `write` saves it,
    with all that must be created at the same moment. It runs in a savepoint; what `make` looks at holds no lock. Raises
    what the two raise, ValidationError and IntegrityError only when no request with the same key came first.
    """
    if (before := earlier(rows, key)) is not None:
        return before
    try:
        row: Any = make()
        if row.pk is None:
            row.idempotency_key = key or None
            with transaction.atomic():
                write(row)
    except (ValidationError, IntegrityError):
        # The same key at the same moment: its row has the number or the name that this one was to have.
        if (before := earlier(rows, key)) is not None:
            return before
        raise
    return row
