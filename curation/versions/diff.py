"""The diff of two versions of a dataset: records added, removed and changed.

Entries are compared by 64 bits of their line's hash, in arrays of numbers: 48 bytes a row, whatever the rows hold. The
outcome never changes, so it is stored as a file beside the data, and computed again when that is missing.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import orjson
from django.conf import settings
from django.core.exceptions import ValidationError

from curation.models import Version
from curation.versions import lines as version_lines

KINDS = ("added", "removed", "changed")
CHUNK = 20_000
PAGE = 20
NONE = "(none)"
SHOWN = 50  # labels or sources that are told one by one
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # any odd number: tells repetitions of one digest apart
Numbers = Any  # a numpy array of int64


@dataclass(frozen=True)
class Pair:
    """A difference between two versions: the entries before and after, 0 if there is none."""

    kind: str
    before: int
    after: int


@dataclass
class Diff:
    """All differences between two versions, as entries' ids; and their numbers, by label and by source."""

    pairs: dict[str, Numbers]  # kind -> array of (before, after)
    counts: dict[str, int]
    same: int
    labels: dict[str, dict[str, int]] = field(default_factory=dict)  # label -> kind -> rows
    sources: dict[str, dict[str, int]] = field(default_factory=dict)

    def page(self, kind: str, after: int = 0, size: int = PAGE) -> tuple[list[Pair], int | None]:
        """Return the pairs that follow the entry `after`, and the cursor of the next page, None at the end."""
        rows = self.pairs[kind]
        keys = rows.max(axis=1) if len(rows) else np.empty(0, dtype=np.int64)
        start = int(np.searchsorted(keys, after, side="right"))
        found = [Pair(kind, int(old), int(new)) for old, new in rows[start : start + size]]
        more = start + size < len(rows)
        return found, int(keys[start + size - 1]) if more else None


def between(old: Version, new: Version) -> Diff:
    """Return the diff that turns `old` into `new`. Raises ValidationError when the two cannot be compared."""
    _check(old, new)
    path = _path(old, new)
    stored = _load(path)
    if stored is None:
        stored = _compare(old, new)
        _keep(path, stored)
    return stored


def _check(old: Version, new: Version) -> None:
    for version in (old, new):
        if version.status != Version.Status.DONE:
            raise ValidationError(f"{version} isn't frozen yet, so there is nothing to compare.")
        if version.freed_at is not None:
            raise ValidationError(f"The files of {version} were removed from the disk, so it cannot be compared.")
        if version.entries.filter(digest=None).exists():
            raise ValidationError(f"{version} was frozen by an older Atelier. Freeze the dataset again to compare.")
    if old.dataset_id != new.dataset_id:
        raise ValidationError(
            f"{old} and {new} belong to different datasets. Compare two versions of the same dataset."
        )


def _path(old: Version, new: Version) -> Path:
    """Return the path of a diff, named by both contents too, because another database has the same ids."""
    name = hashlib.sha256(f"{old.content_hash}{new.content_hash}".encode()).hexdigest()[:16]
    return Path(settings.DATA_DIR) / "diffs" / f"{old.pk}-{new.pk}-{name}.npz"


def forget(version: Version) -> None:
    """Delete the stored diffs of a version that is deleted."""
    folder = Path(settings.DATA_DIR) / "diffs"
    for pattern in (f"{version.pk}-*.npz", f"*-{version.pk}-*.npz"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _load(path: Path) -> Diff | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            about = json.loads(kept["about"].tobytes())
            return Diff({kind: kept[kind] for kind in KINDS}, **about)
    except (OSError, ValueError, KeyError, BadZipFile):  # not there, or half of it: it is made anew
        return None


def _keep(path: Path, diff: Diff) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"counts": diff.counts, "same": diff.same, "labels": diff.labels, "sources": diff.sources}
    draft = path.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as out:
        np.savez_compressed(out, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **diff.pairs)
    draft.replace(path)


def _compare(old: Version, new: Version) -> Diff:
    before, after = _entries(old), _entries(new)
    _, left, right = np.intersect1d(before["record"], after["record"], assume_unique=True, return_indices=True)
    differ = before["digest"][left] != after["digest"][right]
    changed = [np.stack([before["pk"][left[differ]], after["pk"][right[differ]]], axis=1)]
    gone, came = _without(before, left), _without(after, right)
    same = int(len(left) - differ.sum())
    # A record that was deleted and came in again is no change; one with the same key and other content is.
    gone, came, met = _match(gone, came, "digest")
    same += len(met)
    if len(gone["pk"]) and len(came["pk"]):
        gone, came = gone | {"key": _keys(old, gone)}, came | {"key": _keys(new, came)}
        gone, came, met = _match(gone, came, "key")
        changed.append(met)
    pairs = {
        "added": np.stack([np.zeros_like(came["pk"]), came["pk"]], axis=1),
        "removed": np.stack([gone["pk"], np.zeros_like(gone["pk"])], axis=1),
        "changed": np.concatenate(changed),
    }
    pairs = {
        kind: rows[np.argsort(rows.max(axis=1) if len(rows) else [], kind="stable")] for kind, rows in pairs.items()
    }
    diff = Diff(pairs, {kind: len(rows) for kind, rows in pairs.items()}, same)
    _tally(diff, old, new)
    return diff


