"""Edits of one record by a bulk action: a function from the record to the values that would change. Nothing is written here."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from atelier.jobs.claims import JobFailed
from curation.bulk.keys import KeyChange, KeyTaken
from curation.bulk.options import replacement
from curation.bulk.replace import BadPattern, Replacer
from curation.checks import pii, record_fixes
from curation.models import BulkAction, Record
from curation.records import derived
from curation.records import pieces as record_pieces
from curation.records.changes import REVIEW
from curation.records.pieces import Piece

Action = BulkAction.Action
CONTENT = {Action.REPLACE, Action.MASK, Action.FIX, Action.KEY}


@dataclass(frozen=True)
class RecordEdit:
    """The values of a record that would change, or why it is left as it is."""

    values: dict[str, Any] = field(default_factory=dict)
    error: str = ""


Edit = Callable[[Record], RecordEdit]


@contextmanager
def editing(
    action: str, options: Mapping[str, Any], reviewer_id: int | None = None, look: Callable[[], object] | None = None
) -> Iterator[Edit]:
    """Provide the function that edits a record for an action with these (cleaned) options, within the context.

    Raises JobFailed.

    `look` is called while a pattern takes its time, and may raise.
    """
    if action == Action.REPLACE:
        try:
            with Replacer(replacement(options), look) as replacer:
                yield partial(_replace, replacer, options["pieces"])
        except BadPattern as error:
            raise JobFailed(str(error)) from error
    elif action == Action.MASK:
        yield partial(_mask, options["pieces"])
    elif action == Action.FIX:
        yield partial(_fix, options["codes"])
    elif action == Action.KEY:
        yield partial(_change_key, KeyChange.of(options))
    elif action in (Action.LABEL, Action.UNLABEL):
        yield partial(_label, frozenset(options["labels"]), action == Action.LABEL)
    elif action == Action.DELETE:
        yield lambda record: RecordEdit({"deleted": True})
    else:
        reviewer = None if action == Action.REOPEN else reviewer_id
        yield partial(_review, {"status": REVIEW[action], "reviewed_by_id": reviewer, "reviewed_note": ""})


def _review(values: dict[str, Any], record: Record) -> RecordEdit:
    return RecordEdit(values if record.status != values["status"] else {})


def _label(labels: frozenset[str], adds: bool, record: Record) -> RecordEdit:
    now = set(record.labels)
    wanted = now | labels if adds else now - labels
    return RecordEdit({"labels": sorted(wanted)} if wanted != now else {})


def _meant(record: Record, pieces: str) -> list[Piece]:
    """Return the chosen texts.

    `all` are those of the content; metadata only when named, because others may read it by value.
    """
    if pieces == "metadata":
        return record_pieces.read_metadata(record)
    return [piece for piece in record_pieces.read(record) if pieces in ("all", piece.scope)]


def _replace(replacer: Replacer, pieces: str, record: Record) -> RecordEdit:
    meant = _meant(record, pieces)
    found = replacer.put([piece.text for piece in meant])
    if found.error:
        return RecordEdit(error=found.error)
    return _put(record, meant, found.texts)


def _mask(pieces: str, record: Record) -> RecordEdit:
    meant = _meant(record, pieces)
    if pieces == "all":
        meant += record_pieces.read_metadata(record)
    seen: pii.Seen = {}
    for piece in meant:  # a name that one text tells is masked in those before it too
        pii.learn(pii.known_names(piece.text), seen)
    return _put(record, meant, [_masked(piece, seen) for piece in meant])


def _masked(piece: Piece, seen: pii.Seen) -> str:
    """Mask the personal data in a text.

    Arguments of a call are JSON in a text, and stay that: their texts are masked, and numbers that are personal become
    texts.
    """
    masked, _ = pii.mask(piece.text, seen)
    if masked == piece.text or piece.path[-1] != "arguments":
        return masked
    try:
        value = json.loads(piece.text)
    except (ValueError, RecursionError):
        return masked
    return json.dumps(_masked_json(value, seen), ensure_ascii=False)


def _masked_json(value: Any, seen: pii.Seen) -> Any:
    if isinstance(value, dict):
        return {key: _masked_json(inner, seen) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked_json(inner, seen) for inner in value]
    if isinstance(value, bool) or not isinstance(value, str | int):
        return value
    masked, found = pii.mask(str(value), seen)
    return masked if found else value


def _fix(codes: list[str], record: Record) -> RecordEdit:
    columns, _ = record_fixes.fix_record({name: getattr(record, name) for name in derived.COLUMNS}, codes)
    return RecordEdit(columns)


def _change_key(change: KeyChange, record: Record) -> RecordEdit:
    try:
        return RecordEdit(change.columns(record))
    except KeyTaken as error:
        return RecordEdit(error=str(error))


def _put(record: Record, meant: list[Piece], texts: list[str]) -> RecordEdit:
    new = [(piece, text) for piece, text in zip(meant, texts, strict=True) if text != piece.text]
    return RecordEdit(record_pieces.put(record, new))
