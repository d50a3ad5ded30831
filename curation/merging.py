"""Two people changed a record at once: what both changed is put together, and where they differ, one chooses piece by piece."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError

from curation import contents, history, records
from curation.diffs import Piece as Words
from curation.diffs import word_diff, word_merge
from curation.models import Record

MERGED = (*contents.COLUMNS, "metadata", "labels")
Columns = dict[str, Any]


@dataclass(frozen=True)
class Clash:
    """A place that both changed: a text, or a whole column whose messages or keys no longer stand in the same places."""

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
        """A text to begin with, and whether to look at it: where both changed the same words, or nobody knows what was
        there before, mine stand."""
        return (self.mine, True) if self.was == self.theirs else word_merge(self.was, self.theirs, self.mine)

    @property
    def words(self) -> list[Words]:
        """What that text changes in theirs."""
        return word_diff(self.theirs, self.together[0])


def columns_of(record: Record) -> Columns:
    return {name: getattr(record, name) for name in MERGED}


def as_of(record: Record, revision: int) -> Columns | None:
    """The columns as they were at a revision, by the history backwards; None when that does not reach so far."""
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
    """My columns as the page carried them. Raises ValidationError when they are not whole."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError("What you wrote did not arrive whole: open the record and write it again.") from error
    kinds = dict.fromkeys(MERGED, list) | {"fields": dict, "metadata": dict}
    if not isinstance(given, dict) or any(not isinstance(given.get(name), kind) for name, kind in kinds.items()):
        raise ValidationError("What you wrote did not arrive whole: open the record and write it again.")
    records.refuse_nul(given)
    given["labels"] = records.clean_labels(given["labels"])
    return {name: given[name] for name in MERGED}


def merge(base: Columns | None, theirs: Columns, mine: Columns) -> tuple[Columns, list[Clash]]:
    """Both changes together, theirs where they clash, and the clashes. Without a base every difference is one."""
    merged: Columns = {}
    clashes: list[Clash] = []
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


def _by_pieces(name: str, was: Any, theirs: Any, mine: Any, clashes: list[Clash], blind: bool) -> Any:
    a, b, c = (_pieces(name, value) for value in (was, theirs, mine))
    if not _same_shape(name, (was, theirs, mine)):
        texts = [history.readable(name, value) for value in (was, theirs, mine)]
        clashes.append(Clash(name, name.capitalize(), *texts, is_text=False))
        return theirs
    taken = []
    for key, piece in b.items():
        old, new = a[key].text, c[key].text
        if new == piece.text or (not blind and new == old):
            continue
        if not blind and piece.text == old:
            taken.append((piece, new))
        else:
            clashes.append(Clash(key, piece.label, old, piece.text, new, is_text=True))
    return records.put(Record(**{name: theirs}), taken).get(name, theirs)


def _pieces(name: str, value: Any) -> dict[str, records.Piece]:
    record = Record(**{name: value})
    return {piece.name: piece for piece in [*records.pieces(record), *records.metadata_pieces(record)]}


def _same_shape(name: str, values: tuple[Any, ...]) -> bool:
    """Whether they differ in nothing but their texts."""
    bare = []
    for value in values:
        record = Record(**{name: value})
        every = [(piece, "") for piece in _pieces(name, value).values()]
        bare.append(records.put(record, every).get(name, value))
    return all(each == bare[0] for each in bare)


def settle(theirs: Record, merged: Columns, clashes: list[Clash], mine: Columns, sent: Mapping[str, str]) -> Columns:
    """What to save: the merged columns with each clash as it was decided. Raises ValidationError for a text that cannot be."""
    columns = dict(merged)
    pieces = {piece.name: piece for piece in [*records.pieces(theirs), *records.metadata_pieces(theirs)]}
    for clash in clashes:
        choice = sent.get(f"take.{clash.name}", "theirs")
        if choice == "theirs":
            continue
        if not clash.is_text:
            columns[clash.name] = mine[clash.name]
            continue
        text = clash.mine if choice == "mine" else records.plain(sent.get(f"text.{clash.name}", clash.together[0]))
        piece = pieces[clash.name]
        columns |= records.put(Record(**{piece.path[0]: columns[piece.path[0]]}), [(piece, text)])
    return {name: value for name, value in columns.items() if value != getattr(theirs, name)}