def _entries(version: Version) -> dict[str, Numbers]:
    there = version.entries.filter(erased_at=None).order_by("pk")
    rows = there.values_list("pk", "record_id", "digest").iterator(chunk_size=CHUNK)
    table = np.fromiter(rows, dtype=[("pk", "i8"), ("record", "i8"), ("digest", "i8")], count=-1)
    if len(table) != version.rows:  # its dataset was deleted, or rows are being erased
        raise ValidationError(
            f"{len(table):,} of the {version.rows:,} rows of {version} can still be traced to a record, so it cannot be compared."
        )
    return {name: np.ascontiguousarray(table[name]) for name in table.dtype.names or ()}


def _without(entries: dict[str, Numbers], taken: Numbers) -> dict[str, Numbers]:
    kept = np.ones(len(entries["pk"]), dtype=bool)
    kept[taken] = False
    return {name: values[kept] for name, values in entries.items()}


def _match(
    gone: dict[str, Numbers], came: dict[str, Numbers], by: str
) -> tuple[dict[str, Numbers], dict[str, Numbers], Numbers]:
    """Pair what is equal in `by`, each once; return what is left of both, and the pairs. 0 means no key."""
    marks = [_numbered(entries[by], by == "key") for entries in (gone, came)]
    _, left, right = np.intersect1d(*marks, assume_unique=False, return_indices=True)
    real = (gone[by][left] != 0) if by == "key" else np.ones(len(left), dtype=bool)
    left, right = left[real], right[real]
    met = np.stack([gone["pk"][left], came["pk"][right]], axis=1)
    return _without(gone, left), _without(came, right), met


def _numbered(values: Numbers, once: bool) -> Numbers:
    """Return the values, the second of equal ones distinct from the first; keys are paired once only."""
    if once:
        return values
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, dtype=np.int64)
    ranks = np.arange(len(ordered)) - np.repeat(begins, np.diff(np.r_[begins, len(ordered)]))
    numbered = np.empty(len(values), dtype=np.uint64)
    numbered[order] = ordered.view(np.uint64) + ranks.astype(np.uint64) * SPREAD
    return numbered


def _keys(version: Version, entries: dict[str, Numbers]) -> Numbers:
    """Return a number for each entry's key in its source, 0 for none."""
    keys = np.zeros(len(entries["pk"]), dtype=np.int64)
    keyed = version.entries.exclude(record__key="").order_by("pk").values_list("pk", "record__key")
    for pk, key in keyed.iterator(chunk_size=CHUNK):
        place = int(np.searchsorted(entries["pk"], pk))
        if place < len(keys) and entries["pk"][place] == pk:
            keys[place] = version_lines.number(key)
    return keys


def _tally(diff: Diff, old: Version, new: Version) -> None:
    """Count the differences by label and by source, reading their lines once."""
    labels: dict[str, Counter[str]] = {}
    sources: dict[str, Counter[str]] = {}
    for kind, rows in diff.pairs.items():
        version, pks = (old, rows[:, 0]) if kind == "removed" else (new, rows[:, 1])
        for entry, line in version_lines.read(version, pks.tolist()):
            for label in line.get("labels") or [NONE]:
                labels.setdefault(label, Counter())[kind] += 1
            sources.setdefault(entry.origin or NONE, Counter())[kind] += 1
    diff.labels, diff.sources = _most(labels), _most(sources)


def _most(table: dict[str, "Counter[str]"]) -> dict[str, dict[str, int]]:
    ordered = sorted(table.items(), key=lambda item: (-item[1].total(), item[0]))[:SHOWN]
    return {name: {kind: counts[kind] for kind in KINDS} for name, counts in ordered}


def shown(old: Version, new: Version, pairs: list[Pair]) -> Iterator[dict[str, Any]]:
    """Yield pairs with their rows: {"kind", "record", "before", "after"}, None for a side that does not exist."""
    before = {entry.pk: (entry, row) for entry, row in version_lines.read(old, [p.before for p in pairs if p.before])}
    after = {entry.pk: (entry, row) for entry, row in version_lines.read(new, [p.after for p in pairs if p.after])}
    for pair in pairs:
        was, now = before.get(pair.before), after.get(pair.after)
        entry = (now or was or (None, None))[0]
        yield {
            "kind": pair.kind,
            "record": entry.record_id if entry else None,
            "before": was[1] if was else None,
            "after": now[1] if now else None,
        }


def text_of(row: dict[str, Any] | None) -> str:
    """Return a row as text to compare: each message under its role, then what is beside them."""
    if row is None:
        return ""
    parts = []
    for name in ("messages", "prompt", "chosen", "rejected"):
        for message in row.get(name, []):
            who = message.get("role", "") if name in ("messages", "prompt") else name
            content = message.get("content")
            text = content if isinstance(content, str) else orjson.dumps(content).decode()
            calls = message.get("tool_calls")
            parts.append(f"{who}: {text}" + (f"\n{orjson.dumps(calls).decode()}" if calls else ""))
    for name in ("labels", "tools", "metadata"):
        if row.get(name):
            parts.append(f"{name}: {orjson.dumps(row[name], option=orjson.OPT_SORT_KEYS).decode()}")
    return "\n\n".join(parts)
