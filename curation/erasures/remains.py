"""What other apps hold of erased records: each app registers how it erases that, and what it cannot erase."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.urls import reverse

from atelier.jobs.claims import Claim
from curation.models import Erasure


class Remain(NamedTuple):
    """A thing that still holds, or has learned from, what was erased; with the page that shows it, and why it stays."""

    kind: str
    label: str
    project: int
    route: str
    pk: int
    why: str

    def as_json(self) -> dict[str, Any]:
        url = reverse(self.route, args=[self.project, self.pk]) if self.route else ""
        return {"kind": self.kind, "label": self.label, "url": url, "why": self.why}


def _nothing(erasure: Erasure) -> Iterator[Remain]:
    yield from ()


class Holder(NamedTuple):
    """An app's part in an erasure. `erase` is repeatable, and counts what it emptied in the tally."""

    erase: Callable[[Claim[Erasure]], None]
    remains: Callable[[Erasure], Iterator[Remain]] = _nothing


_holders: list[Holder] = []


def register(holder: Holder) -> None:
    if holder not in _holders:
        _holders.append(holder)


def holders() -> list[Holder]:
    return list(_holders)
