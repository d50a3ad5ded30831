"""What came of a record or a version, onwards: runs, adapters, deployments, evaluations.

Curation knows none of these, so each app says here what follows from what, in its `AppConfig.ready`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import reverse

from curation.models import Record, Version

MOST = 50  # of each thing: a page is no place for more
Follower = Callable[[Any], Iterator[tuple["Node", Model | None]]]


@dataclass(frozen=True)
class Node:
    """One thing that came of another. `kind` is a word such as "Run"; `state` a word or nothing."""

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
    """Have `follower` say what came of one row of `model`: pairs of a node, and the row to go on from or None."""
    known = _followers.setdefault(model, [])
    if follower not in known:
        known.append(follower)


def onward(row: Model) -> tuple[Node, ...]:
    """Everything that came of a row, as a tree."""
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
            "" if entry.revision == record.revision else f", as of revision {entry.revision}"
        )
        yield Node("Version", str(version), url, state), version


follow(Record, _versions)
