"""REST: distillations."""

from decimal import Decimal
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation import distillation, exporting, previews
from curation.models import Dataset, Distillation
from inference import endpoints

router = Router(tags=["distillations"])
LEDGER_ROWS = 100  # a page


class SamplingIn(Schema):
    model_config = {"extra": "forbid"}
    temperature: float = 0.3
    top_p: float = 1.0
    max_tokens: int = 1024
    seed: int | None = None


class DistillationIn(Schema):
    """What to ask a teacher about which records. Texts that are left out are the project's own."""

    model_config = {"extra": "forbid"}
    dataset: int = Field(description="id of the dataset whose records are asked about")
    teacher: int = Field(description="id of an endpoint")
    template: str = Field(description='Jinja over the columns, such as "{{ text }}"')
    target: int | None = Field(None, description="id of a dataset of conversations; else a new one is made")
    target_name: str = Field("", description="name of the new dataset")
    name: str = ""
    system_prompt: str | None = Field(None, description="the teacher's; the project's guidelines when left out")
    student_prompt: str | None = Field(None, description="kept in the conversation; the project's when left out")
    sampling: SamplingIn = SamplingIn()
    concurrency: int = 8
    filters: dict[str, Any] = Field({}, description="as in the list's URL: q, status, split, problems, import, ids")
    unanswered: bool = Field(True, description="leave out records that have an answer in the target")
    limit: int | None = None
    budget: Decimal | None = None
    mark_accepted_by: str = Field(
        "", max_length=120, description="accept the answers in this name; empty leaves them to review"
    )


class Unlimited(Schema):
    """A new budget; null for none."""

    model_config = {"extra": "forbid"}
    budget: Decimal | None = None


def distillation_out(job: Distillation) -> dict[str, Any]:
    return job_out(job) | {
        "name": job.name, "dataset": job.dataset_id, "target": job.target_id, "teacher": job.teacher_id,
        "teacher_name": job.teacher_name, "filters": job.filters, "limit": job.limit, "budget": job.budget,
        "sampling": job.sampling, "concurrency": job.concurrency, "template": job.template, "ok": job.ok,
        "failed": job.failed, "skipped": job.skipped, "prompt_tokens": job.prompt_tokens,
        "completion_tokens": job.completion_tokens, "cost": job.cost,
    }  # fmt: skip


def _draft(project: Project, body: DistillationIn) -> Distillation:
    dataset = child_or_404(project.datasets, body.dataset)
    if body.target:
        target = child_or_404(project.datasets, body.target)
    else:
        target = Dataset(project=project, name=body.target_name.strip()[:120] or f"{dataset.name[:100]}, answered")
        target.shares, target.seed = dataset.shares, dataset.seed
    return distillation.draft(
        project, child_or_404(endpoints.teachers(project), body.teacher), dataset=dataset, target=target,
        name=body.name,
        template=body.template, sampling=body.sampling.dict(), concurrency=body.concurrency, limit=body.limit,
        budget=body.budget, mark_accepted_by=body.mark_accepted_by,
        filters=body.filters | {"unanswered": body.unanswered},
        system_prompt=project.guidelines if body.system_prompt is None else body.system_prompt,
        student_prompt=project.student_prompt if body.student_prompt is None else body.student_prompt,
    )  # fmt: skip


@router.get("/projects/{project_id}/distillations", summary="Distillations, the newest first")
def list_distillations(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    project = project_or_404(request, project_id)
    return [distillation_out(job) for job in newest(project.distillations, limit, before)]


@router.post("/projects/{project_id}/distillations", response={201: dict}, summary="Distil: start one")
def distil(request: HttpRequest, project_id: int, body: DistillationIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    if idempotency_key and (found := project.distillations.filter(idempotency_key=idempotency_key).first()):
        return Status(201, distillation_out(found))
    job = distillation.start(_draft(project, body), request.user, idempotency_key)
    queue.wake(job)
    return Status(201, distillation_out(job))


@router.post("/projects/{project_id}/distillations/preview", summary="Three real calls, and an estimate for all")
def preview(request: HttpRequest, project_id: int, body: DistillationIn) -> Any:
    job = _draft(project_or_404(request, project_id, needs="editor"), body)
    tried = previews.preview(job, endpoints.client_for(job.teacher, previews.SECONDS))
    shown = [
        {"record": one.record.pk, "prompt": one.prompt, "answer": one.answer and one.answer.text, "error": one.error}
        for one in tried
    ]
    return {"previews": shown, "estimate": vars(previews.estimate(job, tried))}


def _job(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Distillation:
    return child_or_404(
        project_or_404(request, project_id, needs=needs).distillations.select_related("dataset", "target"), pk
    )


@router.get("/projects/{project_id}/distillations/{pk}", summary="One distillation")
def get_distillation(request: HttpRequest, project_id: int, pk: int) -> Any:
    return distillation_out(_job(request, project_id, pk))


@router.post("/projects/{project_id}/distillations/{pk}/budget", summary="Change the budget; resume to go on")
def change_budget(request: HttpRequest, project_id: int, pk: int, body: Unlimited) -> Any:
    job = _job(request, project_id, pk, needs="editor")
    distillation.raise_budget(job, body.budget)
    return distillation_out(job)


@router.get("/projects/{project_id}/distillations/{pk}/ledger", summary="The ledger, 100 rows by key")
def ledger(request: HttpRequest, project_id: int, pk: int, outcome: str = "", after: int = 0) -> Any:
    """Ask again with `after` set to `next` until it is null."""
    rows = _job(request, project_id, pk).generations.filter(pk__gt=after).select_related("record").order_by("pk")
    found = list((rows.filter(outcome=outcome) if outcome else rows)[: LEDGER_ROWS + 1])
    shown = found[:LEDGER_ROWS]
    items = [exporting.ledger_row(unit) for unit in shown]
    return {"items": items, "next": shown[-1].pk if len(found) > LEDGER_ROWS else None}


@router.post("/projects/{project_id}/distillations/{pk}/{move}", summary="Cancel, pause, resume, or retry what failed")
def move_distillation(
    request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "pause", "resume", "retry"]
) -> Any:
    job = _job(request, project_id, pk, needs="editor")
    if move == "retry":
        distillation.retry_failed(job)
    elif not {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}[move]():
        raise ValidationError(f"It is {job.get_status_display().lower()}, so there is nothing to {move}.")
    if move in ("resume", "retry"):
        queue.wake(job)
    return distillation_out(job)
