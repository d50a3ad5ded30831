"""Bulk actions that plan their own batches: copying records to another dataset of the project, and reassigning splits."""

from atelier.jobs.claims import JobFailed
from curation.bulk.batches import EditBatch, PendingRecords, PlannedEdit
from curation.bulk.options import KEEP
from curation.models import BulkAction, Dataset, Record
from curation.records import derived, splits
from curation.records.batches import heavy


def copies(coming: PendingRecords, job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of copies. A record whose earlier copy still has the same content is not copied again."""
    target = Dataset.objects.filter(pk=job.options["dataset"], project=job.project_id).first()
    if target is None:
        raise JobFailed("The target dataset was deleted, and the copies with it.")
    rows = coming.rows(job.cursor, size, heavy)
    if not rows:
        return None
    there = set(
        target.records.present().filter(source__in=[row.pk for row in rows]).values_list("source_id", "content_hash")
    )
    batch = EditBatch(len(rows), rows[-1].pk)
    for row in rows:
        if (row.pk, row.content_hash) not in there:
            batch.copies.append(_copied(row, target, job))
    return batch


def _copied(row: Record, target: Dataset, job: BulkAction) -> PlannedEdit:
    status = row.status if job.options["status"] == KEEP else job.options["status"]
    reviewed = status == row.status
    same = {
        name: getattr(row, name)
        for name in (*derived.COLUMNS, "metadata", "labels", "key", "source_group", *derived.DERIVED)
    }
    copy = Record(
        dataset=target,
        source_id=row.pk,
        status=status,
        reviewed_by_id=row.reviewed_by_id if reviewed else None,
        reviewed_note=row.reviewed_note if reviewed else "",
        split=splits.assign(target.seed, row.source_group, target.shares),
        origin=f"copied from {job.dataset.name}"[:200],
        **same,
    )
    return PlannedEdit(copy, {"deleted": True}, {"deleted": False, "copied_from": row.pk})


def sides(job: BulkAction, size: int) -> EditBatch | None:
    """Plan the next batch of splits after the shares or the seed changed.

    They have no history: they follow from the dataset's settings.
    """
    dataset = job.dataset
    found = dataset.records.filter(pk__gt=job.cursor, pk__lte=job.up_to).order_by("pk")
    rows = list(found.values_list("pk", "source_group", "split")[:size])
    if not rows:
        return None
    batch = EditBatch(len(rows), rows[-1][0])
    for pk, group, split in rows:
        wanted = splits.assign(dataset.seed, group, dataset.shares)
        if wanted != split:
            batch.moves.setdefault(wanted, []).append(pk)
    return batch
