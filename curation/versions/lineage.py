"""Lineage: what a version was made of, and what was made from a record or a version: runs, adapters, deployments, evaluations.

Curation does not know the later steps, so each app registers its own here, in its `AppConfig.ready`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Model
from django.urls import reverse

from curation.models import Dataset, Distillation, Generation, Import, Record, Version

MOST = 50  # of each thing: a page is no place for more
Follower = Callable[[Any], Iterator[tuple["Node", Model | None]]]


@dataclass(frozen=True)
class Node:
    """A thing that was made from another. `kind` is a word such as "Run"; `state` a word or nothing."""

    kind: str
    label: str
    url: str = ""
    state: str = ""
    children: tuple["Node", ...] = ()

    def as_json(self) -> dict[str, Any]:
        own = {"kind": self.kind, "label": self.label, "url": self.url, "state": self.state}
        return own | {"children": [child.as_json() for child in self.children]}


_followers: dict[type[Model], list[Follower]] = {}


def follow(model: type[Model], follower: Follower) -> None:
    """Register `follower`, which returns what was made from one row of `model`.

    It returns pairs of a node, and the row to continue from or None.
    """
    known = _followers.setdefault(model, [])
    if follower not in known:
        known.append(follower)


def onward(row: Model) -> tuple[Node, ...]:
    """Return everything that was made from a row, as a tree."""
    return tuple(_follow(row))


def _follow(row: Model) -> Iterator[Node]:
    for follower in _followers.get(type(row), []):
        for _, (node, further) in zip(range(MOST), follower(row), strict=False):
            children = onward(further) if further is not None else ()
            yield Node(node.kind, node.label, node.url, node.state, (*node.children, *children))


def _versions(record: Record) -> Iterator[tuple[Node, Model | None]]:
    entries = record.version_entries.filter(version__status=Version.Status.DONE)
    for entry in entries.select_related("version__dataset").order_by("version_id")[:MOST]:
        version = entry.version
        url = reverse("curation:version", args=[version.project_id, version.pk])
        state = f"{entry.split}, row {entry.row}" + (
            ", erased"
            if entry.erased_at
            else ""
            if entry.revision == record.revision
            else f", as of revision {entry.revision}"
        )
        yield Node("Version", str(version), url, state), version


follow(Record, _versions)


def origins(version: Version) -> dict[str, dict[str, int]]:
    """Return the distillations and source datasets that its records came from: id -> rows."""
    made = Generation.objects.filter(result__version_entries__version=version).order_by()
    sources = Record.objects.filter(derived__version_entries__version=version).order_by()
    return {
        "distillations": _by_id(made.values_list("distillation_id").annotate(rows=Count("pk"))),
        "sources_datasets": _by_id(sources.values_list("dataset_id").annotate(rows=Count("pk"))),
    }


def _by_id(counted: Any) -> dict[str, int]:
    return {str(pk): rows for pk, rows in sorted(counted) if pk}


def sources(version: Version) -> dict[str, Any]:
    """Return the distillations, imports and source datasets of a version's records, each with its number of rows (`taken`)."""
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
    """Return the rows of these ids that still exist, each with how many records were taken from it."""
    found = sorted(model.objects.in_bulk([int(pk) for pk in taken]).values(), key=lambda row: row.pk)
    for row in found:
        row.taken = taken[str(row.pk)]
    return found
