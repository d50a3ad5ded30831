"""Datasets: creating them, their names, and changing their settings."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atelier.accounts.models import Project, User
from atelier.jobs.models import LIVE
from atelier.jobs.once import once
from curation import bulk
from curation.models import BulkAction, Dataset
from curation.records import splits
from curation.search.filters import Filters

NAME_LENGTH = 120


def create(
    project: Project,
    user: User | None,
    name: str,
    kind: str = Dataset.Kind.CONVERSATIONS,
    description: str = "",
    key: str | None = None,
) -> Dataset:
    """Create a dataset. Raises ValidationError for a name that is empty or taken, or a kind that does not exist.

    The same idempotency key returns the same dataset, whatever else is sent.
    """

    def make() -> Dataset:
        if kind not in Dataset.Kind.values:
            raise ValidationError(f"No kind is called {kind[:40]!r}. Choose one of {', '.join(Dataset.Kind.values)}.")
        chosen = free_name(project, name)
        return Dataset(project=project, created_by=user, kind=kind, name=chosen, description=description.strip()[:300])

    try:
        return once(project.datasets, key, make)
    except IntegrityError:  # the same name at the same moment: now it is seen to be taken
        return create(project, user, name, kind, description, key)


def free_name(project: Project, name: str, besides: Dataset | None = None) -> str:
    """Return the name, trimmed. Raises ValidationError when it is empty, too long or another dataset's."""
    name = name.strip()
    if not name:
        raise ValidationError("Enter a name for the dataset.")
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise ValidationError(f"A name can have at most {NAME_LENGTH} characters and no line breaks.")
    others = project.datasets.exclude(pk=besides.pk) if besides else project.datasets.all()
    if others.filter(name=name).exists():
        raise ValidationError(f"The project already has a dataset called {name}. Choose another name.")
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
    """Save the settings. If shares or seed changed, return the queued job that reassigns the splits. Raises ValidationError."""
    new_shares = splits.clean_shares(shares)
    moved = (new_shares, seed) != (dataset.shares, dataset.seed)
    if moved and dataset.imports.filter(status__in=LIVE, confirmed=True).exists():
        raise ValidationError("An import into this dataset is running. Wait until it ends, then change the splits.")
    dataset.name, dataset.description = free_name(dataset.project, name, besides=dataset), description.strip()[:300]
    dataset.shares, dataset.seed = new_shares, seed
    if licence is not None:
        dataset.licence = " ".join(licence.split())[:120]
    with transaction.atomic():
        dataset.save()
        return (
            bulk.begin(dataset, user, BulkAction.Action.SPLIT, Filters())
            if moved and dataset.records.exists()
            else None
        )
