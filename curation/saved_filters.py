"""Filters that a team gave a name: anybody of the team opens them, editors keep them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atelier.accounts.models import User
from curation.filters import Filters
from curation.models import Dataset, SavedFilter

MOST = 200  # of one dataset


def save(dataset: Dataset, user: User | None, name: str, filters: Filters, key: str | None = None) -> SavedFilter:
    """Keep a filter under a name; the same again gives the one that is there, and so does the same idempotency key,
    whatever else is said. Raises ValidationError."""
    keyed = dataset.saved_filters.filter(idempotency_key=key)
    if key and (again := keyed.first()):
        return again
    name, wanted = clean_name(name), filters.as_dict()
    if filters.mistake:
        raise ValidationError(filters.mistake)
    if not wanted:
        raise ValidationError("Nothing is filtered: choose or type something first, then save it.")
    found = dataset.saved_filters.filter(name=name).first()
    if found is not None and found.filters == wanted:
        return found
    if found is not None:
        raise ValidationError(
            f"There is a saved filter called {name} already: choose another name, or delete that one."
        )
    if dataset.saved_filters.count() >= MOST:
        raise ValidationError(f"A dataset keeps at most {MOST} filters: delete some first.")
    fields = {"name": name, "filters": wanted, "created_by": user, "idempotency_key": key or None}
    try:
        return _written(lambda: SavedFilter.objects.create(dataset=dataset, **fields))
    except ValidationError:  # the same key at the same moment, or another's name
        if key and (again := keyed.first()):
            return again
        raise


def rename(saved: SavedFilter, name: str) -> SavedFilter:
    """Raises ValidationError for a name that is empty, too long or taken."""
    saved.name = clean_name(name)
    return _written(lambda: saved.save(update_fields=["name"])) or saved


def _written(write: Any) -> Any:
    try:
        with transaction.atomic():
            return write()
    except IntegrityError:
        raise ValidationError("There is a saved filter of that name already: choose another name.") from None


def clean_name(name: str) -> str:
    """Raises ValidationError."""
    name = " ".join(name.split())
    if not name:
        raise ValidationError("Give the filter a name.")
    if len(name) > 80 or not name.isprintable():
        raise ValidationError("A name has at most 80 characters, and no control characters.")
    return name
