"""REST: datasets."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key, job_out
from atelier.jobs import claims, queue
from curation import bulk, datasets, deletion
from curation.api.bulk import started
from curation.api.fetching import dataset_or_404
from curation.models import Dataset, Deletion

router = Router(tags=["data"])
STRICT = {"extra": "forbid"}
Limit = Annotated[int, Query(ge=1, le=200)]
After = Annotated[int, Query(ge=0, lt=2**63)]


class DatasetIn(Schema):
    model_config = STRICT
    name: str
    kind: Literal["documents", "conversations", "preferences"] = "conversations"
    description: str = ""


class DatasetPatch(Schema):
    """What is left out stays as it is. Other shares or another seed assign the splits anew."""

    model_config = STRICT
    name: str | None = None
    description: str | None = None
    shares: dict[str, float] | None = None
    seed: int | None = Field(None, ge=0, le=2_147_483_647)
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
        "records": datasets.counts(dataset),
    }


@router.get("/projects/{project_id}/datasets", summary="Datasets with their counts by status")
def list_datasets(request: HttpRequest, project_id: int, limit: Limit = 200, after: After = 0) -> Any:
    """`after` is the id of the last dataset of the page before."""
    rows = project_or_404(request, project_id).datasets.filter(pk__gt=after).order_by("pk")
    return [dataset_out(dataset) for dataset in rows[:limit]]


@router.post("/projects/{project_id}/datasets", response={201: dict}, summary="Make an empty dataset")
def create_dataset(request: HttpRequest, project_id: int, body: DatasetIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    made = datasets.create(project, request.user, body.name, body.kind, body.description, idempotency_key)
    return Status(201, dataset_out(made))


@router.get("/projects/{project_id}/datasets/{dataset_id}", summary="One dataset")
def get_dataset(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return dataset_out(dataset_or_404(request, project_id, dataset_id))


@router.patch("/projects/{project_id}/datasets/{dataset_id}", summary="Change a dataset's settings")
def change_dataset(request: HttpRequest, project_id: int, dataset_id: int, body: DatasetPatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    given = {name: value for name, value in body.dict().items() if value is not None}
    now = {name: getattr(dataset, name) for name in ("name", "description", "shares", "seed")}
    action = datasets.change(dataset, request.user, **now | given)
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


@router.delete(
    "/projects/{project_id}/datasets/{dataset_id}", response={202: DeletionOut}, summary="Delete a dataset for good"
)
def delete_dataset(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """It is in no list from now on; a job takes its records away, a small dataset's at once."""
    job = deletion.begin(dataset_or_404(request, project_id, dataset_id, needs="editor"), request.user)
    if job.total <= bulk.INLINE:
        claims.execute(Deletion, job.pk, deletion.run)
    else:
        queue.wake(job)
    job.refresh_from_db()
    return Status(202, deletion_out(job))


@router.get("/projects/{project_id}/deletions/{pk}", response=DeletionOut, summary="How the end of a dataset stands")
def get_deletion(request: HttpRequest, project_id: int, pk: int) -> Any:
    return deletion_out(child_or_404(project_or_404(request, project_id).deletions, pk))


def deletion_out(job: Deletion) -> dict[str, Any]:
    return job_out(job) | {"name": job.name}
