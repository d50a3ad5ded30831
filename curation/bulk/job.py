"""The job of a bulk action, which resumes at its cursor.

Every batch is one transaction with the cursor, so nothing is done twice.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from atelier.jobs.claims import Claim, JobFailed
from atelier.jobs.pace import MOST, paced
from curation.bulk import assignments, batches, copies
from curation.bulk.batches import EditBatch, PendingRecords, Plan, RecordChanged
from curation.bulk.edits import editing
from curation.bulk.outcomes import outcome
from curation.models import BulkAction, BulkFailure

Action = BulkAction.Action
BATCH = MOST
TRIES = 50
MOST_FAILURES = 1000  # with so many, the wish itself is wrong


def run(claim: Claim[BulkAction]) -> None:
    job = claim.job
    size = min(BATCH, 100)
    with _planning(claim) as plan:
        while True:
            claim.obey()
            batch, seconds = _step(claim, plan, size)
            if batch is None:
                break
            size = paced(size, seconds, BATCH)
            if BulkFailure.objects.filter(bulk=job).count() >= MOST_FAILURES:
                raise JobFailed(
                    f"The action failed on {MOST_FAILURES:,} records, so it was stopped. See the reasons below."
                )
    claim.progress(total=job.done, line=outcome(job))


def _step(claim: Claim[BulkAction], plan: Plan, size: int) -> tuple[EditBatch | None, float]:
    """Plan one batch and write it; retry when somebody wrote in between."""
    job = claim.job
    for _ in range(TRIES):
        batch = plan(job, size)
        if batch is None:
            return None, 0.0
        started = time.monotonic()
        try:
            with claim.writing():
                batch.write(job)
                claim.update(
                    cursor=batch.cursor,
                    done=job.done + batch.seen,
                    changed=job.changed + batch.changed,
                    left=job.left + batch.left,
                    spans_moved=job.spans_moved + batch.spans.moved,
                    spans_aside=job.spans_aside + batch.spans.aside,
                )
        except RecordChanged:
            size = max(1, size // 2)
            continue
        return batch, time.monotonic() - started
    raise JobFailed("Others kept changing these records. Resume the action when they are done.")


@contextmanager
def _planning(claim: Claim[BulkAction]) -> Iterator[Plan]:
    job = claim.job
    if job.action == Action.UNDO:
        was_assigned = job.undoes is not None and job.undoes.action == Action.ASSIGN
        yield partial(assignments.unassign if was_assigned else batches.undo, batches.changes_of(job))
    elif job.action == Action.ASSIGN:
        yield partial(assignments.assign, PendingRecords(job))
    elif job.action == Action.SPLIT:
        yield copies.sides
    elif job.action == Action.COPY:
        yield partial(copies.copies, PendingRecords(job))
    else:
        with editing(job.action, job.options, job.created_by_id, claim.obey) as edit:
            yield partial(batches.edits, edit, PendingRecords(job))
