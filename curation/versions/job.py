"""The job that freezes a version: a dataset's records as content-hashed JSONL files, one a split, with lineage and figures.

Nothing that belongs to one database is hashed: no ids, dates or names. So the same conversations with the same seed and
shares give the same hash on any installation.
"""

import hashlib
from array import array
from typing import Any

import orjson
from django.core.files.storage import default_storage
from django.db import connection

from atelier.jobs.claims import Claim, JobFailed
from atelier.webhooks import events
from atelier.webhooks.models import Webhook
from curation.annotation import agreement
from curation.models import Version, VersionEntry
from curation.records.splits import SPLITS
from curation.search import selection
from curation.tokens.counting import TokenCounter
from curation.versions import card, leaks, lineage, preview, scratch
from curation.versions import plan as plans
from curation.versions import rows as version_rows
from curation.versions.figures import Figures
from curation.versions.files import SplitFile
from curation.versions.grouping import Grouping
from curation.versions.plan import SplitPlan

ENTRY = ("version_id", "record_id", "revision", "split", "row", "digest", "begins")


def run(claim: Claim[Version]) -> None:
    """Freeze a version. A repeated attempt starts over: until the last write nothing of a version counts."""
    version = claim.job
    claim.progress(line="Selecting records")
    pks = selection.numbers(selection.select(version.dataset, version.filters))
    if not pks:
        raise JobFailed(f"{selection.none_of(version.dataset, version.filters)}, so there is nothing to freeze.")
    grouping = Grouping.of(version.grouping)
    plan = plans.make(version.dataset, pks, version.shares, version.seed, grouping, between=claim.obey)
    leaks.refuse(claim, plan)
    _forget(claim)
    claim.progress(done=0, total=len(pks), line="Writing splits")
    with scratch.held(scratch.FREEZE, version.pk, claim.fence) as folder:
        files = {split: SplitFile(folder / f"{split}.jsonl") for split in SPLITS}
        try:
            figures = _write(claim, plan, files)
            said = preview.warnings(version.dataset, plan, figures.labels(), version.shares, grouping)
            problems = _refuse(claim, {split: file.rows for split, file in files.items()}, figures, said)
            claim.progress(line="Storing files")
            for file in files.values():
                scratch.note(folder, file.name)
            names = {split: file.keep() for split, file in files.items()}
        finally:
            for file in files.values():
                file.close()
        _finish(claim, names, figures, problems, said)


def _forget(claim: Claim[Version]) -> None:
    """Delete the entries of an earlier attempt, in parts, so that nobody waits long for the database."""
    entries = VersionEntry.objects.filter(version=claim.job)
    while old := list(entries.values_list("pk", flat=True)[: 5 * version_rows.BATCH]):
        claim.obey()
        with claim.writing():
            VersionEntry.objects.filter(pk__in=old).delete()


def _write(claim: Claim[Version], plan: SplitPlan, files: dict[str, SplitFile]) -> Figures:
    """Write all rows, batch by batch; return what was counted on the way."""
    version, done = claim.job, 0
    kind, figures = version.dataset.kind, Figures(TokenCounter.of_base(version.project.base))
    for batch in version_rows.batches(array("q", plan.pks), kind):
        sides = plan.of([row.pk for row in batch])
        entries = []
        for row, split in zip(batch, sides, strict=True):
            line = row.line(kind)
            number, begins = files[split].write(line)
            entries.append(
                (version.pk, row.pk, row.revision, split, number, version_rows.digest(line), begins)
            )  # fmt: skip
        figures.add(batch, sides)
        done += len(batch)
        with claim.writing(done=done):
            _insert(entries)
        claim.obey()
    return figures


def _insert(entries: list[tuple[Any, ...]]) -> None:
    """Insert entries by `executemany`: model instances of a million entries would take longer than writing the files."""
    if not entries:
        return
    names = ", ".join(connection.ops.quote_name(name) for name in ENTRY)
    table = connection.ops.quote_name(VersionEntry._meta.db_table)
    marks = ", ".join(["%s"] * len(ENTRY))
    with connection.cursor() as cursor:
        # The names come from the model and the constant above, never from outside.
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", entries)  # noqa: S608


def _refuse(claim: Claim[Version], rows: dict[str, int], figures: Figures, said: list[str]) -> list[dict[str, Any]]:
    """Return the problems of what was written, before it is stored. Raises JobFailed for what may not be frozen."""
    if not any(rows.values()):
        raise JobFailed("Every record was deleted while this ran, so there is nothing to freeze.")
    if not rows["train"]:
        raise JobFailed(" ".join(["The train split is empty. Give it a larger share, or freeze more records.", *said]))
    problems = figures.problems()
    leaks.refuse_copies(claim, problems)
    return problems


def _finish(
    claim: Claim[Version],
    files: dict[str, dict[str, Any]],
    figures: Figures,
    problems: list[dict[str, Any]],
    said: list[str],
) -> None:
    """Write the row of a version whose files are stored. The version never changes afterwards."""
    version = claim.job
    rows = sum(file["rows"] for file in files.values())
    claim.progress(line="Writing the data card")
    version.files, version.rows, version.content_hash = files, rows, content_hash(version, files)
    version.words, version.tokens, version.problems = figures.words, figures.tokens.table(), problems
    version.figures = figures.as_json() | leaks.found(version) | lineage.origins(version)
    version.figures |= {"warnings": said, "label_splits": figures.labels()}
    claim.obey()
    version.figures["agreement"] = agreement.of_version(version)
    version.card = card.write(version)
    names = ("files", "rows", "content_hash", "words", "tokens", "problems", "figures", "card")
    line = f"{rows} rows: " + ", ".join(f"{file['rows']} {split}" for split, file in files.items())
    claim.update(done=rows, total=rows, line=line, **{name: getattr(version, name) for name in names})
    _check_stored(files)
    claim.when_done(lambda: events.emit(version.project, Webhook.Event.FROZEN, webhook_body(version)))


def _check_stored(files: dict[str, dict[str, Any]]) -> None:
    """Raise JobFailed if a file is missing: a project that had the same content may have been deleted just now.

    From the write before this on, nobody deletes a file that this version's row names.
    """
    if not all(default_storage.exists(file["name"]) for file in files.values()):
        raise JobFailed("A file of this version was deleted together with another project. Retry.")


def webhook_body(version: Version) -> dict[str, Any]:
    """Return the body of the webhook for a frozen version."""
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
    """Return the hash over the splits' hashes and what decided them."""
    described = {
        "format": 1,
        "kind": version.dataset.kind,
        "seed": version.seed,
        "shares": version.shares,
        "splits": {split: file["sha256"] for split, file in files.items()},
    }
    return hashlib.sha256(orjson.dumps(described, option=orjson.OPT_SORT_KEYS)).hexdigest()
