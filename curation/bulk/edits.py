"""What an action makes of one record: a function from the record to the values that would change. Nothing is written here."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from atelier.jobs.claims import JobFailed
from curation import contents, records
from curation.bulk.options import wish
from curation.checks import mends, pii
from curation.finding import BadPattern, Finder
from curation.models import BulkAction, Record
from curation.records import REVIEW, Piece

Action = BulkAction.Action
CONTENT = {Action.REPLACE, Action.MASK, Action.MEND}


@dataclass(frozen=True)
class Edited:
    """The values that become others; or why the record is left as it is."""

    values: dict[str, Any] = field(default_factory=dict)
    error: str = ""


Edit = Callable[[Record], Edited]


@contextmanager
def editing(action: str, options: Mapping[str, Any], reviewer_id: int | None = None) -> Iterator[Edit]:
    """The function for an action with these (cleaned) options, for as long as the context lasts. Raises JobFailed."""
    if action == Action.REPLACE:
        try:
            with Finder(wish(options)) as finder:
                yield partial(_replace, finder, options["pieces"])
        except BadPattern as error:
            raise JobFailed(str(error)) from error
    elif action == Action.MASK:
        yield partial(_mask, options["pieces"])
    elif action == Action.MEND:
        yield partial(_mend, options["codes"])
    elif action in (Action.LABEL, Action.UNLABEL):
        yield partial(_label, frozenset(options["labels"]), action == Action.LABEL)
    elif action == Action.DELETE:
        yield lambda record: Edited({"deleted": True})
    else:
        reviewer = None if action == Action.REOPEN else reviewer_id
        yield partial(_review, {"status": REVIEW[action], "reviewed_by_id": reviewer, "reviewed_note": ""})


def _review(values: dict[str, Any], record: Record) -> Edited:
    return Edited(values if record.status != values["status"] else {})


def _label(labels: frozenset[str], adds: bool, record: Record) -> Edited:
    now = set(record.labels)
    wanted = now | labels if adds else now - labels
    return Edited({"labels": sorted(wanted)} if wanted != now else {})


def _meant(record: Record, pieces: str) -> list[Piece]:
    """The texts that are meant: `all` are those of the content; metadata only when named, for others may read it by value."""
    if pieces == "metadata":
        return records.metadata_pieces(record)
    return [piece for piece in records.pieces(record) if pieces in ("all", piece.scope)]


def _replace(finder: Finder, pieces: str, record: Record) -> Edited:
    meant = _meant(record, pieces)
    found = finder.put([piece.text for piece in meant])
    if found.error:
        return Edited(error=found.error)
    return _put(record, meant, found.texts)


def _mask(pieces: str, record: Record) -> Edited:
    meant = _meant(record, pieces)
    if pieces == "all":
        meant += records.metadata_pieces(record)
    seen: pii.Seen = {}
    for piece in meant:  # a name that one text tells is masked in those before it too
        pii.learn(pii.known_names(piece.text), seen)
    return _put(record, meant, [_masked(piece, seen) for piece in meant])


def _masked(piece: Piece, seen: pii.Seen) -> str:
    """Arguments of a call are JSON in a text, and stay that: their texts are masked, and numbers that are personal become texts."""
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


def _mend(codes: list[str], record: Record) -> Edited:
    columns, _ = mends.mend_record({name: getattr(record, name) for name in contents.COLUMNS}, codes)
    return Edited(columns)


def _put(record: Record, meant: list[Piece], texts: list[str]) -> Edited:
    new = [(piece, text) for piece, text in zip(meant, texts, strict=True) if text != piece.text]
    return Edited(records.put(record, new))
