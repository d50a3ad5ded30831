"""The work of a distillation: the ledger planned, then a teacher asked about every row of it, so that it can be resumed.

One Generation row stands for each record before the first call is made; `curation.distillation.attempt` settles them.
"""

from decimal import Decimal

from django.db.models import Count, Max
from django.utils import timezone

from atelier.jobs.claims import Claim, JobFailed
from curation.calls import Calls
from curation.chat import ChatClient, Sampling
from curation.distillation import templates
from curation.distillation.attempt import Attempt
from curation.distillation.ledger import Totals
from curation.models import Distillation, Generation
from curation.search import selection

PLAN_BATCH = 1000


def plan(claim: Claim[Distillation]) -> None:
    """Give every chosen record its row in the ledger. Resumes where an interrupted attempt ended."""
    job = claim.job
    if job.planned:
        return
    chosen = selection.select(job.dataset, job.filters)
    ledger = job.generations.aggregate(rows=Count("pk"), last=Max("record"))
    rows, last = ledger["rows"], ledger["last"] or 0
    while job.limit is None or rows < job.limit:
        room = PLAN_BATCH if job.limit is None else min(PLAN_BATCH, job.limit - rows)
        record_ids = list(chosen.filter(pk__gt=last).values_list("pk", flat=True)[:room])
        if not record_ids:
            break
        rows, last = rows + len(record_ids), record_ids[-1]
        with claim.writing(total=rows, line="Creating the ledger"):
            units = [Generation(distillation=job, record_id=pk) for pk in record_ids]
            Generation.objects.bulk_create(units, ignore_conflicts=True)
        claim.obey()
    if not rows:
        raise JobFailed(f"{selection.none_of(job.dataset, job.filters)}. Choose others.")
    claim.update(planned=True, total=rows)


def run(claim: Claim[Distillation], client: ChatClient, price_in: Decimal, price_out: Decimal) -> None:
    """Send every pending row to the teacher. Prices are for a million tokens.

    Raises JobPaused when the budget is spent, JobFailed when the teacher answers nothing at all.
    """
    plan(claim)
    job = claim.job
    totals = Totals.of(job)
    claim.update(resumed_at=timezone.now(), resumed_done=totals.done, **totals.as_fields())
    try:
        with Calls({job.teacher_id: client}, Sampling.from_json(job.sampling)) as calls:
            Attempt(claim, calls, totals, (price_in, price_out)).run()
    except templates.PromptError as error:
        raise JobFailed(str(error)) from error
    if totals.failed and not totals.ok:
        last = (
            job.generations.filter(outcome=Generation.Outcome.FAILED)
            .order_by("-at")
            .values_list("reason", flat=True)
            .first()
        )
        raise JobFailed(f"None of the {totals.failed} calls gave an answer. The last error: {last}")
    claim.update(line=f"{totals.line}. The answers are in {job.target.name}.")
