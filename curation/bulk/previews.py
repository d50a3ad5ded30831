"""Previews of a bulk action: the first records that would change, with a word diff, and their number."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from atelier.jobs.claims import JobFailed
from curation.bulk import options as action_options
from curation.bulk.edits import CONTENT, Edit, RecordEdit, editing
from curation.diffs import Piece, around, word_diff
from curation.models import Dataset, Record
from curation.records import history
from curation.records import pieces as record_pieces
from curation.records.batches import heavy
from curation.search.filters import Filters

SECONDS = 0.7  # that one look may take
AT_ONCE = 100
AROUND = 80  # characters shown before and after a difference
MOST = 2000  # characters of a difference
SHOWN = 5  # texts of one record


@dataclass(frozen=True)
class ChangedExample:
    """A record that would change: for each text its name and its word diff."""

    record: int
    diffs: list[tuple[str, list[Piece]]]
    more: int = 0


@dataclass
class BulkPreview:
    """The preview of a bulk action: `looked` records were looked at up to the id `after`; `is_whole` when those were all."""

    looked: int = 0
    changing: int = 0
    failing: int = 0
    after: int = 0
    is_whole: bool = False
    examples: list[ChangedExample] = field(default_factory=list)
    reason: str = ""  # of the first that cannot be changed

    @property
    def line(self) -> str:
        """Return the preview as a sentence."""
        whole = f"{self.changing:,} of {self.looked:,} records would change"
        if not self.is_whole:
            whole = f"{self.changing:,} of the first {self.looked:,} records would change"
        return whole + (f"; {self.failing:,} cannot be changed. {self.reason}" if self.failing else ".")


def preview(
    dataset: Dataset,
    action: str,
    filters: Filters,
    options: dict[str, Any],
    *,
    after: int = 0,
    examples: int = 10,
    seconds: float = SECONDS,
) -> BulkPreview:
    """Preview an action on the records after the id `after`, until the time is over; on at least one.

    Raises ValidationError.
    """
    if action not in CONTENT:
        raise ValidationError(
            "A preview exists for replace, mask, fix and key. The other actions treat all records alike."
        )
    cleaned = action_options.clean(dataset, action, options)
    result = BulkPreview(after=after)
    try:
        with editing(action, cleaned) as edit:
            # A regular expression runs in a process of its own, whose start would take all of the time where much is going on.
            deadline = time.monotonic() + seconds
            _look(result, dataset, filters, edit, examples, deadline)
            while time.monotonic() < deadline and not result.is_whole:
                _look(result, dataset, filters, edit, examples, deadline)
    except JobFailed as error:
        raise ValidationError(str(error)) from error
    return result


def _look(result: BulkPreview, dataset: Dataset, filters: Filters, edit: Edit, examples: int, deadline: float) -> None:
    rows = heavy(filters.records(dataset).filter(pk__gt=result.after).order_by("pk"), AT_ONCE)
    result.is_whole = not rows
    for record in rows:
        edited = edit(record)
        result.looked, result.after = result.looked + 1, record.pk
        if edited.error:
            result.failing, result.reason = result.failing + 1, result.reason or edited.error
        elif edited.values:
            result.changing += 1
            if len(result.examples) < examples:
                result.examples.append(_example(record, edited))
        if time.monotonic() > deadline:
            return


def _example(record: Record, edited: RecordEdit) -> ChangedExample:
    diffs = list(_diffs(record, edited.values))
    return ChangedExample(record.pk, diffs[:SHOWN], max(0, len(diffs) - SHOWN))


def _diffs(record: Record, values: dict[str, Any]) -> Iterator[tuple[str, list[Piece]]]:
    """Yield a diff for each text if the texts are in the same places, else of the whole column as people read it."""
    changed = Record(
        **{name: getattr(record, name) for name in ("fields", "messages", "chosen", "rejected", "metadata")}
    )
    for name, value in values.items():
        setattr(changed, name, value)
    old, new = _texts(record), _texts(changed)
    if old.keys() == new.keys():
        for name, (label, text) in old.items():
            if text != new[name][1]:
                yield label, around(word_diff(text, new[name][1]), AROUND, MOST)
        if any(old[name][1] != new[name][1] for name in old):
            return
    for name, value in values.items():
        yield name, around(word_diff(*history.both(name, getattr(record, name), value)), AROUND, MOST)


def _texts(record: Record) -> dict[str, tuple[str, str]]:
    found = [*record_pieces.read(record), *record_pieces.read_metadata(record)]
    return {piece.name: (piece.label, piece.text) for piece in found}
