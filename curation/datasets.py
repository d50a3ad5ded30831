"""Datasets: what is in them, and their settings."""

from collections import Counter
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Sum

from atelier.accounts.models import Project, User
from atelier.jobs.models import LIVE
from curation import bulk, facets, splits
from curation.filters import Filters
from curation.models import BulkAction, Dataset, Record, Tally
from curation.splits import SPLITS

NAME_LENGTH = 120


def create(
    project: Project,
    user: User | None,
    name: str,
    kind: str = Dataset.Kind.CONVERSATIONS,
    description: str = "",
    key: str | None = None,
) -> Dataset:
    """Raises ValidationError for a name that is empty or taken, or a kind that does not exist.

    The same idempotency key gives the same dataset, whatever else is said.
    """
    if key and (found := project.datasets.filter(idempotency_key=key).first()):
        return found
    if kind not in Dataset.Kind.values:
        raise ValidationError(f"There is no kind {kind[:40]!r}: choose one of {', '.join(Dataset.Kind.values)}.")
    made = Dataset(project=project, created_by=user, kind=kind, idempotency_key=key or None)
    made.name, made.description = free_name(project, name), description.strip()[:300]
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError:  # the same at the same moment
        return create(project, user, name, kind, description, key)
    return made


def free_name(project: Project, name: str, besides: Dataset | None = None) -> str:
    """The name, trimmed. Raises ValidationError when it is empty, too long or another dataset's."""
    name = name.strip()
    if not name:
        raise ValidationError("Give the dataset a name.")
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise ValidationError(f"A name has at most {NAME_LENGTH} characters, and no line breaks.")
    others = project.datasets.exclude(pk=besides.pk) if besides else project.datasets.all()
    if others.filter(name=name).exists():
        raise ValidationError(f"The project has a dataset called {name} already: choose another name.")
    return name


def change(
    dataset: Dataset,
    user: User | None,
    *,
    name: str,
    description: str,
    shares: dict[str, Any],
    seed: int,
    licence: str | None = None,
) -> BulkAction | None:
    """Save the settings. When shares or seed changed, gives the queued job that assigns the splits anew. Raises ValidationError."""
    wanted = splits.clean_shares(shares)
    moved = (wanted, seed) != (dataset.shares, dataset.seed)
    if moved and dataset.imports.filter(status__in=LIVE, confirmed=True).exists():
        raise ValidationError("An import into this dataset is under way: wait until it ends, then change the splits.")
    dataset.name, dataset.description = free_name(dataset.project, name, besides=dataset), description.strip()[:300]
    dataset.shares, dataset.seed = wanted, seed
    if licence is not None:
        dataset.licence = " ".join(licence.split())[:120]
    with transaction.atomic():
        dataset.save()
        return (
            bulk.begin(dataset, user, BulkAction.Action.SPLIT, Filters())
            if moved and dataset.records.exists()
            else None
        )


def counts(dataset: Dataset) -> dict[str, int]:
    """Present records by status, all of them under "all"."""
    return _by_status(facets.by_status([dataset.pk]).get(dataset.pk, Counter()))


def counts_of(kept: facets.Counts) -> dict[str, int]:
    """The same of tallies that were read already."""
    return _by_status(Counter({value: number for (facet, value), number in kept.items() if facet == "status"}))


def _by_status(found: Counter[str]) -> dict[str, int]:
    return {"all": found.total(), **{status: found[status] for status in Record.Status.values}}


def size(dataset: Dataset) -> int:
    """All records, deleted ones too, by the counts that are kept."""
    kept = Tally.objects.filter(dataset=dataset, facet__in=("status", "deleted"))
    return int(kept.aggregate(sum=Sum("count"))["sum"] or 0)


def split_counts(dataset: Dataset) -> dict[str, int]:
    kept = facets.tallies(dataset)
    return {split: kept.get(("split", split), 0) for split in SPLITS}


def with_counts(project: Project) -> list[tuple[Dataset, dict[str, int]]]:
    """The project's datasets, each with the numbers of its records by status."""
    kept = facets.by_status(project=project)
    return [(dataset, _by_status(kept.get(dataset.pk, Counter()))) for dataset in project.datasets.order_by("pk")]


def totals(project: Project) -> dict[str, Counter[str]]:
    """{kind of dataset: {status: present records}} of a project: one query."""
    rows = Tally.objects.filter(dataset__project=project, dataset__deleted_at=None, facet="status").order_by()
    found: dict[str, Counter[str]] = {}
    for kind, status, number in rows.values_list("dataset__kind", "value").annotate(sum=Sum("count")):
        found.setdefault(kind, Counter())[status] = number
    return found


def to_review(project: Project) -> int:
    """Records that wait for review: documents are what a teacher works on, so they wait for nobody."""
    return sum(found[Record.Status.NEW] for kind, found in totals(project).items() if kind != Dataset.Kind.DOCUMENTS)


def first_to_review(project: Project) -> Record | None:
    waiting = Record.objects.present().filter(dataset__project=project, dataset__deleted_at=None)
    waiting = waiting.filter(status=Record.Status.NEW).exclude(dataset__kind=Dataset.Kind.DOCUMENTS)
    return waiting.order_by("dataset_id", "pk").only("pk", "dataset_id").first()
