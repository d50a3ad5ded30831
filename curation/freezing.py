"""Freezing: a dataset's records as content-hashed JSONL files, one a split, with lineage and figures.

Nothing that belongs to one database is hashed: no ids, dates or names. So the same conversations with the same seed
and shares give the same hash on any installation.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from atelier.jobs.claims import Claim, JobFailed
from curation import selection, splits, versions
from curation.models import Record, Version, VersionEntry
from curation.models.datasets import Dataset
from curation.splits import SPLITS
from curation.tokens import Counter

BATCH = 500
RECORDS_NAMED = 20
NEEDED = (
    "dataset", "messages", "tools", "chosen", "rejected", "metadata", "content_hash", "source_group", "words", "problems",
    "revision",
)  # fmt: skip
CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


class TemporaryFile(File):
    """A finished file that storage on the same disk takes over by renaming, so that no half of it is ever seen."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"))
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


class SplitFile:
    """One split while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._digest = hashlib.sha256()
        self._out = path.open("wb")

    def write(self, line: bytes) -> int:
        """Append a row; returns its number, from 1."""
        self._out.write(line)
        self._digest.update(line)
        self.rows += 1
        return self.rows

    def keep(self) -> dict[str, Any]:
        """Close it and store it under its hash, unless it is there already. Returns what `Version.files` holds."""
        self._out.close()
        sha = self._digest.hexdigest()
        name = f"versions/{sha}.jsonl"
        size = self.path.stat().st_size
        if not _is_stored(name, sha):
            with TemporaryFile(self.path) as file:
                saved = default_storage.save(name, file)
            if saved != name:  # another freeze of the same content was quicker
                default_storage.delete(saved)
        return {"name": name, "sha256": sha, "bytes": size, "rows": self.rows}

    def close(self) -> None:
        self._out.close()


def _is_stored(name: str, sha: str) -> bool:
    """Whether the content is in storage, whole; what is broken there is cleared away for the right one."""
    if not default_storage.exists(name):
        return False
    with default_storage.open(name, "rb") as stream:
        if versions.digest(stream) == sha:
            return True
    default_storage.delete(name)
    return False


class Problems:
    """Validation problems grouped by code, with the first records that have them."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, Any]] = {}
        self._seen: dict[bytes, str] = {}

    def look(self, record: Record, split: str) -> None:
        """Take over what the checks found in one record, and see whether its content stands in another split too."""
        for code, message in {problem["code"]: problem["message"] for problem in record.problems}.items():
            self.add(code, message, record.pk)
        content = bytes.fromhex(record.content_hash)
        earlier = self._seen.setdefault(content, split)
        if earlier != split:
            self.add(
                "in_two_splits",
                "The same content stands in two splits: what is tested was trained on. Give both the same group.",
                record.pk,
            )

    def add(self, code: str, message: str, pk: int) -> None:
        group = self._groups.setdefault(code, {"code": code, "message": message, "count": 0, "records": []})
        group["count"] += 1
        if len(group["records"]) < RECORDS_NAMED:
            group["records"].append(pk)

    def found(self) -> list[dict[str, Any]]:
        return sorted(self._groups.values(), key=lambda group: (-group["count"], group["code"]))


def row_of(record: Record) -> dict[str, Any]:
    """What a version keeps of a record: its content, its metadata, and an id made of its content."""
    row: dict[str, Any] = {"id": record.content_hash[:16], "metadata": record.metadata}
    if record.dataset.kind == Dataset.Kind.PREFERENCES:
        row |= {"prompt": record.messages, "chosen": record.chosen, "rejected": record.rejected}
    else:
        row["messages"] = record.messages
    return row | {"tools": record.tools} if record.tools else row


def run(claim: Claim[Version]) -> None:
    """Freeze. A repeated attempt begins anew: until the last write nothing of a version counts."""
    version = claim.job
    chosen = selection.select(version.dataset, version.filters)
    total = chosen.count()
    if not total:
        raise JobFailed(
            f"No record of {version.dataset.name} is {selection.words(version.filters)}: there is nothing to freeze."
        )
    with claim.writing(done=0, total=total, line="Writing the splits"):
        VersionEntry.objects.filter(version=version).delete()
    folder = Path(settings.DATA_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="freeze-") as scratch:
        files = {split: SplitFile(Path(scratch) / f"{split}.jsonl") for split in SPLITS}
        try:
            figures = _write(claim, chosen, files)
            kept = {split: file.keep() for split, file in files.items()}
        finally:
            for file in files.values():
                file.close()
    rows = sum(file["rows"] for file in kept.values())
    if not rows:
        raise JobFailed("Every record was deleted while this ran: there is nothing to freeze.")
    if not kept["train"]["rows"]:
        raise JobFailed("No record fell into the train split: give it a larger share, or freeze more records.")
    claim.update(
        files=kept,
        rows=rows,
        content_hash=content_hash(version, kept),
        done=rows,
        total=rows,
        line=f"{rows} rows: " + ", ".join(f"{file['rows']} {split}" for split, file in kept.items()),
        **figures,
    )


def _write(claim: Claim[Version], chosen: Any, files: dict[str, SplitFile]) -> dict[str, Any]:
    """Write all rows, batch by batch; returns words, tokens and problems."""
    version, problems, counter, words, done = claim.job, Problems(), Counter.of_student(), 0, 0
    for batch in _batches(chosen.only(*NEEDED)):
        for record in batch:
            record.dataset = version.dataset  # one object for all, not one read for each
        sides = [splits.assign(version.seed, record.source_group, version.shares) for record in batch]
        entries = []
        for record, split in zip(batch, sides, strict=True):
            row = files[split].write(_line(record))
            entries.append(VersionEntry(version=version, record=record, revision=record.revision, split=split, row=row))
            problems.look(record, split)
            words += record.words
        counter.add([(split, record.messages + record.chosen) for record, split in zip(batch, sides, strict=True)])
        done += len(batch)
        with claim.writing(done=done):
            VersionEntry.objects.bulk_create(entries, batch_size=BATCH)
        claim.obey()
    return {"words": words, "tokens": counter.table(), "problems": problems.found()}


def _batches(chosen: Any) -> Iterator[list[Record]]:
    """By key, not by cursor: writes in between, and a restart of the database, do no harm."""
    last = 0
    while batch := list(chosen.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].pk


def _line(record: Record) -> bytes:
    try:
        return orjson.dumps(row_of(record), option=CANONICAL)
    except orjson.JSONEncodeError as error:
        raise JobFailed(
            f"Record {record.pk} cannot be written as JSON ({error}): mend or reject it, then retry."
        ) from error


def content_hash(version: Version, files: dict[str, dict[str, Any]]) -> str:
    """The hash over the splits' hashes and what decided them."""
    described = {
        "format": 1,
        "kind": version.dataset.kind,
        "seed": version.seed,
        "shares": version.shares,
        "splits": {split: file["sha256"] for split, file in files.items()},
    }
    return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()
