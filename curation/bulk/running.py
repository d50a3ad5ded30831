"""Doing a bulk action from where it stands. Every batch is one transaction with the cursor, so nothing is done twice."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from atelier.jobs.claims import Claim, JobFailed
from curation.bulk import assigning, copies, plans
from curation.bulk.edits import editing
from curation.bulk.outcomes import outcome
from curation.bulk.plans import Batch, Coming, Moved, Plan
from curation.models import BulkAction, BulkFailure

Action = BulkAction.Action
BATCH = 500
LONGEST = 0.1  # seconds that a transaction should take at most: others want to write too
TRIES = 50
MOST_FAILURES = 1000  # with so many, the wish itself is wrong


def run(claim: Claim[BulkAction]) -> None:
    job = claim.job
    size = min(BATCH, 100)
    with _planning(job) as plan:
        while True:
            claim.obey()
            batch, seconds = _step(claim, plan, size)
            if batch is None:
                break
            size = paced(size, seconds)
            if BulkFailure.objects.filter(bulk=job).count() >= MOST_FAILURES:
                raise JobFailed(f"It could not be done on {MOST_FAILURES:,} records, so it was stopped: see why below.")
    claim.progress(total=job.done, line=outcome(job))


def paced(size: int, seconds: float) -> int:
    """How many records the next batch takes, by how long the last one held the database."""
    if seconds > LONGEST:
        return max(10, size // 2)
    return min(BATCH, size * 2) if seconds < LONGEST / 3 else size


def _step(claim: Claim[BulkAction], plan: Plan, size: int) -> tuple[Batch | None, float]:
    """Plan one batch and write it; again when somebody wrote in between."""
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
                )
        except Moved:
            size = max(1, size // 2)
            continue
        return batch, time.monotonic() - started
    raise JobFailed("These records were being changed by others all the time: resume it when they are done.")


@contextmanager
def _planning(job: BulkAction) -> Iterator[Plan]:
    if job.action == Action.UNDO:
        was_assigned = job.undoes is not None and job.undoes.action == Action.ASSIGN
        yield partial(assigning.unassign if was_assigned else plans.undo, plans.changes_of(job))
    elif job.action == Action.ASSIGN:
        yield partial(assigning.assign, Coming(job))
    elif job.action == Action.SPLIT:
        yield copies.sides
    elif job.action == Action.COPY:
        yield partial(copies.copies, Coming(job))
    else:
        with editing(job.action, job.options, job.created_by_id) as edit:
            yield partial(plans.edits, edit, Coming(job))
