"""REST: base models, the recipe that fits each, and downloads. A download is called a pull, as in every registry of models."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Schema, Status

from atelier.accounts.access import project_or_404
from atelier.api import Key, job_out
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Body, Router
from curation.quality import jobs as quality
from training.bases import offers, store
from training.models import Pull
from training.recipe.fields import FIELDS
from training.runs import control

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


class PullOut(JobOut):
    base: str
    revision: str


class PullIn(Body):
    """A base model to download, by its name in the catalogue; `revision` is a commit, tag or branch of the hub."""

    base: str
    revision: str = ""


class ProjectBaseIn(Body):
    """The base whose tokenizer and context count the project's records."""

    base: str


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
    counts_tokens: bool
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


def pull_out(pull: Pull) -> dict[str, Any]:
    return {**job_out(pull), "base": pull.slug, "revision": pull.revision}


@router.get(
    "/projects/{project_id}/bases", response=list[BaseOut], summary="List the base models and describe this machine"
)
def list_bases(request: HttpRequest, project_id: int) -> Any:
    project = project_or_404(request, project_id)
    return [
        {
            **{name: getattr(offer.base, name) for name in ("title", "hub_id", "licence", "context")},
            **{name: getattr(offer.base, name) for name in ("lora_gib", "qlora_gib", "serve_gib")},
            "base": offer.base.slug,
            "on_disk": offer.row is not None,
            "counts_tokens": offer.base.slug == (project.base or store.STUDENT),
            "bytes": offer.row.bytes if offer.row else 0,
            "revision": offer.row.revision if offer.row else "",
            "fits_training": offer.can_train,
            "fits_serving": offer.can_serve,
        }
        for offer in offers.offers(project)
    ]


@router.put("/projects/{project_id}/base", response={204: None}, summary="Set the base that counts tokens")
def set_base(request: HttpRequest, project_id: int, body: ProjectBaseIn) -> Any:
    """Records are counted again by this base, and those that are too long for it become problems; so do the checks of texts."""
    project = project_or_404(request, project_id, needs="editor")
    offers.count_with(project, body.base)
    for check in quality.recount(project, request.user):
        queue.wake(check)
    return Status(204, None)


@router.get(
    "/projects/{project_id}/bases/{base}/recipe",
    response=list[FieldOut],
    summary="Get the recipe that fits this machine",
)
def get_recipe(request: HttpRequest, project_id: int, base: str) -> Any:
    project_or_404(request, project_id)
    values = control.fitting(base).to_dict()
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


@router.post("/projects/{project_id}/pulls", response={201: PullOut}, summary="Download a base model")
def create_pull(request: HttpRequest, project_id: int, body: PullIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    pull = offers.start_pull(project, body.base, request.user, revision=body.revision, key=key)
    queue.wake(pull)
    return Status(201, pull_out(pull))


@router.get("/projects/{project_id}/pulls/{pull_id}", response=PullOut, summary="Get a download")
def get_pull(request: HttpRequest, project_id: int, pull_id: int) -> Any:
    return pull_out(job_or_404(request, Pull, project_id, pull_id))


@router.post("/projects/{project_id}/pulls/{pull_id}/cancel", response=PullOut, summary="Cancel a download")
def cancel_pull(request: HttpRequest, project_id: int, pull_id: int) -> Any:
    pull = job_or_404(request, Pull, project_id, pull_id, needs="editor")
    pull.cancel()
    return pull_out(pull)
