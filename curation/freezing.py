"""Freezing: a dataset's records as content-hashed JSONL files, one a split, with lineage and figures.

Nothing that belongs to one database is hashed: no ids, dates or names. So the same conversations with the same seed
and shares give the same hash on any installation.
"""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from atelier.jobs.claims import Claim, JobFailed
from atelier.webhooks import events
from atelier.webhooks.models import Webhook
from curation import data_card, frozen_rows, leaks, selection, splits, versions
from curation.annotation import agreeing
from curation.freeze_figures import Figures
from curation.models import Version, VersionEntry
from curation.splitfiles import SplitFile
from curation.splits import SPLITS
from curation.tokens import Counter

ENTRY = ("version_id", "record_id", "revision", "split", "row", "digest", "begins")


def run(claim: Claim[Version]) -> None:
    """Freeze. A repeated attempt begins anew: until the last write nothing of a version counts."""
    version = claim.job
    chosen = selection.select(version.dataset, version.filters)
    leaks.refuse(claim, chosen)
    pks = selection.numbers(chosen)
    if not pks:
        raise JobFailed(
            f"No record of {version.dataset.name} is {selection.words(version.filters)}: there is nothing to freeze."
        )
    _forget(claim)
    claim.progress(done=0, total=len(pks), line="Writing the splits")
    folder = Path(settings.DATA_DIR) / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="freeze-") as scratch:
        files = {split: SplitFile(Path(scratch) / f"{split}.jsonl") for split in SPLITS}
        try:
            figures = _write(claim, pks, files)
            kept = {split: file.keep() for split, file in files.items()}
        finally:
            for file in files.values():
                file.close()
    _finish(claim, kept, figures)


def _forget(claim: Claim[Version]) -> None:
    """Clear away the entries of an earlier attempt, in parts, so that nobody waits long for the database."""
    entries = VersionEntry.objects.filter(version=claim.job)
    while old := list(entries.values_list("pk", flat=True)[: 5 * frozen_rows.BATCH]):
        with claim.writing():
            VersionEntry.objects.filter(pk__in=old).delete()


def _write(claim: Claim[Version], pks: Any, files: dict[str, SplitFile]) -> Figures:
    """Write all rows, batch by batch; returns what was counted on the way."""
    version, done = claim.job, 0
    kind, figures = version.dataset.kind, Figures(Counter.of_student())
    for batch in frozen_rows.batches(pks, kind):
        sides = [splits.assign(version.seed, row.source_group, version.shares) for row in batch]
        entries = []
        for row, split in zip(batch, sides, strict=True):
            line = row.line(kind)
            number, begins = files[split].write(line)
            entries.append(
                (version.pk, row.pk, row.revision, split, number, frozen_rows.digest(line), begins)
            )  # fmt: skip
        figures.add(batch, sides)
        done += len(batch)
        with claim.writing(done=done):
            _insert(entries)
        claim.obey()
    return figures


def _insert(entries: list[tuple[Any, ...]]) -> None:
    """By `executemany`: model instances of a million entries would take longer than writing the files."""
    if not entries:
        return
    names = ", ".join(connection.ops.quote_name(name) for name in ENTRY)
    table = connection.ops.quote_name(VersionEntry._meta.db_table)
    marks = ", ".join(["%s"] * len(ENTRY))
    with connection.cursor() as cursor:
        # The names come from the model and the constant above, never from outside.
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", entries)  # noqa: S608


def _finish(claim: Claim[Version], kept: dict[str, dict[str, Any]], figures: Figures) -> None:
    """Everything is written: refuse what may not be frozen, else the last write, after which it never changes."""
    version = claim.job
    rows = sum(file["rows"] for file in kept.values())
    if not rows:
        raise JobFailed("Every record was deleted while this ran: there is nothing to freeze.")
    if not kept["train"]["rows"]:
        raise JobFailed("No record fell into the train split: give it a larger share, or freeze more records.")
    problems = figures.problems()
    leaks.refuse_copies(claim, problems)
    version.files, version.rows, version.content_hash = kept, rows, content_hash(version, kept)
    version.words, version.tokens, version.problems = figures.words, figures.tokens.table(), problems
    version.figures = figures.as_json() | leaks.found(version) | versions.origins(version)
    version.figures["agreement"] = agreeing.of_version(version)
    version.card = data_card.write(version)
    names = ("files", "rows", "content_hash", "words", "tokens", "problems", "figures", "card")
    line = f"{rows} rows: " + ", ".join(f"{file['rows']} {split}" for split, file in kept.items())
    claim.update(done=rows, total=rows, line=line, **{name: getattr(version, name) for name in names})
    claim.when_done(lambda: events.emit(version.project, Webhook.Event.FROZEN, told(version)))


def told(version: Version) -> dict[str, Any]:
    """What a webhook says of a frozen version."""
    return {
        "version": version.pk,
        "number": version.number,
        "dataset": version.dataset_id,
        "name": str(version),
        "rows": version.rows,
        "counts": version.counts(),
        "content_hash": version.content_hash,
    }


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
