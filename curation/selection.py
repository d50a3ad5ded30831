"""Which records of a dataset a distillation or a version takes: the filters of the list, kept as JSON."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef

from curation.filters import Filters
from curation.models import Dataset, Record
from curation.models.datasets import RecordQuerySet

NAMES = {"q", "status", "split", "problems", "import", "ids"}  # as in the URL of the list
OWN = "unanswered_in"  # id of a dataset: leaves out records that have an answer there


def check(filters: dict[str, Any]) -> dict[str, Any]:
    """The filters without empty ones. Raises ValidationError for a name or value that does not exist."""
    given = {name: value for name, value in filters.items() if value not in ("", None, False, [])}
    unknown = set(given) - NAMES - {OWN}
    if unknown:
        raise ValidationError(f"There is no filter {sorted(unknown)[0]!r}: use {', '.join(sorted(NAMES))}.")
    if given.get("status") == "deleted":
        raise ValidationError("Deleted records cannot be taken: restore them first.")
    kept = Filters.read(given).as_dict()
    return kept | {OWN: int(given[OWN])} if OWN in given else kept


def select(dataset: Dataset, filters: dict[str, Any]) -> RecordQuerySet:
    """The present records that the filters let through, in the order of their ids."""
    given = check(filters)
    records = Filters.read(given).records(dataset)
    if OWN in given:
        answers = Record.objects.present().filter(source=OuterRef("pk"), dataset_id=given[OWN])
        records = records.filter(~Exists(answers))
    return records.order_by("pk")


def words(filters: dict[str, Any]) -> str:
    """The filters as a phrase: "accepted, of the train split, without problems"."""
    status = filters.get("status")
    parts = [
        Record.Status(status).label.lower() if status in Record.Status.values else "",
        f"of the {filters['split']} split" if filters.get("split") else "",
        {"none": "without problems", "some": "with problems"}.get(filters.get("problems", ""), ""),
        f"with the words {filters['q']!r}" if filters.get("q") else "",
        "of one import" if filters.get("import") else "",
        f"among {len(filters['ids'])} chosen" if filters.get("ids") else "",
        "not answered yet" if filters.get(OWN) else "",
    ]
    return ", ".join(part for part in parts if part) or "there"
