"""REST API of datasets."""

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Schema, Status

from atelier.accounts.access import project_or_404
from atelier.api import Key, job_out
from atelier.audit import trail
from atelier.jobs import claims, queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Body, Router, Seed, Share, Whole, whole
from curation import bulk
from curation.access import dataset_or_404
from curation.api.bulk import started
from curation.api.paging import DATASET
from curation.datasets import deletion, settings
from curation.models import Dataset, Deletion
from curation.search import counts as record_counts

router = Router(tags=["data"])
Limit = whole(1, 200)


class DatasetIn(Body):
    name: str
    kind: Literal["documents", "conversations", "preferences"] = "conversations"
    description: str = ""


class DatasetPatch(Body):
    """Changes of a dataset; fields that are left out stay as they are. Other shares or another seed reassign the splits."""

    name: str | None = None
    description: str | None = None
    shares: dict[str, Share] | None = None
    seed: Seed | None = None
    licence: str | None = Field(None, max_length=120)


def dataset_out(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "kind": dataset.kind,
        "description": dataset.description,
        "licence": dataset.licence,
        "shares": dataset.shares,
        "seed": dataset.seed,
        "created_at": dataset.created_at,
        "records": record_counts.counts(dataset),
    }


@router.get("/projects/{project_id}/datasets", summary="List datasets with their counts by status")
def list_datasets(request: HttpRequest, project_id: int, limit: Limit = 200, after: Whole = 0) -> Any:
    """Set `after` to the id of the last dataset of the previous page."""
    rows = project_or_404(request, project_id).datasets.filter(pk__gt=after).order_by("pk")
    return [dataset_out(dataset) for dataset in rows[:limit]]


@router.post("/projects/{project_id}/datasets", response={201: dict}, summary="Create an empty dataset")
def create_dataset(request: HttpRequest, project_id: int, body: DatasetIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    dataset = settings.create(project, request.user, body.name, body.kind, body.description, idempotency_key)
    return Status(201, dataset_out(dataset))


@router.get(DATASET, summary="Get a dataset")
def get_dataset(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return dataset_out(dataset_or_404(request, project_id, dataset_id))


@router.patch(DATASET, summary="Change a dataset's settings")
def change_dataset(request: HttpRequest, project_id: int, dataset_id: int, body: DatasetPatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    changes = {name: value for name, value in body.dict().items() if value is not None}
    now = {name: getattr(dataset, name) for name in ("name", "description", "shares", "seed")}
    action = settings.change(dataset, request.user, **now | changes)
    return dataset_out(dataset) | {"bulk": started(action) if action else None}


class DeletionOut(Schema):
    id: int
    name: str
    status: str
    done: int
    total: int
    line: str
    error: str
    created_at: datetime


class DeletionPreview(Schema):
    deletes: list[str]
    keeps: list[str]
    refused: list[str]


@router.get(
    f"{DATASET}/deletion",
    response=DeletionPreview,
    summary="Get what deleting a dataset would delete, or what prevents it",
)
def preview_deletion(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """`refused` has a sentence for each thing that needs the dataset, with the way out; `keeps` names archived versions that outlast it."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    refused: list[str] = []
    try:
        deletion.refuse_needed(dataset)
    except ValidationError as error:
        refused = error.messages
    return {"deletes": deletion.contents(dataset), "keeps": deletion.keeps(dataset), "refused": refused}


@router.delete(DATASET, response={202: DeletionOut}, summary="Permanently delete a dataset")
def delete_dataset(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """The dataset is hidden at once. A job deletes its records; those of a small dataset are deleted at once."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    job = deletion.begin(dataset, request.user, trail.asker(request))
    if job.total <= bulk.INLINE:
        claims.execute(Deletion, job.pk, deletion.run)
    else:
        queue.wake(job)
    job.refresh_from_db()
    return Status(202, deletion_out(job))


@router.get("/projects/{project_id}/deletions/{pk}", response=DeletionOut, summary="Get a dataset's deletion")
def get_deletion(request: HttpRequest, project_id: int, pk: int) -> Any:
    return deletion_out(job_or_404(request, Deletion, project_id, pk))


def deletion_out(job: Deletion) -> dict[str, Any]:
    return job_out(job) | {"name": job.name}
