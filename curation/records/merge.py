"""Merging of edits when two people changed a record at once; where they conflict, one chooses piece by piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError

from atelier.web import border
from curation.diffs import Piece as Words
from curation.diffs import word_diff, word_merge
from curation.models import Record
from curation.records import changes as record_edits
from curation.records import derived, history
from curation.records import pieces as record_pieces

MERGED = (*derived.COLUMNS, "metadata", "labels")
Columns = dict[str, Any]


@dataclass(frozen=True)
class MergeConflict:
    """A merge conflict: a text that both changed, or a whole column whose messages or keys are no longer in the same places."""

    name: str
    label: str
    was: str
    theirs: str
    mine: str
    is_text: bool

    @property
    def their_words(self) -> list[Words]:
        return word_diff(self.was, self.theirs)

    @property
    def my_words(self) -> list[Words]:
        return word_diff(self.was, self.mine)

    @cached_property
    def together(self) -> tuple[str, bool]:
        """Return a merged text to begin with, and whether it needs a look.

        It does if both changed the same words, or if it is unknown what was there before; then `mine` is used.
        """
        return (self.mine, True) if self.was == self.theirs else word_merge(self.was, self.theirs, self.mine)

    @property
    def words(self) -> list[Words]:
        """Return the words that the merged text changes in theirs."""
        return word_diff(self.theirs, self.together[0])


def columns_of(record: Record) -> Columns:
    return {name: getattr(record, name) for name in MERGED}


def as_of(record: Record, revision: int) -> Columns | None:
    """Return the columns at a revision, by the history backwards; None if that does not reach so far."""
    changes = list(record.changes.filter(revision__gt=revision).exclude(action="assign").order_by("-revision", "-pk"))
    if not 0 < revision <= record.revision or {c.revision for c in changes} != set(
        range(revision + 1, record.revision + 1)
    ):
        return None
    columns = columns_of(record)
    for change in changes:
        columns |= {name: value for name, value in change.before.items() if name in columns}
    return columns


def read(text: str) -> Columns:
    """Read my columns from the page that carried them. Raises ValidationError if they are incomplete."""
    try:
        values = border.read_json(text)
    except ValidationError as error:
        raise ValidationError("Your text did not arrive complete. Open the record and enter it again.") from error
    kinds = dict.fromkeys(MERGED, list) | {"fields": dict, "metadata": dict}
    if not isinstance(values, dict) or any(not isinstance(values.get(name), kind) for name, kind in kinds.items()):
        raise ValidationError("Your text did not arrive complete. Open the record and enter it again.")
    border.storable(values)
    values["labels"] = record_edits.clean_labels(values["labels"])
    return {name: values[name] for name in MERGED}


def merge(base: Columns | None, theirs: Columns, mine: Columns) -> tuple[Columns, list[MergeConflict]]:
    """Merge both changes, theirs where they conflict, and return the conflicts. Without a base every difference is one."""
    merged: Columns = {}
    clashes: list[MergeConflict] = []
    for name in MERGED:
        was = theirs[name] if base is None else base[name]
        if mine[name] == theirs[name] or (base is not None and mine[name] == was):
            merged[name] = theirs[name]
        elif base is not None and theirs[name] == was:
            merged[name] = mine[name]
        elif name == "labels":
            merged[name] = sorted((set(theirs[name]) | (set(mine[name]) - set(was))) - (set(was) - set(mine[name])))
        else:
            merged[name] = _by_pieces(name, was, theirs[name], mine[name], clashes, base is None)
    return merged, clashes


def _by_pieces(name: str, was: Any, theirs: Any, mine: Any, clashes: list[MergeConflict], blind: bool) -> Any:
    a, b, c = (_pieces(name, value) for value in (was, theirs, mine))
    if not _same_shape(name, (was, theirs, mine)):
        texts = [history.readable(name, value) for value in (was, theirs, mine)]
        clashes.append(MergeConflict(name, name.capitalize(), *texts, is_text=False))
        return theirs
    taken = []
    for key, piece in b.items():
        old, new = a[key].text, c[key].text
        if new == piece.text or (not blind and new == old):
            continue
        if not blind and piece.text == old:
            taken.append((piece, new))
        else:
            clashes.append(MergeConflict(key, piece.label, old, piece.text, new, is_text=True))
    return record_pieces.put(Record(**{name: theirs}), taken).get(name, theirs)


def _pieces(name: str, value: Any) -> dict[str, record_pieces.Piece]:
    record = Record(**{name: value})
    return {piece.name: piece for piece in [*record_pieces.read(record), *record_pieces.read_metadata(record)]}


def _same_shape(name: str, values: tuple[Any, ...]) -> bool:
    """Return whether the values differ in nothing but their texts."""
    bare = []
    for value in values:
        record = Record(**{name: value})
        every = [(piece, "") for piece in _pieces(name, value).values()]
        bare.append(record_pieces.put(record, every).get(name, value))
    return all(each == bare[0] for each in bare)


def settle(
    theirs: Record, merged: Columns, clashes: list[MergeConflict], mine: Columns, sent: Mapping[str, str]
) -> Columns:
    """Return what to save: the merged columns with each conflict as it was decided.

    Raises ValidationError for a text that cannot be stored.
    """
    columns = dict(merged)
    pieces = {piece.name: piece for piece in [*record_pieces.read(theirs), *record_pieces.read_metadata(theirs)]}
    for clash in clashes:
        choice = sent.get(f"take.{clash.name}", "theirs")
        if choice == "theirs":
            continue
        if not clash.is_text:
            columns[clash.name] = mine[clash.name]
            continue
        text = (
            clash.mine if choice == "mine" else record_pieces.plain(sent.get(f"text.{clash.name}", clash.together[0]))
        )
        piece = pieces[clash.name]
        columns |= record_pieces.put(Record(**{piece.path[0]: columns[piece.path[0]]}), [(piece, text)])
    return {name: value for name, value in columns.items() if value != getattr(theirs, name)}
