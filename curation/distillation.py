"""Distillation: a teacher's answer for each chosen record, and the ledger that makes it resumable.

One Generation row stands for each record before the first call is made; `curation.teaching` settles them.
"""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.utils import timezone

from atelier.accounts.models import Project, User
from atelier.jobs.claims import Claim, JobFailed
from curation import authors, prompts, selection
from curation.calls import Calls
from curation.chat import Client, Sampling
from curation.models import Dataset, Distillation, Generation
from curation.teaching import Totals, Work

PLAN_BATCH = 1000
MOST_AT_ONCE = 64


def draft(project: Project, teacher: Any, **fields: Any) -> Distillation:
    """A distillation that is checked but not saved: for previews, and to be started. Raises ValidationError.

    Fields are the model's: dataset, target (an unsaved one is saved by `start`), system_prompt, template,
    student_prompt, sampling, concurrency, limit, budget, name, mark_accepted_by, and filters, in which `unanswered`
    leaves out what has an answer in the target.
    """
    job = Distillation(project=project, teacher=teacher, teacher_name=str(teacher)[:200], **fields)
    job.name = job.name.strip() or f"{job.dataset.name} by {teacher.name}"[:120]
    wanted = dict(job.filters)
    if wanted.pop("unanswered", False) and job.target.pk is not None:
        wanted["unanswered_in"] = job.target.pk
    job.filters = selection.check(wanted)
    try:
        prompts.Template(job.template)
    except prompts.PromptError as error:
        raise ValidationError({"template": str(error)}) from error
    try:
        job.sampling = Sampling.from_json(job.sampling).as_json()
    except (ValueError, TypeError) as error:  # PromptError is one
        raise ValidationError(str(error)) from error
    if not 1 <= job.concurrency <= MOST_AT_ONCE:
        raise ValidationError(f"Calls at once must be between 1 and {MOST_AT_ONCE}.")
    _check_target(job)
    _check_budget(job)
    return job


def _check_target(job: Distillation) -> None:
    if job.target.pk is not None and job.target.pk == job.dataset.pk:
        raise ValidationError(
            "The answers cannot go into the dataset they are made from: choose another, or a new one."
        )
    if job.target.kind != Dataset.Kind.CONVERSATIONS:
        raise ValidationError(f"{job.target.name} holds {job.target.kind}: answers need a dataset of conversations.")
    if job.limit is not None and job.limit < 1:
        raise ValidationError("The limit must be at least 1 record; leave it empty for all.")


def _check_budget(job: Distillation) -> None:
    if job.budget is None:
        return
    if job.budget <= 0:
        raise ValidationError("The budget must be above 0; leave it empty for none.")
    if not (job.teacher.price_in or job.teacher.price_out):
        raise ValidationError(
            f"{job.teacher.name} has no prices, so a budget cannot be kept: "
            "enter them at the endpoint, or leave the budget empty."
        )


def start(job: Distillation, user: User | None, key: str | None = None) -> Distillation:
    """Save a draft as a queued job; the caller wakes a worker. The same idempotency key gives the same job."""
    if key and (found := Distillation.objects.filter(project=job.project, idempotency_key=key).first()):
        return found
    first = list(selection.select(job.dataset, job.filters)[: authors.LOOKED_AT])
    if not first:
        raise ValidationError(
            f"No record of {job.dataset.name} is {selection.words(job.filters)}: there is nothing to distil."
        )
    authors.refuse_unfit(job.template, first)
    job.created_by, job.idempotency_key, job.queued_at = user, key or None, timezone.now()
    try:
        with transaction.atomic():
            if job.target.pk is None:
                job.target.created_by = user
                job.target.save()
            job.target_id = job.target.pk
            job.save()
    except IntegrityError as error:
        if key and (found := Distillation.objects.filter(project=job.project, idempotency_key=key).first()):
            return found
        raise ValidationError(
            f"There is a dataset called {job.target.name} already: choose it, or another name."
        ) from error
    return job


def retry_failed(job: Distillation) -> int:
    """Put the failed rows back and queue the job; the caller wakes a worker. Returns how many; raises ValidationError."""
    with transaction.atomic():
        locked = Distillation.objects.select_for_update().get(pk=job.pk)
        if locked.status in (locked.Status.QUEUED, locked.Status.RUNNING):
            raise ValidationError("It still runs: pause it or let it end, then retry what failed.")
        count = locked.generations.filter(outcome=Generation.Outcome.FAILED).update(
            outcome=Generation.Outcome.PENDING, reason=""
        )
        if not count:
            raise ValidationError("Nothing failed: there is nothing to retry.")
        locked.enqueue()
        Distillation.objects.filter(pk=job.pk).update(**Totals.of(locked).as_fields())
    job.refresh_from_db()
    return count


def raise_budget(job: Distillation, budget: Decimal | None) -> None:
    """Set a new budget, or none. Raises ValidationError when it is spent already."""
    if budget is not None and budget <= job.cost:
        raise ValidationError(f"{job.cost:.4f} is spent already: the budget must be above that.")
    Distillation.objects.filter(pk=job.pk).update(budget=budget)
    job.refresh_from_db()


def plan(claim: Claim[Distillation]) -> None:
    """Give every chosen record its row in the ledger. Goes on where an interrupted attempt ended."""
    job = claim.job
    if job.planned:
        return
    chosen = selection.select(job.dataset, job.filters)
    ledger = job.generations.aggregate(rows=Count("pk"), last=Max("record"))
    rows, last = ledger["rows"], ledger["last"] or 0
    while job.limit is None or rows < job.limit:
        room = PLAN_BATCH if job.limit is None else min(PLAN_BATCH, job.limit - rows)
        found = list(chosen.filter(pk__gt=last).values_list("pk", flat=True)[:room])
        if not found:
            break
        rows, last = rows + len(found), found[-1]
        with claim.writing(total=rows, line="Making the ledger"):
            units = [Generation(distillation=job, record_id=pk) for pk in found]
            Generation.objects.bulk_create(units, ignore_conflicts=True)
        claim.obey()
    if not rows:
        raise JobFailed(f"No record of {job.dataset.name} is {selection.words(job.filters)}: choose others.")
    claim.update(planned=True, total=rows)


def run(claim: Claim[Distillation], client: Client, price_in: Decimal, price_out: Decimal) -> None:
    """Ask the teacher about every row that is still pending. Prices are for a million tokens.

    Raises Paused when the budget is spent, JobFailed when the teacher answers nothing at all.
    """
    plan(claim)
    job = claim.job
    totals = Totals.of(job)
    claim.update(resumed_at=timezone.now(), resumed_done=totals.done, **totals.as_fields())
    with Calls(client, Sampling.from_json(job.sampling)) as calls:
        Work(claim, calls, totals, (price_in, price_out)).run()
    if totals.failed and not totals.ok:
        last = (
            job.generations.filter(outcome=Generation.Outcome.FAILED)
            .order_by("-at")
            .values_list("reason", flat=True)
            .first()
        )
        raise JobFailed(f"None of the {totals.failed} calls gave an answer. The last one said: {last}")
    claim.update(line=f"{totals.line}. The answers are in {job.target.name}.")
