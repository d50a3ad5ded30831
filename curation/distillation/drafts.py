"""Distillations before they run: checked, started, and put back into the queue for what failed."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from atelier.accounts.models import Project, User
from atelier.jobs.once import once
from atelier.web import border
from curation.chat import Sampling
from curation.distillation import budget, prompts, templates
from curation.distillation.ledger import Totals
from curation.models import Dataset, Distillation, Generation
from curation.search import selection

MOST_AT_ONCE = 64


def draft(project: Project, teacher: Any, **fields: Any) -> Distillation:
    """Build a distillation that is checked but not saved: for previews, and to be started. Raises ValidationError.

    Fields are the model's: dataset, target (an unsaved one is saved by `start`), system_prompt, template,
    student_prompt, keep_thoughts, sampling, concurrency, limit, budget, name, mark_accepted_by, and filters, in which `unanswered`
    leaves out records with an answer in the target.
    """
    job = Distillation(project=project, teacher=teacher, teacher_name=str(teacher)[:200], **fields)
    job.name = job.name.strip() or f"{job.dataset.name} by {teacher.name}"[:120]
    filters = dict(job.filters)
    if filters.pop("unanswered", False) and job.target.pk is not None:
        filters["unanswered_in"] = job.target.pk
    job.filters = selection.check(filters)
    with prompts.trying(), templates.Template(job.template):
        pass  # it can be read
    try:
        job.sampling = Sampling.from_json(job.sampling).as_json()
    except (ValueError, TypeError) as error:  # PromptError is one
        raise ValidationError(str(error)) from error
    if not 1 <= job.concurrency <= MOST_AT_ONCE:
        raise ValidationError(f"Parallel requests must be between 1 and {MOST_AT_ONCE}.")
    _check_target(job)
    budget.check(job)
    return job


def _check_target(job: Distillation) -> None:
    if job.target.pk is not None and job.target.pk == job.dataset.pk:
        raise ValidationError(
            "The answers cannot go into the dataset that they are made from. Choose another, or a new one."
        )
    if job.target.kind != Dataset.Kind.CONVERSATIONS:
        raise ValidationError(
            f"{job.target.name} holds {job.target.kind}, and answers need a dataset of conversations."
        )
    if job.limit is not None and border.whole(job.limit, least=1, most=border.BIGGEST_INT) is None:
        raise ValidationError("The limit must be a whole number of at least 1; leave it empty for all records.")


def start(job: Distillation, user: User | None, key: str | None = None) -> Distillation:
    """Save a draft as a queued job; the caller wakes a worker. The same idempotency key returns the same job."""

    def make() -> Distillation:
        first = list(selection.select(job.dataset, job.filters)[: prompts.LOOKED_AT])
        if not first:
            raise ValidationError(f"{selection.none_of(job.dataset, job.filters)}, so there is nothing to distil.")
        prompts.refuse_unfit(job.template, first)
        job.created_by, job.queued_at = user, timezone.now()
        return job

    def write(job: Distillation) -> None:
        if job.target.pk is None:
            job.target.created_by = user
            job.target.save()
        job.target_id = job.target.pk
        job.save()

    try:
        return once(job.project.distillations, key, make, write)
    except IntegrityError as error:
        raise ValidationError(
            f"A dataset called {job.target.name} already exists. Choose it, or another name."
        ) from error


def retry_failed(job: Distillation) -> int:
    """Reset the failed rows and queue the job; the caller wakes a worker. Returns how many; raises ValidationError."""
    with transaction.atomic():
        locked = Distillation.objects.select_for_update().get(pk=job.pk)
        if locked.status in (locked.Status.QUEUED, locked.Status.RUNNING):
            raise ValidationError(
                "The distillation is still running. Pause it or wait until it ends, then retry what failed."
            )
        count = locked.generations.filter(outcome=Generation.Outcome.FAILED).update(
            outcome=Generation.Outcome.PENDING, reason=""
        )
        if not count:
            raise ValidationError("Nothing failed, so there is nothing to retry.")
        locked.enqueue()
        Distillation.objects.filter(pk=job.pk).update(**Totals.of(locked).as_fields())
    job.refresh_from_db()
    return count
