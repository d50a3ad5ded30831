"""REST: one action over many records, and its undo."""

import dataclasses
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Header, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import job_out
from atelier.jobs import claims, queue
from curation import bulk
from curation.api.fetching import dataset_or_404
from curation.filters import Filters
from curation.models import BulkAction

router = Router(tags=["data"])
Key = Header(None, alias="Idempotency-Key", max_length=80)
STRICT = {"extra": "forbid"}


class BulkIn(Schema):
    """Over `ids`, or over everything that `filters` match (the names and values of the list); one of the two."""

    model_config = STRICT
    action: Literal["accept", "reject", "skip", "reopen", "delete"]
    ids: list[int] | None = None
    filters: dict[str, str | int] | None = None


class BulkOut(Schema):
    id: int
    status: str
    action: str
    done: int
    total: int
    changed: int
    left: int
    line: str
    error: str
    created_at: datetime
    undoes: int | None


def bulk_out(job: BulkAction) -> dict[str, Any]:
    return job_out(job) | {"action": job.action, "changed": job.changed, "left": job.left, "undoes": job.undoes_id}


def started(job: BulkAction) -> dict[str, Any]:
    """Few records are done at once, many by a worker: the status says which."""
    if job.status == BulkAction.Status.QUEUED and job.total <= bulk.INLINE:
        claims.execute(BulkAction, job.pk, bulk.run)
    elif job.status == BulkAction.Status.QUEUED:
        queue.wake(job)
    job.refresh_from_db()
    return bulk_out(job)


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/bulk",
    response={202: BulkOut},
    summary="Accept, reject, skip, reopen or delete many",
)
def create_bulk(request: HttpRequest, project_id: int, dataset_id: int, body: BulkIn, key: str | None = Key) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=bulk.role_for(body.action))
    if (body.ids is None) == (body.filters is None):
        raise ValidationError("Send either `ids` or `filters`; empty filters mean every record.")
    chosen = Filters.read({"ids": body.ids} if body.ids is not None else body.filters or {})
    if body.ids is not None and not chosen.ids:
        raise ValidationError("`ids` is empty: name at least one record.")
    return Status(
        202,
        started(bulk.begin(dataset, request.user, body.action, dataclasses.replace(chosen, sort="newest"), key=key)),
    )


@router.get("/projects/{project_id}/bulk/{pk}", response=BulkOut, summary="How a bulk action stands")
def get_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    return bulk_out(child_or_404(project_or_404(request, project_id).bulkactions, pk))


@router.post("/projects/{project_id}/bulk/{pk}/undo", response={202: BulkOut}, summary="Undo a bulk action")
def undo_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = child_or_404(project_or_404(request, project_id, needs="annotator").bulkactions.select_related("undoes"), pk)
    project_or_404(request, project_id, needs=bulk.role_for(job.action if job.undoes is None else job.undoes.action))
    return Status(202, started(bulk.begin_undo(job, request.user)))
