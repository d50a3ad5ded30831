"""What an action would do: the first records that would change, with their words that differ, and how many they are."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from atelier.jobs.claims import JobFailed
from curation import history, records
from curation.bulk import options as wishes
from curation.bulk.edits import CONTENT, Edit, Edited, editing
from curation.bulk.plans import heavy
from curation.diffs import Piece, word_diff
from curation.filters import Filters
from curation.models import Dataset, Record

SECONDS = 0.7  # that one look may take
AT_ONCE = 100
AROUND = 80  # characters shown before and after a difference
SHOWN = 5  # texts of one record


@dataclass(frozen=True)
class Example:
    """A record that would change: (what, its words that differ) of each text."""

    record: int
    diffs: list[tuple[str, list[Piece]]]
    more: int = 0


@dataclass
class Preview:
    """`looked` records were looked at up to the id `after`; `is_whole` when those were all."""

    looked: int = 0
    changing: int = 0
    failing: int = 0
    after: int = 0
    is_whole: bool = False
    examples: list[Example] = field(default_factory=list)
    reason: str = ""  # of the first that cannot be changed

    @property
    def line(self) -> str:
        """As a sentence."""
        whole = f"{self.changing:,} of {self.looked:,} records would change"
        if not self.is_whole:
            whole = f"{self.changing:,} of the first {self.looked:,} records would change"
        return whole + (f"; {self.failing:,} could not be. {self.reason}" if self.failing else ".")


def preview(
    dataset: Dataset,
    action: str,
    filters: Filters,
    options: dict[str, Any],
    *,
    after: int = 0,
    examples: int = 10,
    seconds: float = SECONDS,
) -> Preview:
    """Looks at records by id, from the one after `after`, until the time is over; at one at least. Raises ValidationError."""
    if action not in CONTENT:
        raise ValidationError("There is a preview of replace, mask and mend: the other actions do the same to all.")
    cleaned = wishes.clean(dataset, action, options)
    found = Preview(after=after)
    try:
        with editing(action, cleaned) as edit:
            # A regular expression runs in a process of its own, whose start would take all of the time where much is going on.
            deadline = time.monotonic() + seconds
            _look(found, dataset, filters, edit, examples, deadline)
            while time.monotonic() < deadline and not found.is_whole:
                _look(found, dataset, filters, edit, examples, deadline)
    except JobFailed as error:
        raise ValidationError(str(error)) from error
    return found


def _look(found: Preview, dataset: Dataset, filters: Filters, edit: Edit, examples: int, deadline: float) -> None:
    rows = heavy(filters.records(dataset).filter(pk__gt=found.after).order_by("pk"), AT_ONCE)
    found.is_whole = not rows
    for record in rows:
        edited = edit(record)
        found.looked, found.after = found.looked + 1, record.pk
        if edited.error:
            found.failing, found.reason = found.failing + 1, found.reason or edited.error
        elif edited.values:
            found.changing += 1
            if len(found.examples) < examples:
                found.examples.append(_example(record, edited))
        if time.monotonic() > deadline:
            return


def _example(record: Record, edited: Edited) -> Example:
    diffs = list(_diffs(record, edited.values))
    return Example(record.pk, diffs[:SHOWN], max(0, len(diffs) - SHOWN))


def _diffs(record: Record, values: dict[str, Any]) -> Iterator[tuple[str, list[Piece]]]:
    """Text by text where the texts stand in the same places, else the whole column as it is read."""
    changed = Record(
        **{name: getattr(record, name) for name in ("fields", "messages", "chosen", "rejected", "metadata")}
    )
    for name, value in values.items():
        setattr(changed, name, value)
    old, new = _texts(record), _texts(changed)
    if old.keys() == new.keys():
        for name, (label, text) in old.items():
            if text != new[name][1]:
                yield label, around(word_diff(text, new[name][1]))
        if any(old[name][1] != new[name][1] for name in old):
            return
    for name, value in values.items():
        yield name, around(word_diff(history.readable(name, getattr(record, name)), history.readable(name, value)))


def _texts(record: Record) -> dict[str, tuple[str, str]]:
    found = [*records.pieces(record), *records.metadata_pieces(record)]
    return {piece.name: (piece.label, piece.text) for piece in found}


def around(diff: list[Piece]) -> list[Piece]:
    """The differences with some words before and after; what is far from any is left out."""
    last = len(diff) - 1
    return [
        (op, _cut(text, at == 0, at == last) if op == "equal" else text[:2000]) for at, (op, text) in enumerate(diff)
    ]


def _cut(text: str, first: bool, last: bool) -> str:
    if len(text) <= 2 * AROUND:
        return text
    before, after = "" if first else text[:AROUND], "" if last else text[-AROUND:]
    return f"{before} … {after}"
