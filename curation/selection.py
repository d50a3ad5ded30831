"""Which records of a dataset a distillation or a version takes: the filters of the list, kept as JSON."""

from array import array
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from curation.filters import Filters
from curation.models import Dataset
from curation.models.datasets import RecordQuerySet

OWN = "unanswered_in"  # id of a dataset: leaves out records that have an answer there


def check(filters: dict[str, Any]) -> dict[str, Any]:
    """The filters without empty ones. Raises ValidationError for a name or value that does not exist."""
    given = {name: value for name, value in filters.items() if value not in ("", None, False, [])}
    chosen = Filters.read(given, strict=True)
    if chosen.status == "deleted":
        raise ValidationError("Deleted records cannot be taken: restore them first.")
    return {name: value for name, value in chosen.as_dict().items() if name != "sort"}


def select(dataset: Dataset, filters: dict[str, Any]) -> RecordQuerySet:
    """The present records that the filters let through, in the order of their ids."""
    return Filters.read(check(filters)).records(dataset).order_by("pk")


def numbers(rows: "QuerySet[Any]") -> "array[int]":
    """The ids of rows, in order: 8 bytes a row, so that a costly search runs once and not for each batch."""
    return array("q", rows.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=20_000))


def words(filters: dict[str, Any]) -> str:
    """The filters as a phrase: "accepted, of the train split, without problems"."""
    return Filters.lenient(filters).words()
