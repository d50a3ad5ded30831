"""Exports: filtered records or a version as one file in a chosen format, written in the background and kept for download."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from atelier.accounts.models import Project, User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.files import quotas
from atelier.jobs.claims import Claim, JobFailed, LostClaim
from atelier.jobs.once import once
from curation.formats import WRITERS, Draft, Writer, source_group
from curation.formats.writers.base import MARK
from curation.models import Annotation, Dataset, Export, Record, SpanTrail, Version
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import archive
from curation.versions import files as version_files
from curation.versions.files import TemporaryFile

BATCH = 1000
BUFFER = 1 << 20  # bytes; rows are small, and each write is a call of the system
EVERY = 2000  # records between two looks at the wishes of people
NAMED = 50  # records named for each reason for which they were left out
REASONS = 40
TRIES = 20  # looks at records that people change meanwhile
CONTENT = ("fields", "messages", "tools", "chosen", "rejected", "metadata", "labels")
PLAIN = ("key", "source_group", "status", "split")
MARKS = tuple(f"{MARK}{name}" for name in ("status", "split", "labels", "annotations"))


def begin(
    dataset: Dataset,
    user: User | None,
    form: str,
    *,
    filters: dict[str, Any] | None = None,
    version: Version | None = None,
    split: str = "",
    key: str | None = None,
    asker: trail.Asker | None = None,
) -> Export:
    """Queue an export of what the filters let through, or of a version; the caller wakes a worker. Raises ValidationError.

    The same idempotency key gives the same export. The audit trail notes a new one for whoever asks.
    """

    def make() -> Export:
        quotas.refuse_disk(dataset.project)
        writer_for(form, dataset)
        if version is not None and version.status != Version.Status.DONE:
            raise ValidationError(f"{version} is not frozen yet. Wait until it is.")
        if version is not None:
            archive.refuse_archived(version)
        if split and (version is None or split not in SPLITS):
            raise ValidationError(f"A split must be one of {', '.join(SPLITS)}, and needs a version.")
        chosen = {} if version else selection.check(filters or {})
        return Export(
            project=dataset.project, dataset=dataset, created_by=user, version=version, split=split,
            filters=chosen, format=form, queued_at=timezone.now(),
        )  # fmt: skip

    def write(job: Export) -> None:
        job.save()
        if asker is not None:
            about = {"kind": "export", "pk": job.pk, "name": what(job), "format": form}
            trail.note(asker, AuditAction.EXPORT_STARTED, project=dataset.project, **about)

    return once(dataset.project.exports, key, make, write)


def writer_for(form: str, dataset: Dataset) -> Writer:
    """Return the format of this name. Raises ValidationError if there is none, or if it cannot hold such records."""
    fitting = formats(dataset)
    for writer in fitting:
        if writer.name == form:
            return writer
    names = ", ".join(writer.name for writer in fitting)
    raise ValidationError(f"{dataset.kind.capitalize()} cannot be exported as {form[:40]!r}. Use one of {names}.")


def formats(dataset: Dataset) -> list[Writer]:
    """Return the formats that can hold the dataset's kind of records."""
    return [writer for writer in WRITERS.values() if dataset.kind in writer.kinds]


def what(job: Export) -> str:
    """Describe what is exported, in words."""
    if job.version is not None:
        return f"{job.version}, {job.split or 'all splits'}"
    narrowed = {name: value for name, value in job.filters.items() if name != "sort"}
    return f"{job.dataset.name}: {selection.words(narrowed) if narrowed else 'all records'}"


def delete(job: Export) -> None:
    """Delete an export and its file. Raises ValidationError while it runs."""
    if job.is_live:
        raise ValidationError("The export is still running. Cancel it first.")
    name = job.file
    job.delete()
    if name:
        default_storage.delete(name)


def pieces(job: Export) -> Iterator[bytes]:
    """Yield the finished file. Raises ValidationError with a sentence if there is none."""
    if job.status != Export.Status.DONE or not job.file:
        raise ValidationError("The file isn't ready yet. Wait until the export is done.")
    try:
        stream = default_storage.open(job.file, "rb")
    except OSError as error:
        raise ValidationError("The file of this export is missing from the storage. Export again.") from error
    return _chunks(stream)


