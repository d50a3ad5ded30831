"""Freezing of versions on people's request: their number, notes and look-up by name."""

from contextlib import suppress
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Max

from atelier.accounts.models import Project, User
from atelier.files import quotas
from atelier.jobs.once import once
from atelier.web import border
from curation.models import Dataset, Record, Version
from curation.records import splits
from curation.search import selection
from curation.versions import preview
from curation.versions.grouping import Grouping

CHUNK = 1 << 20
NUMBER_ATTEMPTS = 50
NOTES = 500
PREVIEWED = 200_000  # records: two seconds of work


def create(
    dataset: Dataset,
    user: User | None,
    *,
    filters: dict[str, Any] | None = None,
    shares: dict[str, float] | None = None,
    seed: int | None = None,
    notes: str = "",
    allow_leaks: bool = False,
    grouping: Grouping | None = None,
    key: str | None = None,
) -> Version:
    """Queue a version with the dataset's next number; the caller wakes a worker. Raises ValidationError.

    The same idempotency key returns the same version. Two freezes at once get two numbers: the unique constraint
    decides. What is worth knowing of the plan is in the version's figures as `warnings` from now on.
    """

    def make() -> Version:
        quotas.refuse_disk(dataset.project)
        chosen, asked, at, kept = _settled(dataset, filters, shares, seed, grouping)
        _check_freezable(dataset, chosen)
        return Version(
            project=dataset.project,
            dataset=dataset,
            created_by=user,
            filters=chosen,
            notes=_notes(notes),
            allow_leaks=allow_leaks,
            shares=asked,
            seed=at,
            grouping=kept.as_json(),
            figures={"warnings": _warnings(dataset, chosen, asked, at, kept)},
        )

    def write(version: Version) -> None:
        version.number = (dataset.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        version.save()

    checked = cache(make)  # another number is no reason to check again
    for _ in range(NUMBER_ATTEMPTS):
        with suppress(IntegrityError):  # another freeze has just taken the number
            return once(dataset.project.versions, key, checked, write)
    raise ValidationError("Too many versions are being frozen at once. Try again in a moment.")


def preview_of(
    dataset: Dataset,
    *,
    filters: dict[str, Any] | None = None,
    shares: dict[str, float] | None = None,
    seed: int | None = None,
    grouping: Grouping | None = None,
) -> preview.Preview:
    """Return what `create` would freeze now. Raises ValidationError as that does."""
    chosen, asked, at, kept = _settled(dataset, filters, shares, seed, grouping)
    _check_freezable(dataset, chosen)
    return preview.of(dataset, chosen, asked, at, kept)


def _warnings(dataset: Dataset, chosen: dict[str, Any], asked: dict[str, float], at: int, kept: Grouping) -> list[str]:
    """Return the warnings of a small version at once; of a large one its job gives them."""
    if selection.select(dataset, chosen).count() > PREVIEWED:
        return []
    return preview.of(dataset, chosen, asked, at, kept).warnings


def _settled(
    dataset: Dataset,
    filters: dict[str, Any] | None,
    shares: dict[str, float] | None,
    seed: int | None,
    grouping: Grouping | None,
) -> tuple[dict[str, Any], dict[str, float], int, Grouping]:
    """Return what is frozen and how, with the dataset's own shares and seed unless given."""
    chosen = selection.check({"status": Record.Status.ACCEPTED} if filters is None else filters)
    at = dataset.seed if seed is None else seed
    return chosen, splits.clean_shares(shares or dataset.shares), at, grouping or Grouping()


def named(project: Project, name_or_id: str) -> Version:
    """Return a version by its id, or by its name on pages: "Briefs v3". Raises ValidationError naming what there is."""
    rows = project.versions.select_related("dataset", "project")
    name, _, digits = name_or_id.rpartition(" v")
    found = rows.filter(dataset__name=name, number=number).first() if (number := border.whole(digits)) else None
    found = found or (rows.filter(pk=pk).first() if (pk := border.whole(name_or_id)) else None)
    if found is None:
        there = ", ".join(f"{version.pk}: {version}" for version in rows.order_by("pk")[:20]) or "none yet"
        raise ValidationError(f"No version is called {name_or_id!r}. Available: {there}.")
    return found


def _check_freezable(dataset: Dataset, filters: dict[str, Any]) -> None:
    if dataset.kind == Dataset.Kind.DOCUMENTS:
        raise ValidationError(
            f"{dataset.name} holds documents without answers. Distil it first, then freeze the conversations."
        )
    if selection.select(dataset, filters).exists():
        return
    if filters.get("status") == Record.Status.ACCEPTED:
        raise ValidationError(
            f"No record of {dataset.name} is accepted yet. Review some in Data, or also freeze records to review."
        )
    raise ValidationError(f"{selection.none_of(dataset, filters)}, so there is nothing to freeze.")


def set_notes(version: Version, notes: str) -> None:
    """Save notes, which are no part of what was frozen, so they may change. Raises ValidationError when they are too long."""
    version.notes = _notes(notes)
    Version.objects.filter(pk=version.pk).update(notes=version.notes)


def _notes(notes: str) -> str:
    notes = notes.strip()
    if len(notes) > NOTES:
        raise ValidationError(f"Notes can have at most {NOTES} characters; these have {len(notes)}.")
    return notes
