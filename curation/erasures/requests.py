"""Requests to erase records: who asks, why, and what has to wait; and all records that were made from them."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.jobs.models import Status
from atelier.jobs.once import once
from curation.models import BulkAction, Dataset, Distillation, ErasedRecord, Erasure, Import, Record

MOST = 1000  # records in one request
REASON = 500
PAGE = 500
BUSY = (Status.QUEUED, Status.RUNNING)


def begin(
    dataset: Dataset,
    user: User | None,
    records: list[int],
    reason: str,
    *,
    key: str | None = None,
    asker: trail.Asker | None = None,
) -> Erasure:
    """Queue the erasure of records, deleted ones too, and of all that was made from them; the caller wakes a worker.

    Those that are already erased are left out. The audit trail notes it without any text of theirs. Raises
    ValidationError; the same idempotency key gives the same erasure.
    """

    def make() -> Erasure:
        return Erasure(
            project=dataset.project, dataset=dataset, created_by=user, queued_at=timezone.now(),
            roots=_chosen(dataset, records), reason=_reason(reason), actor=user.username if user else "command line",
        )  # fmt: skip

    def write(job: Erasure) -> None:
        if at_work := busy(dataset, job.roots):
            raise ValidationError(at_work)
        job.save()
        about = {"kind": "records", "pk": job.pk, "name": dataset.name, "records": len(job.roots)}
        trail.note(asker, AuditAction.ERASED, actor=user, project=dataset.project, **about)

    return once(dataset.project.erasures, key, make, write)


def _reason(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise ValidationError(
            {
                "reason": "State why these records are erased, such as “request of 3 May”. The reason stays, so name nobody in it."
            }
        )
    if len(reason) > REASON:
        raise ValidationError({"reason": f"A reason can have at most {REASON} characters; this has {len(reason)}."})
    return reason


def _chosen(dataset: Dataset, records: list[int]) -> list[int]:
    """Return the ids without repetitions and without what is already erased. Raises ValidationError."""
    wanted = sorted(set(records))
    if not wanted:
        raise ValidationError({"records": "Name at least one record to erase."})
    if len(wanted) > MOST:
        raise ValidationError(
            {"records": f"At most {MOST:,} records can be erased at once; these are {len(wanted):,}."}
        )
    there = set(dataset.records.filter(pk__in=wanted).values_list("pk", flat=True))
    if unknown := [pk for pk in wanted if pk not in there]:
        raise ValidationError({"records": f"{dataset.name} has no record {unknown[0]}."})
    erased = ErasedRecord.objects.filter(record__in=wanted).select_related("erasure").order_by("pk")
    known = {row.record_id: row for row in erased}
    if len(known) == len(wanted):
        first = known[wanted[0]]
        raise ValidationError(
            f"Record {wanted[0]} was already erased on {first.at:%-d %B %Y} by {first.erasure.actor}"
            + (f", like the other {len(wanted) - 1:,}." if len(wanted) > 1 else ".")
        )
    return [pk for pk in wanted if pk not in known]


def busy(dataset: Dataset, records: list[int]) -> str:
    """Return, as a sentence, which job may be making new copies of these records' texts; empty when none is.

    Freezes, exports and runs need not be waited for: they begin again without the records.
    """
    datasets = {dataset.pk, *Record.objects.filter(pk__in=made_from(records)).values_list("dataset", flat=True)}
    jobs = [
        *Import.objects.filter(dataset__in=datasets, status__in=BUSY),
        *BulkAction.objects.filter(dataset__in=datasets, status__in=BUSY).select_related("dataset"),
        *Distillation.objects.filter(Q(dataset__in=datasets) | Q(target__in=datasets), status__in=BUSY),
    ]
    if not jobs:
        return ""
    return f"“{jobs[0].title}” is at work and may copy these records. Wait until it ends or cancel it, then erase them."


def made_from(records: list[int]) -> list[int]:
    """Return the ids of all records that were made from these: copies, distilled answers, and what was made from those."""
    known, layer = set(records), list(records)
    while layer:
        layer = [pk for pk in _made_once(layer) if pk not in known]
        known.update(layer)
    return sorted(known - set(records))


def _made_once(records: list[int]) -> Iterator[int]:
    for at in range(0, len(records), PAGE):
        part = records[at : at + PAGE]
        yield from Record.objects.filter(source__in=part).values_list("pk", flat=True)
        yield from Record.objects.filter(generation__record__in=part).values_list("pk", flat=True)


def details(job: Erasure) -> dict[str, Any]:
    """Return the ledger of an erasure: its records, the files it changed with their hashes, and what stays."""
    records = job.records.select_related("record").order_by("pk")
    files = job.files.select_related("version__dataset").order_by("pk")
    return {
        "reason": job.reason,
        "by": job.actor,
        "records": [
            {
                "record": row.record_id,
                "dataset": row.record.dataset_id,
                "content_hash": row.content_hash,
                "derived": row.is_derived,
                "erased_at": row.wiped_at,
            }
            for row in records
        ],
        "files": [
            {
                "version": row.version_id,
                "version_name": str(row.version),
                "split": row.split,
                "rows": row.rows,
                "sha256_before": row.sha256_before,
                "sha256_after": row.sha256_after,
                "content_hash_before": row.content_hash_before,
                "content_hash_after": row.content_hash_after,
                "at": row.at,
            }
            for row in files
        ],
        "erased": job.erased,
        "stays": job.stays,
    }
