"""REST: one action over many records, its preview, its failures, and its undo; and who did what in a dataset."""

import dataclasses
from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key, job_out
from atelier.jobs import claims, queue
from curation import activity, bulk
from curation.api.fetching import dataset_or_404
from curation.filters import Filters
from curation.models import BulkAction

router = Router(tags=["data"])
STRICT = {"extra": "forbid"}
Name = Literal[
    "accept", "reject", "skip", "reopen", "delete", "label", "unlabel", "assign", "replace", "mask", "mend", "copy"
]


class BulkIn(Schema):
    """Over `ids`, or over everything that `filters` match (the names and values of the list); one of the two.

    `options`: label, unlabel `{"labels": […]}`; replace `{"find", "replace", "regex", "case", "words", "pieces"}`; mask
    `{"pieces"}`; mend `{"codes": […]}`; copy `{"dataset": id, "status"}`; assign `{"users": [usernames], "evenly"}`.
    """

    model_config = STRICT
    action: Name
    ids: list[int] | None = None
    filters: dict[str, Any] | None = None
    options: dict[str, Any] = {}

    def chosen(self) -> Filters:
        """Raises ValidationError."""
        if (self.ids is None) == (self.filters is None):
            raise ValidationError("Send either `ids` or `filters`; empty filters mean every record.")
        if self.ids is not None and not self.ids:
            raise ValidationError("`ids` is empty: name at least one record.")
        return dataclasses.replace(
            Filters.read({"ids": self.ids} if self.ids is not None else self.filters or {}), sort="newest"
        )


class PreviewIn(BulkIn):
    action: Literal["replace", "mask", "mend"]
    after: int = 0
    examples: int = 10


class BulkOut(Schema):
    id: int
    status: str
    action: str
    options: dict[str, Any]
    done: int
    total: int
    changed: int
    left: int
    line: str
    error: str
    created_at: datetime
    undoes: int | None
    undo_refused: str


def bulk_out(job: BulkAction) -> dict[str, Any]:
    """`undo_refused` says why it cannot be undone; empty when it can."""
    return job_out(job) | {
        "action": job.action,
        "options": job.options,
        "changed": job.changed,
        "left": job.left,
        "undoes": job.undoes_id,
        "undo_refused": bulk.why_no_undo(job),
    }


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
    summary="Review, label, assign, edit, mask, mend, copy or delete many",
)
def create_bulk(request: HttpRequest, project_id: int, dataset_id: int, body: BulkIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=bulk.role_for(body.action))
    job = bulk.begin(dataset, request.user, body.action, body.chosen(), key=key, options=body.options)
    return Status(202, started(job))


@router.post("/projects/{project_id}/datasets/{dataset_id}/bulk/preview", summary="What a bulk edit would change")
def preview_bulk(request: HttpRequest, project_id: int, dataset_id: int, body: PreviewIn) -> Any:
    """Looks for less than a second: when `is_whole` is false, ask again with `after` and add up the numbers."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs=bulk.role_for(body.action))
    found = bulk.preview(
        dataset, body.action, body.chosen(), body.options, after=body.after, examples=min(max(body.examples, 0), 50)
    )
    return dataclasses.asdict(found)


@router.get("/projects/{project_id}/bulk/{pk}", response=BulkOut, summary="How a bulk action stands")
def get_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    return bulk_out(child_or_404(project_or_404(request, project_id).bulkactions.select_related("undoes"), pk))


@router.get("/projects/{project_id}/bulk/{pk}/failures", summary="What a bulk action could not change, and why")
def bulk_failures(
    request: HttpRequest,
    project_id: int,
    pk: int,
    after: int = Query(0, ge=0, lt=2**63),
    limit: int = Query(100, ge=1, le=500),
) -> Any:
    job = child_or_404(project_or_404(request, project_id).bulkactions, pk)
    rows = list(job.failures.filter(record__gt=after).order_by("record_id").values("record_id", "reason")[: limit + 1])
    items = [{"record": row["record_id"], "reason": row["reason"]} for row in rows[:limit]]
    return {"items": items, "next": items[-1]["record"] if len(rows) > limit else None}


@router.post("/projects/{project_id}/bulk/{pk}/undo", response={202: BulkOut}, summary="Undo a bulk action")
def undo_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = child_or_404(project_or_404(request, project_id, needs="annotator").bulkactions.select_related("undoes"), pk)
    project_or_404(request, project_id, needs=bulk.role_for(job.action if job.undoes is None else job.undoes.action))
    return Status(202, started(bulk.begin_undo(job, request.user)))


@router.get("/projects/{project_id}/datasets/{dataset_id}/activity", summary="Who did what in a dataset, newest first")
def list_activity(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    person: str = "",
    action: str = "",
    after: str = "",
    limit: int = Query(50, ge=1, le=500),
) -> Any:
    """`record` and `change` of a single change, or `bulk`. Ask again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    found = activity.page(dataset, person=person, action=action, after=after, size=limit)
    items = [
        {
            "at": act.at,
            "actor": act.actor,
            "action": act.change.action if act.change else act.bulk.action if act.bulk else "",
            "words": act.words,
            "record": act.change.record_id if act.change else None,
            "change": act.change.pk if act.change else None,
            "bulk": act.bulk.pk if act.bulk else None,
        }
        for act in found.acts
    ]
    return {"items": items, "next": found.after}
