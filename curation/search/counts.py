"""The numbers of records in datasets, by status and split: from the stored tallies."""

from collections import Counter

from django.db.models import Sum

from atelier.accounts.models import Project
from curation.models import Dataset, Record, Tally
from curation.records.splits import SPLITS
from curation.search import facets


def counts(dataset: Dataset) -> dict[str, int]:
    """Count present records by status, all of them under "all"."""
    return _by_status(facets.by_status([dataset.pk]).get(dataset.pk, Counter()))


def counts_of(kept: facets.Counts) -> dict[str, int]:
    """Count present records by status from tallies that were read already, all of them under "all"."""
    return _by_status(Counter({value: number for (facet, value), number in kept.items() if facet == "status"}))


def _by_status(found: Counter[str]) -> dict[str, int]:
    return {"all": found.total(), **{status: found[status] for status in Record.Status.values}}


def size(dataset: Dataset) -> int:
    """Return the number of all records, deleted ones too, from the stored counts."""
    kept = Tally.objects.filter(dataset=dataset, facet__in=("status", "deleted"))
    return int(kept.aggregate(sum=Sum("count"))["sum"] or 0)


def split_counts(dataset: Dataset) -> dict[str, int]:
    kept = facets.tallies(dataset)
    return {split: kept.get(("split", split), 0) for split in SPLITS}


def with_counts(project: Project) -> list[tuple[Dataset, dict[str, int]]]:
    """Return the project's datasets, each with the numbers of its records by status."""
    kept = facets.by_status(project=project)
    return [(dataset, _by_status(kept.get(dataset.pk, Counter()))) for dataset in project.datasets.order_by("pk")]


def totals(project: Project) -> dict[str, Counter[str]]:
    """Return {kind of dataset: {status: present records}} of a project: one query."""
    rows = Tally.objects.filter(dataset__project=project, dataset__deleted_at=None, facet="status").order_by()
    found: dict[str, Counter[str]] = {}
    for kind, status, number in rows.values_list("dataset__kind", "value").annotate(sum=Sum("count")):
        found.setdefault(kind, Counter())[status] = number
    return found


def to_review(project: Project) -> int:
    """Count the records that wait for review: documents are what a teacher works on, so they need none."""
    return sum(found[Record.Status.NEW] for kind, found in totals(project).items() if kind != Dataset.Kind.DOCUMENTS)


def first_to_review(project: Project) -> Record | None:
    waiting = Record.objects.present().filter(dataset__project=project, dataset__deleted_at=None)
    waiting = waiting.filter(status=Record.Status.NEW).exclude(dataset__kind=Dataset.Kind.DOCUMENTS)
    return waiting.order_by("dataset_id", "pk").only("pk", "dataset_id").first()
