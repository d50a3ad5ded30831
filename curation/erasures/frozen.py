"""Frozen files without erased rows: a new file with tombstones in their places, its hash recorded beside the former one.

The new file is stored first, under its own hash; one transaction then makes it the version's; the old file goes last.
So a kill at any point leaves a version whose files verify, and the next attempt does what is left.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from atelier.jobs.claims import Claim
from curation.erasures import tally
from curation.erasures.remains import Remain
from curation.models import ErasedFile, Erasure, Version, VersionEntry
from curation.versions import archive, diff, scratch
from curation.versions import files as version_files
from curation.versions.files import DamagedVersion, SplitFile
from curation.versions.job import content_hash
from curation.versions.rows import digest

Places = dict[int, VersionEntry]  # row in the split's file -> its entry


def versions(erasure: Erasure) -> list[Version]:
    """Return the frozen versions that still hold a row of an erased record."""
    held = VersionEntry.objects.filter(record__erased__erasure=erasure, erased_at=None)
    rows = Version.objects.filter(status=Version.Status.DONE, pk__in=held.values("version"))
    return list(rows.select_related("dataset", "project").order_by("pk"))


def rewrite(claim: Claim[Erasure], version: Version) -> None:
    """Put tombstones in the places of erased records in a version's files.

    Raises DamagedVersion when a file is not what was frozen, and leaves that version as it is.
    """
    entries = version.entries.filter(record__erased__isnull=False, erased_at=None)
    splits: dict[str, Places] = {}
    for entry in entries.order_by("pk"):
        splits.setdefault(entry.split, {})[entry.row] = entry
    if version.freed_at is not None:  # nothing is left to rewrite: the lineage alone says that it was there
        with claim.writing():
            entries.update(erased_at=timezone.now())
        return
    with scratch.held(scratch.ERASE, claim.job.pk, claim.fence) as folder:
        made = [_without(version, split, places, folder) for split, places in splits.items()]
        diff.forget(version)  # tells labels and sources, and is computed again on demand
        _adopt(claim, version, made)


def _without(version: Version, split: str, places: Places, folder: Path) -> tuple[ErasedFile, dict[str, Any], Places]:
    """Store a split's file with tombstones; return its ledger row, unsaved, what `Version.files` holds, and the entries."""
    before, out, rows, found = version.file(split), SplitFile(folder / f"{split}.jsonl"), [], 0
    try:
        with version_files.open_split(version, split) as lines:
            for number, line in enumerate(lines, 1):
                entry = places.get(number)
                found += entry is not None
                if entry is not None and not version_files.is_erased(line):
                    about = {"id": orjson.loads(line)["id"], "sha256": hashlib.sha256(line).hexdigest()}
                    rows.append({"row": number, "record": entry.record_id, **about})
                    tombstone = version_files.tombstone(line)
                    entry.digest = digest(tombstone)
                    out.write(tombstone)
                else:
                    out.write(line)
        if found != len(places):
            raise DamagedVersion(
                f"The {split} file of {version} lacks rows that its lineage names, so none was erased."
            )
        scratch.note(folder, out.name)
        after = out.keep()
    finally:
        out.close()
    after["erased"] = before.get("erased", 0) + len(rows)
    ledger = ErasedFile(
        version=version, split=split, rows=rows, sha256_before=before["sha256"], sha256_after=after["sha256"], former=before["name"]
    )  # fmt: skip
    return ledger, after, places


def _adopt(claim: Claim[Erasure], version: Version, made: list[tuple[ErasedFile, dict[str, Any], Places]]) -> None:
    """Make the new files the version's, with the ledger of both hashes, in one transaction."""
    now = timezone.now()
    with claim.writing():
        current = Version.objects.select_for_update().select_related("dataset").get(pk=version.pk)
        for ledger, _, _ in made:
            # Whoever removes its files knows nothing of the new one.
            if current.file(ledger.split)["sha256"] != ledger.sha256_before or current.freed_at is not None:
                raise DamagedVersion(f"The files of {version} changed while rows were erased. Resume the erasure.")
        files = current.files | {ledger.split: after for ledger, after, _ in made}
        new_hash = content_hash(current, files)
        count = sum(len(ledger.rows) for ledger, _, _ in made)
        rows = current.rows - count
        tally.add(claim, frozen_rows=count)
        Version.objects.filter(pk=version.pk).update(files=files, rows=rows, content_hash=new_hash)
        # From here on nobody deletes a file of this name; a version that had the same content may have just gone with it.
        if not all(default_storage.exists(after["name"]) for _, after, _ in made):
            raise DamagedVersion(
                f"A new file of {version} was deleted together with another version. Resume the erasure."
            )
        for ledger, _, places in made:
            ledger.erasure, ledger.at = claim.job, now
            ledger.content_hash_before, ledger.content_hash_after = current.content_hash, new_hash
            ledger.save()
            for entry in places.values():
                entry.erased_at = now
            VersionEntry.objects.bulk_update(places.values(), ["erased_at", "digest"], batch_size=200)
    version.refresh_from_db()


def clear(claim: Claim[Erasure]) -> None:
    """Delete the files that were replaced, unless another version has one: then it stays named, and is a remain."""
    for row in _replaced(claim.job):
        claim.obey()
        with transaction.atomic():
            archive.keep_freezes_out()
            is_shared = bool(_others(row))
            if not is_shared:
                default_storage.delete(row.former)
        if not is_shared:
            with claim.writing():
                ErasedFile.objects.filter(pk=row.pk).update(former="")


def remains(erasure: Erasure) -> Iterator[Remain]:
    """Yield the old files that stay, because another version has the same content."""
    for row in _replaced(erasure):
        others = _others(row)
        named = [version for version in others if version.project_id == row.version.project_id]
        if named:
            why = "it has the same content as a version that was changed, so the old file stays. Erase its records as well."
            yield from (
                Remain("Version", str(version), version.project_id, "curation:version", version.pk, why)
                for version in named
            )
        elif others:
            why = "a version of another project has the same content, so the old file stays for it."
            yield Remain(
                "File", f"{row.split} of {row.version}", row.version.project_id, "curation:version", row.version_id, why
            )


def _replaced(erasure: Erasure) -> list[ErasedFile]:
    return list(erasure.files.exclude(former="").select_related("version__dataset"))


def _others(row: ErasedFile) -> list[Version]:
    """Return the versions that have the former file."""
    holding = Version.objects.filter(freed_at=None).exclude(files={}).select_related("dataset")
    rows = holding.iterator(chunk_size=500)
    return [version for version in rows if row.former in {file["name"] for file in version.files.values()}]
