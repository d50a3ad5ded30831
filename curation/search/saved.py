"""Saved filters: the whole team can open them, editors keep them."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atelier.accounts.models import User
from atelier.jobs.once import once
from curation.models import Dataset, SavedFilter
from curation.search.filters import Filters

MOST = 200  # of one dataset


def save(dataset: Dataset, user: User | None, name: str, filters: Filters, key: str | None = None) -> SavedFilter:
    """Save a filter under a name. Raises ValidationError.

    The same filter and name return the existing one, and so does the same idempotency key, whatever else is sent.
    """

    def make() -> SavedFilter:
        chosen, values = clean_name(name), filters.as_dict()
        if filters.mistake:
            raise ValidationError(filters.mistake)
        if not values:
            raise ValidationError("No filter is set. Choose or type one first, then save it.")
        same = dataset.saved_filters.filter(name=chosen).first()
        if same is not None and same.filters == values:
            return same
        if same is not None:
            raise ValidationError(
                f"A saved filter called {chosen} already exists. Choose another name, or delete that one."
            )
        if dataset.saved_filters.count() >= MOST:
            raise ValidationError(f"A dataset can have at most {MOST} saved filters. Delete some first.")
        return SavedFilter(dataset=dataset, name=chosen, filters=values, created_by=user)

    return once(dataset.saved_filters, key, make, _write)


def rename(saved: SavedFilter, name: str) -> SavedFilter:
    """Rename a saved filter. Raises ValidationError for a name that is empty, too long or taken."""
    saved.name = clean_name(name)
    _write(saved)
    return saved


def _write(saved: SavedFilter) -> None:
    try:
        with transaction.atomic():
            saved.save(update_fields=["name"] if saved.pk else None)
    except IntegrityError:
        raise ValidationError("A saved filter with that name already exists. Choose another name.") from None


def clean_name(name: str) -> str:
    """Return a valid name for a saved filter. Raises ValidationError."""
    name = " ".join(name.split())
    if not name:
        raise ValidationError("Enter a name for the filter.")
    if len(name) > 80 or not name.isprintable():
        raise ValidationError("A name can have at most 80 characters and no control characters.")
    return name