def _chunks(stream: Any) -> Iterator[bytes]:
    with stream:
        yield from stream.chunks(64 * 1024)


# --- the work ------------------------------------------------------------------------------------


class RefusedRecords:
    """Records that the format could not hold, by reason, with the first of each."""

    def __init__(self) -> None:
        self.count = 0
        self.groups: dict[str, dict[str, Any]] = {}

    def __call__(self, draft: Draft, why: str) -> None:
        self.count += 1
        reason = why if why in self.groups or len(self.groups) < REASONS else "Other reasons."
        group = self.groups.setdefault(reason, {"reason": reason, "count": 0, "records": []})
        group["count"] += 1
        if len(group["records"]) < NAMED:
            group["records"].append(draft.number)


def run(claim: Claim[Export]) -> None:
    """Write the export's file. A repeated attempt starts over: until the last write nothing of an export counts."""
    job, refused = claim.job, RefusedRecords()
    writer = WRITERS[job.format]
    clear(job)
    folder = _scratch(job)
    folder.mkdir(parents=True)
    try:
        drafts = _of_version(claim) if job.version else _of_dataset(claim)
        path = folder / "rows"
        with path.open("wb", buffering=BUFFER) as out:
            for piece in writer.write(drafts, refused):
                out.write(piece)
            size = out.tell()
        claim.progress(line="Storing the file")
        with TemporaryFile(path) as file:
            name = default_storage.save(_stored(job, job.fence), file)
        _finish(claim, name, size, refused)
    except ValidationError as error:  # of the version's files
        raise JobFailed(" ".join(error.messages)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear(job: Export) -> None:
    """Delete what attempts left that were killed: rows half written, and files that were stored before the row said so."""
    shutil.rmtree(_scratch(job), ignore_errors=True)
    for fence in range(1, job.fence + 1):
        if (name := _stored(job, fence)) != job.file:
            default_storage.delete(name)


def _scratch(job: Export) -> Path:
    return Path(settings.DATA_DIR) / "tmp" / f"export-{job.pk}"


def _stored(job: Export, fence: int) -> str:
    return f"exports/{job.pk}-{fence}{WRITERS[job.format].suffix}"


def _finish(claim: Claim[Export], name: str, size: int, refused: RefusedRecords) -> None:
    job = claim.job
    held = job.done - refused.count
    refusals = f", {refused.count:,} left out" if refused.count else ""
    if job.version is not None and (erased := _erased(job.version, job.split)):
        refusals += f"; {erased:,} row{'' if erased == 1 else 's'} of the version had been erased"
    try:
        claim.update(
            file=name, size=size, name=f"export-{job.pk}-{job.format}{WRITERS[job.format].suffix}", total=job.done,
            skipped=refused.count, skipped_why=sorted(refused.groups.values(), key=lambda group: -group["count"]),
            line=f"{held:,} of {job.done:,} records exported{refusals}.",
        )  # fmt: skip
    except LostClaim:
        default_storage.delete(name)
        raise


def _erased(version: Version, split: str) -> int:
    """Return how many rows of a split, or of all, were erased since the version was frozen."""
    files = [version.files.get(split, {})] if split else version.files.values()
    return sum(file.get("erased", 0) for file in files)


def _of_version(claim: Claim[Export]) -> Iterator[Draft]:
    version, done = claim.job.version, 0
    if version is None:
        return
    archive.refuse_archived(version)  # it may have been archived as this was asked for
    splits = [claim.job.split] if claim.job.split else [name for name in SPLITS if name in version.files]
    claim.progress(done=0, total=sum(version.counts()[split] for split in splits), line=f"Writing {version}")
    for split in splits:
        for row in version_files.rows(version, split):
            done += 1
            if done % EVERY == 0:
                claim.progress(done=done)
            draft = Draft(
                version.dataset.kind, messages=row.get("messages", row.get("prompt", [])), chosen=row.get("chosen", []),
                rejected=row.get("rejected", []), tools=row.get("tools", []), metadata=row.get("metadata", {}),
                key=row.get("id", ""), marks={f"{MARK}split": split, f"{MARK}labels": row.get("labels", [])}, number=done,
            )  # fmt: skip
            yield draft
    claim.progress(done=done)


def _of_dataset(claim: Claim[Export]) -> Iterator[Draft]:
    """Yield a dataset's drafts by ids, not by a cursor: the snapshot of a long read would delay every other writer's vacuum.

    The ids are found once, because a search of texts costs as much for a batch as for all.
    """
    dataset, done = claim.job.dataset, 0
    pks = selection.numbers(selection.select(dataset, claim.job.filters))
    claim.progress(done=0, total=len(pks), line=f"Writing {dataset.name}")
    # As text, and read by a quicker hand than the database adapter's.
    texts = {f"text_{name}": Cast(name, TextField()) for name in CONTENT}
    columns = Record.objects.present().annotate(**texts).order_by("pk").values_list("pk", "revision", *PLAIN, *texts)
    submitted = Annotation.objects.filter(record__dataset=dataset, state=Annotation.State.SUBMITTED).exists()
    for at in range(0, len(pks), BATCH):
        rows, said = _answered(columns, pks[at : at + BATCH].tolist(), submitted)
        for pk, _, *row in rows:
            yield _draft(dataset.kind, (pk, *row), said.get(pk, []))
        done += len(rows)
        claim.progress(done=done)


def _answered(
    columns: QuerySet[Record, tuple[Any, ...]], pks: list[int], submitted: bool
) -> tuple[list[tuple[Any, ...]], dict[int, list[dict[str, Any]]]]:
    """Return rows of records with what people answered about them, each answer about the very text that is beside it.

    A record that is changed between both looks is looked at again, for its spans have moved with the text.
    """
    rows = list(columns.filter(pk__in=pks))
    if not submitted:
        return rows, {}
    for _ in range(TRIES):
        said = _annotations([row[0] for row in rows])
        revisions = dict(Record.objects.filter(pk__in=said).values_list("pk", "revision"))
        changed = {row[0] for row in rows if row[0] in said and revisions.get(row[0]) != row[1]}
        if not changed:
            return rows, said
        again = {row[0]: row for row in columns.filter(pk__in=changed)}
        rows = [again.get(row[0], row) for row in rows if row[0] not in changed or row[0] in again]
    raise JobFailed("Others kept changing these records. Export again when they are done.")


def _draft(kind: str, row: tuple[Any, ...], said: list[dict[str, Any]]) -> Draft:
    pk, key, group, status, split, *texts = row
    fields, messages, tools, chosen, rejected, metadata, labels = map(_loads, texts)
    # A group that follows from the content need not be said: an import finds the same.
    named = "" if group == source_group("", fields, messages) else group
    marks = dict(zip(MARKS, (status, split, labels, said), strict=True))
    return Draft(kind, fields, messages, chosen, rejected, tools, metadata, named, key, marks, number=pk)


def _loads(text: str) -> Any:
    return [] if text == "[]" else {} if text == "{}" else orjson.loads(text)


def _annotations(pks: list[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what people submitted about these records, with the spans that lost their words under `set_aside`."""
    rows = Annotation.objects.filter(record__in=pks, state=Annotation.State.SUBMITTED).order_by("pk")
    trails = SpanTrail.objects.filter(record__in=pks, holder=SpanTrail.Holder.ANNOTATION, aside_count__gt=0)
    aside: dict[int, dict[str, list[dict[str, str]]]] = {}
    for annotation, question, spans in trails.values_list("annotation_id", "question__name", "aside"):
        words = [{"label": span["label"], "words": span["words"]} for span in spans]
        aside.setdefault(annotation, {})[question] = words
    found: dict[int, list[dict[str, Any]]] = {}
    for pk, record, author, answers, review in rows.values_list("pk", "record_id", "author", "answers", "review"):
        entry = {"by": author, "answers": answers, "review": review}
        found.setdefault(record, []).append(entry | ({"set_aside": aside[pk]} if pk in aside else {}))
    return found


def of(project: Project) -> QuerySet[Export]:
    """Return the exports of a project, for a list: those of a deleted dataset are left out."""
    rows = project.exports.filter(dataset__deleted_at=None)
    return rows.select_related("dataset", "version__dataset", "created_by")
