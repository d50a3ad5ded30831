"""Filters of the records that a distillation or a version takes: those of the list, stored as JSON."""

from array import array
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from curation.models import Dataset
from curation.models.records import RecordQuerySet
from curation.search.filters import Filters

OWN = "unanswered_in"  # id of a dataset: leaves out records that have an answer there


def check(filters: dict[str, Any]) -> dict[str, Any]:
    """Return the filters without empty ones. Raises ValidationError for a name or value that does not exist."""
    given = {name: value for name, value in filters.items() if value not in ("", None, False, [])}
    chosen = Filters.read(given, strict=True)
    if chosen.status == "deleted":
        raise ValidationError("Deleted records cannot be used. Restore them first.")
    return {name: value for name, value in chosen.as_dict().items() if name != "sort"}


def select(dataset: Dataset, filters: dict[str, Any]) -> RecordQuerySet:
    """Return the present records that match the filters, in the order of their ids."""
    return Filters.read(check(filters)).records(dataset).order_by("pk")


def numbers(rows: "QuerySet[Any]") -> "array[int]":
    """Return the ids of rows, in order: 8 bytes a row, so that a costly search runs once and not for each batch."""
    return array("q", rows.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=20_000))


def words(filters: dict[str, Any]) -> str:
    """Describe the filters as a phrase: "accepted, of the train split, without problems"."""
    return Filters.lenient(filters).words()


def none_of(dataset: Dataset, filters: dict[str, Any]) -> str:
    """Return, as the beginning of a sentence, that nothing is selected."""
    if not any(value for value in filters.values()):
        return f"{dataset.name} has no records"
    return f"No record of {dataset.name} matches the filter ({words(filters)})"
