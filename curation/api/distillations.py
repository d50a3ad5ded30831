"""REST API of distillations."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from atelier.jobs.once import earlier
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import AtOnce, Body, Id, MaxTokens, Most, Router, Seed, Temperature, TopP, money
from curation.distillation import budget, drafts, previews
from curation.distillation import ledger as distillation_ledger
from curation.models import Dataset, Distillation
from inference import endpoints

router = Router(tags=["distillations"])
LEDGER_ROWS = 100  # a page
Budget = money(Distillation, "budget")


class TeacherSampling(Body):
    temperature: Temperature = 0.3
    top_p: TopP = 1.0
    max_tokens: MaxTokens = 1024
    seed: Seed | None = None


class DistillationIn(Body):
    """A distillation: which records to ask a teacher about, and how. Texts that are left out are the project's own."""

    dataset: Id = Field(description="id of the dataset whose records the teacher answers")
    teacher: Id = Field(description="id of an endpoint")
    template: str = Field(description='Jinja over the columns, such as "{{ text }}"')
    target: Id | None = Field(None, description="id of a dataset of conversations; a new one is created when omitted")
    target_name: str = Field("", description="name of the new dataset")
    name: str = ""
    system_prompt: str | None = Field(
        None, description="the teacher's system prompt; defaults to the project's guidelines"
    )
    student_prompt: str | None = Field(None, description="saved in the conversation; defaults to the project's")
    keep_thoughts: bool = Field(False, description="save the teacher's reasoning, as a thinking part of its answer")
    sampling: TeacherSampling = TeacherSampling()
    concurrency: AtOnce = 8
    filters: dict[str, Any] = Field({}, description="as in the list's URL: q, status, split, problems, import, ids")
    unanswered: bool = Field(True, description="skip records that already have an answer in the target")
    limit: Most | None = None
    budget: Budget | None = None
    mark_accepted_by: str = Field(
        "", max_length=120, description="accept the answers in this name; empty leaves them for review"
    )


class BudgetIn(Body):
    """A new budget; null for none."""

    budget: Budget | None = None


def distillation_out(job: Distillation) -> dict[str, Any]:
    return job_out(job) | {
        "name": job.name, "dataset": job.dataset_id, "target": job.target_id, "teacher": job.teacher_id,
        "teacher_name": job.teacher_name, "filters": job.filters, "limit": job.limit, "budget": job.budget,
        "sampling": job.sampling, "concurrency": job.concurrency, "template": job.template, "ok": job.ok,
        "failed": job.failed, "skipped": job.skipped, "prompt_tokens": job.prompt_tokens,
        "completion_tokens": job.completion_tokens, "cost": job.cost, "flaws": job.flaws,
        "keep_thoughts": job.keep_thoughts,
    }  # fmt: skip


def _draft(project: Project, body: DistillationIn) -> Distillation:
    dataset = child_or_404(project.datasets, body.dataset)
    if body.target:
        target = child_or_404(project.datasets, body.target)
    else:
        target = Dataset(project=project, name=body.target_name.strip()[:120] or f"{dataset.name[:100]}, answered")
        target.shares, target.seed = dataset.shares, dataset.seed
    return drafts.draft(
        project, child_or_404(endpoints.teachers(project), body.teacher), dataset=dataset, target=target,
        name=body.name,
        template=body.template, sampling=body.sampling.dict(), concurrency=body.concurrency, limit=body.limit,
        budget=body.budget, mark_accepted_by=body.mark_accepted_by,
        keep_thoughts=body.keep_thoughts,
        filters=body.filters | {"unanswered": body.unanswered},
        system_prompt=project.guidelines if body.system_prompt is None else body.system_prompt,
        student_prompt=project.student_prompt if body.student_prompt is None else body.student_prompt,
    )  # fmt: skip


@router.get("/projects/{project_id}/distillations", summary="List distillations, newest first")
def list_distillations(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    project = project_or_404(request, project_id)
    return [distillation_out(job) for job in newest(project.distillations, limit, before)]


@router.post("/projects/{project_id}/distillations", response={201: dict}, summary="Start a distillation")
def distil(request: HttpRequest, project_id: int, body: DistillationIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    if existing := earlier(project.distillations, idempotency_key):
        return Status(201, distillation_out(existing))
    job = drafts.start(_draft(project, body), request.user, idempotency_key)
    queue.wake(job)
    return Status(201, distillation_out(job))


@router.post("/projects/{project_id}/distillations/preview", summary="Preview three real calls and estimate the total")
def preview(request: HttpRequest, project_id: int, body: DistillationIn) -> Any:
    job = _draft(project_or_404(request, project_id, needs="editor"), body)
    tried = previews.preview(job, endpoints.client_for(job.teacher, previews.SECONDS))
    shown = [
        {
            "record": example.record.pk,
            "prompt": example.prompt,
            "answer": example.answer and example.answer.text,
            "error": example.error,
        }
        for example in tried
    ]
    return {"previews": shown, "estimate": vars(previews.estimate(job, tried))}


@router.get("/projects/{project_id}/distillations/{pk}", summary="Get a distillation")
def get_distillation(request: HttpRequest, project_id: int, pk: int) -> Any:
    return distillation_out(job_or_404(request, Distillation, project_id, pk))


@router.post("/projects/{project_id}/distillations/{pk}/budget", summary="Change the budget")
def change_budget(request: HttpRequest, project_id: int, pk: int, body: BudgetIn) -> Any:
    job = job_or_404(request, Distillation, project_id, pk, needs="editor")
    budget.change(job, body.budget)
    return distillation_out(job)


@router.get("/projects/{project_id}/distillations/{pk}/ledger", summary="List the ledger's rows")
def ledger(request: HttpRequest, project_id: int, pk: int, outcome: str = "", flaw: str = "", after: int = 0) -> Any:
    """Returns 100 rows at a time; `flaw` is half, refusal or blank. Request again with `after` set to `next` until it is null."""
    rows = (
        job_or_404(request, Distillation, project_id, pk)
        .generations.filter(pk__gt=after)
        .select_related("record")
        .order_by("pk")
    )
    chosen = {name: value for name, value in (("outcome", outcome), ("flaw", flaw)) if value}
    units = list(rows.filter(**chosen)[: LEDGER_ROWS + 1])
    shown = units[:LEDGER_ROWS]
    items = [distillation_ledger.row(unit) for unit in shown]
    return {"items": items, "next": shown[-1].pk if len(units) > LEDGER_ROWS else None}


@router.post(
    "/projects/{project_id}/distillations/{pk}/{move}", summary="Cancel, pause, resume or retry a distillation"
)
def move_distillation(
    request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "pause", "resume", "retry"]
) -> Any:
    job = job_or_404(request, Distillation, project_id, pk, needs="editor")
    if move == "retry":
        drafts.retry_failed(job)
        queue.wake(job)
    else:
        make_move(job, move)
    return distillation_out(job)
