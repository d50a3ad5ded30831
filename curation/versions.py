"""Versions: started by people, numbered, and read back only after their hashes were checked."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Count, Max

from atelier.accounts.models import Project, User
from curation import selection, splits
from curation.models import Dataset, Distillation, Generation, Import, Record, Version
from curation.splits import SPLITS

CHUNK = 1 << 20
NUMBER_ATTEMPTS = 50
NOTES = 500


class Broken(ValidationError):
    """A file of a version is missing, or is not what was frozen."""


def create(
    dataset: Dataset,
    user: User | None,
    *,
    filters: dict[str, Any] | None = None,
    shares: dict[str, float] | None = None,
    seed: int | None = None,
    notes: str = "",
    allow_leaks: bool = False,
    key: str | None = None,
) -> Version:
    """A queued version with the dataset's next number; the caller wakes a worker. Raises ValidationError.

    The same idempotency key gives the same version. Two freezes at once get two numbers: the unique constraint decides.
    """
    if key and (found := Version.objects.filter(project=dataset.project, idempotency_key=key).first()):
        return found
    chosen = selection.check({"status": Record.Status.ACCEPTED} if filters is None else filters)
    _check_freezable(dataset, chosen)
    fields = {
        "project": dataset.project,
        "dataset": dataset,
        "created_by": user,
        "filters": chosen,
        "notes": _notes(notes),
        "allow_leaks": allow_leaks,
        "shares": splits.clean_shares(shares or dataset.shares),
        "seed": dataset.seed if seed is None else seed,
        "idempotency_key": key or None,
    }
    for _ in range(NUMBER_ATTEMPTS):
        try:
            with transaction.atomic():
                last = dataset.versions.aggregate(last=Max("number"))["last"] or 0
                return Version.objects.create(number=last + 1, **fields)
        except IntegrityError:
            if key and (found := Version.objects.filter(project=dataset.project, idempotency_key=key).first()):
                return found
    raise ValidationError("Too many versions are being frozen at once: try again in a moment.")


def named(project: Project, wanted: str) -> Version:
    """A version by its id, or as pages call it: "Briefs v3". Raises ValidationError naming what there is."""
    rows = project.versions.select_related("dataset", "project")
    name, _, number = wanted.rpartition(" v")
    found = rows.filter(dataset__name=name, number=int(number)).first() if number.isdecimal() else None
    found = found or (rows.filter(pk=int(wanted)).first() if wanted.isdecimal() else None)
    if found is None:
        there = ", ".join(f"{version.pk}: {version}" for version in rows.order_by("pk")[:20]) or "none yet"
        raise ValidationError(f"There is no version {wanted!r}. There are: {there}.")
    return found


def _check_freezable(dataset: Dataset, filters: dict[str, Any]) -> None:
    if dataset.kind == Dataset.Kind.DOCUMENTS:
        raise ValidationError(
            f"{dataset.name} holds documents, which nobody answers: distil it first, then freeze the conversations."
        )
    if selection.select(dataset, filters).exists():
        return
    if filters.get("status") == Record.Status.ACCEPTED:
        raise ValidationError(
            f"No record of {dataset.name} is accepted yet: review some in Data, or freeze those to review too."
        )
    raise ValidationError(f"No record of {dataset.name} is {selection.words(filters)}: there is nothing to freeze.")


def live_counts(dataset: Dataset, filters: dict[str, Any], shares: dict[str, float], seed: int) -> dict[str, int]:
    """How many records each split would get now."""
    counts = dict.fromkeys(SPLITS, 0)
    groups = selection.select(dataset, filters).order_by().values_list("source_group").annotate(rows=Count("pk"))
    for group, rows in groups.iterator(chunk_size=5000):
        counts[splits.assign(seed, group, shares)] += rows
    return counts


def _stored(version: Version, split: str) -> dict[str, Any]:
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    if split not in SPLITS or split not in version.files:
        raise ValidationError(f"{version} has no split {split!r}: use one of {', '.join(SPLITS)}.")
    return version.file(split)


def digest(stream: BinaryIO) -> str:
    """SHA-256 of what is left in the stream."""
    found = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def open_split(version: Version, split: str) -> BinaryIO:
    """The split's JSONL, opened for reading bytes after its hash was checked. Raises Broken, or ValidationError."""
    file = _stored(version, split)
    try:
        stream = default_storage.open(file["name"], "rb")
    except OSError as error:
        raise Broken(
            f"The {split} file of {version} is missing: restore files/{file['name']} from a backup, or freeze again."
        ) from error
    if digest(stream) != file["sha256"]:
        stream.close()
        raise Broken(
            f"The {split} file of {version} is not what was frozen: its hash does not match {file['sha256'][:12]}…. "
            f"Restore files/{file['name']} from a backup, or freeze the dataset again."
        )
    stream.seek(0)
    return stream


