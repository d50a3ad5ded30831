"""REST: base models, pulls, runs and adapters."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation.models import Version
from training import bases, metrics, runs, student
from training.models import Adapter, Pull, Run
from training.recipe import FIELDS

router = Router(tags=["training"])


class JobOut(Schema):
    id: int
    status: str
    done: int
    total: int
    line: str
    error: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    interruptions: int


class RunOut(JobOut):
    number: int
    name: str
    version: int
    base: str
    recipe: dict[str, Any]
    summary: dict[str, Any]
    facts: dict[str, Any]
    adapter: int | None


class RunIn(Schema):
    """A new run. `recipe` holds the fields that differ from the recipe that fits this machine."""

    model_config = {"extra": "forbid"}
    version: int
    base: str = student.STUDENT
    recipe: dict[str, Any] = {}
    name: str = ""


class PullOut(JobOut):
    base: str
    revision: str


class PullIn(Schema):
    """A base model to fetch, by its name in the catalogue; `revision` a commit, tag or branch of the hub."""

    model_config = {"extra": "forbid"}
    base: str
    revision: str = ""


class AdapterOut(Schema):
    id: int
    name: str
    run: int = Field(validation_alias="run_id")
    base: str
    digest: str
    rank: int
    system_prompt: str
    created_at: datetime


class BaseOut(Schema):
    base: str
    title: str
    hub_id: str
    licence: str
    context: int
    lora_gib: float
    qlora_gib: float
    serve_gib: float
    on_disk: bool
    bytes: int
    revision: str
    fits_training: bool
    fits_serving: bool


class FieldOut(Schema):
    name: str
    label: str
    help: str
    value: Any
    limits: dict[str, Any]


def run_out(run: Run) -> dict[str, Any]:
    adapter = Adapter.objects.filter(run=run).first()
    own = ("number", "name", "base", "recipe", "summary", "facts")
    pks = {"version": run.version_id, "adapter": adapter and adapter.pk}
    return {**job_out(run), **{name: getattr(run, name) for name in own}, **pks}


def pull_out(pull: Pull) -> dict[str, Any]:
    return {**job_out(pull), "base": pull.slug, "revision": pull.revision}


@router.get("/projects/{project_id}/bases", response=list[BaseOut], summary="The base models and this machine")
def list_bases(request: HttpRequest, project_id: int) -> Any:
    project = project_or_404(request, project_id)
    return [
        {
            **{name: getattr(offer.base, name) for name in ("title", "hub_id", "licence", "context")},
            **{name: getattr(offer.base, name) for name in ("lora_gib", "qlora_gib", "serve_gib")},
            "base": offer.base.slug,
            "on_disk": offer.row is not None,
            "bytes": offer.row.bytes if offer.row else 0,
            "revision": offer.row.revision if offer.row else "",
            "fits_training": offer.can_train,
            "fits_serving": offer.can_serve,
        }
        for offer in bases.offers(project)
    ]


@router.get(
    "/projects/{project_id}/bases/{base}/recipe", response=list[FieldOut], summary="The recipe that fits this machine"
)
def get_recipe(request: HttpRequest, project_id: int, base: str) -> Any:
    project_or_404(request, project_id)
    values = runs.fitting(base).to_dict()
    return [
        {
            "name": name,
            "label": field.metadata["label"],
            "help": field.metadata["help"],
            "value": values[name],
            "limits": {k: v for k, v in field.metadata.items() if k in ("min", "max", "choices")},
        }
        for name, field in FIELDS.items()
    ]


@router.post("/projects/{project_id}/pulls", response={201: PullOut}, summary="Fetch a base model")
def create_pull(request: HttpRequest, project_id: int, body: PullIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    pull = bases.start_pull(project, body.base, request.user, revision=body.revision, key=key)
    queue.wake(pull)
    return Status(201, pull_out(pull))


@router.get("/projects/{project_id}/pulls/{pull_id}", response=PullOut, summary="One fetch")
def get_pull(request: HttpRequest, project_id: int, pull_id: int) -> Any:
    return pull_out(child_or_404(project_or_404(request, project_id).pulls, pull_id))


@router.post("/projects/{project_id}/pulls/{pull_id}/cancel", response=PullOut, summary="Cancel a fetch")
def cancel_pull(request: HttpRequest, project_id: int, pull_id: int) -> Any:
    pull = child_or_404(project_or_404(request, project_id, needs="editor").pulls, pull_id)
    pull.cancel()
    return pull_out(pull)


@router.get("/projects/{project_id}/runs", response=list[RunOut], summary="Runs, the newest first")
def list_runs(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [run_out(run) for run in newest(project_or_404(request, project_id).runs, limit, before)]


@router.post("/projects/{project_id}/runs", response={201: RunOut}, summary="Train on a version")
def create_run(request: HttpRequest, project_id: int, body: RunIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = child_or_404(Version.objects.filter(project=project).select_related("dataset"), body.version)
    recipe = runs.recipe_for(body.base, body.recipe)
    run = runs.start(version, body.base, recipe, request.user, body.name, key=key)
    queue.wake(run)
    return Status(201, run_out(run))


@router.get("/projects/{project_id}/runs/{run_id}", response=RunOut, summary="One run")
def get_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return run_out(child_or_404(project_or_404(request, project_id).runs, run_id))


@router.get(
    "/projects/{project_id}/runs/{run_id}/metrics", response=list[dict[str, Any]], summary="Figures of each step"
)
def get_metrics(request: HttpRequest, project_id: int, run_id: int, after: int = 0) -> Any:
    """`after`: only steps above this one."""
    run = child_or_404(project_or_404(request, project_id).runs, run_id)
    return metrics.rundir.metrics(run.folder, after)


@router.get("/projects/{project_id}/runs/{run_id}/log", response=dict[str, str], summary="The end of the trainer's log")
def get_log(request: HttpRequest, project_id: int, run_id: int) -> Any:
    run = child_or_404(project_or_404(request, project_id).runs, run_id)
    return {"log": metrics.log_tail(run.folder / "train.log")}


def moved(request: HttpRequest, project_id: int, run_id: int, move: str) -> Any:
    """Make a move of people. Raises ValidationError when the run's state does not allow it."""
    run = child_or_404(project_or_404(request, project_id, needs="editor").runs, run_id)
    runs.move(run, move)
    if move == "resume":
        queue.wake(run)
    return run_out(run)


@router.post("/projects/{project_id}/runs/{run_id}/cancel", response=RunOut, summary="Cancel")
def cancel_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "cancel")


@router.post("/projects/{project_id}/runs/{run_id}/pause", response=RunOut, summary="Pause after a checkpoint")
def pause_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "pause")


@router.post("/projects/{project_id}/runs/{run_id}/resume", response=RunOut, summary="Resume or retry")
def resume_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "resume")


@router.post("/projects/{project_id}/runs/{run_id}/stop", response=RunOut, summary="Stop now and keep the adapter")
def stop_run(request: HttpRequest, project_id: int, run_id: int) -> Any:
    return moved(request, project_id, run_id, "stop")


@router.get("/projects/{project_id}/adapters", response=list[AdapterOut], summary="Adapters, the newest first")
def list_adapters(request: HttpRequest, project_id: int) -> Any:
    return project_or_404(request, project_id).adapters.order_by("-pk")