def rows(version: Version, split: str) -> Iterator[dict[str, Any]]:
    """The split's rows in their order, its hash checked first."""
    with open_split(version, split) as lines:
        for line in lines:
            yield orjson.loads(line)


def copy_split(version: Version, split: str, to_path: Path) -> int:
    """Copy a split's JSONL to a path, checking on the way. Returns its rows; at a mismatch nothing is left there."""
    with open_split(version, split) as stream, to_path.open("wb") as out:
        while chunk := stream.read(CHUNK):
            out.write(chunk)
    with to_path.open("rb") as copied:
        intact = digest(copied) == _stored(version, split)["sha256"]
    if not intact:
        to_path.unlink()
        raise Broken(f"The {split} file of {version} changed while it was copied: try again.")
    return int(version.file(split)["rows"])


def verify(version: Version) -> list[str]:
    """A sentence for each file that is not as it was frozen; empty when all are."""
    broken = []
    for split in version.files:
        try:
            open_split(version, split).close()
        except Broken as error:
            broken.extend(error.messages)
    return broken


def samples(version: Version, split: str, count: int = 3) -> list[dict[str, Any]]:
    """The first rows of a split, for a look at them; unchecked, so never for work."""
    file = _stored(version, split)
    try:
        with default_storage.open(file["name"], "rb") as stream:
            return [orjson.loads(line) for _, line in zip(range(count), stream, strict=False)]
    except (OSError, orjson.JSONDecodeError):
        return []  # the page says above that the file is broken


def origins(version: Version) -> dict[str, dict[str, int]]:
    """Distillations and source datasets that its records came from: id -> rows."""
    made = Generation.objects.filter(result__version_entries__version=version).order_by()
    sources = Record.objects.filter(derived__version_entries__version=version).order_by()
    return {
        "distillations": _by_id(made.values_list("distillation_id").annotate(rows=Count("pk"))),
        "sources_datasets": _by_id(sources.values_list("dataset_id").annotate(rows=Count("pk"))),
    }


def _by_id(counted: Any) -> dict[str, int]:
    return {str(pk): rows for pk, rows in sorted(counted) if pk}


def lineage(version: Version) -> dict[str, Any]:
    """What it was made of: its records' distillations, imports and source datasets, each with how many rows (`taken`)."""
    figures = version.figures
    if "distillations" not in figures:  # frozen before the figures were kept
        imports = Import.objects.filter(records__version_entries__version=version).order_by()
        figures = origins(version) | {"imports": _by_id(imports.values_list("pk").annotate(rows=Count("records")))}
    return {
        "distillations": _named(Distillation, figures["distillations"]),
        "imports": _named(Import, figures.get("imports", {})),
        "sources": _named(Dataset, figures["sources_datasets"]),
    }


def _named(model: Any, taken: dict[str, int]) -> list[Any]:
    """The rows of these ids that are still there, each knowing how many were taken from it."""
    found = sorted(model.objects.in_bulk([int(pk) for pk in taken]).values(), key=lambda row: row.pk)
    for row in found:
        row.taken = taken[str(row.pk)]
    return found


def set_notes(version: Version, notes: str) -> None:
    """Notes are no part of what was frozen, so they may change. Raises ValidationError when they are too long."""
    version.notes = _notes(notes)
    Version.objects.filter(pk=version.pk).update(notes=version.notes)


def _notes(notes: str) -> str:
    notes = notes.strip()
    if len(notes) > NOTES:
        raise ValidationError(f"Notes have at most {NOTES} characters; these have {len(notes)}.")
    return notes


def allow_leaks(version: Version) -> bool:
    """Freeze a refused one all the same; the caller wakes a worker. False when it was not refused for leaks."""
    refused = Version.objects.filter(pk=version.pk, status=Version.Status.FAILED, allow_leaks=False)
    if not refused.update(allow_leaks=True):
        return False
    return version.enqueue()
