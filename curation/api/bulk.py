"""REST API of bulk actions: start, preview, failures and undo; and the activity log of a dataset."""

import dataclasses
from datetime import datetime
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Query, Schema, Status
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from atelier.accounts.access import project_or_404
from atelier.api import Key, job_out
from atelier.audit import trail
from atelier.jobs import claims, queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Body, Id, Router, Whole
from curation import bulk
from curation.access import dataset_or_404
from curation.api.paging import DATASET, After, Size
from curation.datasets import activity
from curation.models import BulkAction
from curation.search.filters import Filters

router = Router(tags=["data"])


def _current(action: Any) -> Any:
    """Refuse the former name of an action with the current one."""
    if action == "mend":
        raise PydanticCustomError("renamed", "the action `mend` is now called `fix`")
    return action


Name = Annotated[
    Literal[
        "accept",
        "reject",
        "skip",
        "reopen",
        "delete",
        "label",
        "unlabel",
        "assign",
        "replace",
        "mask",
        "fix",
        "copy",
        "key",
    ],
    BeforeValidator(_current),
]


class BulkIn(Body):
    """A bulk action over `ids`, or over everything that `filters` match (the names and values of the list); one of the two.

    `options`: label, unlabel `{"labels": […]}`; replace `{"find", "replace", "regex", "case", "words", "pieces"}`; mask
    `{"pieces"}`; fix `{"codes": […]}`; copy `{"dataset": id, "status"}`; assign `{"users": [usernames], "evenly"}`;
    key `{"place": messages, metadata or fields, "key", "change": rename, move or remove, "to", "into": metadata, fields or
    system}`.
    """

    action: Name
    ids: list[Id] | None = None
    filters: dict[str, Any] | None = None
    options: dict[str, Any] = {}

    def chosen(self) -> Filters:
        """Return the filters that choose the records. Raises ValidationError."""
        if (self.ids is None) == (self.filters is None):
            raise ValidationError("Send either `ids` or `filters`; empty filters mean every record.")
        if self.ids is not None and not self.ids:
            raise ValidationError("`ids` is empty. Name at least one record.")
        return dataclasses.replace(
            Filters.read({"ids": self.ids} if self.ids is not None else self.filters or {}, strict=True), sort="newest"
        )


class PreviewIn(BulkIn):
    action: Annotated[Literal["replace", "mask", "fix", "key"], BeforeValidator(_current)]
    after: Whole = 0
    examples: Whole = 10


class BulkOut(Schema):
    id: int
    status: str
    action: str
    options: dict[str, Any]
    done: int
    total: int
    changed: int
    left: int
    spans_moved: int
    spans_aside: int
    line: str
    error: str
    created_at: datetime
    undoes: int | None
    undo_refused: str


def bulk_out(job: BulkAction) -> dict[str, Any]:
    """Return a bulk action as JSON. `undo_refused` states why it cannot be undone; empty when it can."""
    return job_out(job) | {
        "action": job.action,
        "options": job.options,
        "changed": job.changed,
        "left": job.left,
        "spans_moved": job.spans_moved,
        "spans_aside": job.spans_aside,
        "undoes": job.undoes_id,
        "undo_refused": bulk.why_no_undo(job),
    }


def started(job: BulkAction) -> dict[str, Any]:
    """Run a small bulk action at once or wake a worker for a large one; the status shows which."""
    if job.status == BulkAction.Status.QUEUED and job.total <= bulk.INLINE:
        claims.execute(BulkAction, job.pk, bulk.run)
    elif job.status == BulkAction.Status.QUEUED:
        queue.wake(job)
    job.refresh_from_db()
    return bulk_out(job)


@router.post(
    f"{DATASET}/bulk",
    response={202: BulkOut},
    summary="Run a bulk action on many records",
)
def create_bulk(request: HttpRequest, project_id: int, dataset_id: int, body: BulkIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=bulk.role_for(body.action))
    more = {"key": key, "options": body.options, "asker": trail.asker(request)}
    job = bulk.begin(dataset, request.user, body.action, body.chosen(), **more)
    return Status(202, started(job))


@router.post(f"{DATASET}/bulk/preview", summary="Preview a bulk action")
def preview_bulk(request: HttpRequest, project_id: int, dataset_id: int, body: PreviewIn) -> Any:
    """Counts matching records for less than a second.

    When `is_whole` is false, request again with `after` and add up the numbers.
    """
    dataset = dataset_or_404(request, project_id, dataset_id, needs=bulk.role_for(body.action))
    preview = bulk.preview(
        dataset, body.action, body.chosen(), body.options, after=body.after, examples=min(max(body.examples, 0), 50)
    )
    return dataclasses.asdict(preview)


@router.get("/projects/{project_id}/bulk/{pk}", response=BulkOut, summary="Get a bulk action")
def get_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    return bulk_out(job_or_404(request, BulkAction, project_id, pk))


@router.get(
    "/projects/{project_id}/bulk/{pk}/failures", summary="List what a bulk action could not change, with reasons"
)
def bulk_failures(
    request: HttpRequest,
    project_id: int,
    pk: int,
    after: int = After,
    limit: int = Query(100, ge=1, le=500),
) -> Any:
    job = job_or_404(request, BulkAction, project_id, pk)
    rows = list(job.failures.filter(record__gt=after).order_by("record_id").values("record_id", "reason")[: limit + 1])
    items = [{"record": row["record_id"], "reason": row["reason"]} for row in rows[:limit]]
    return {"items": items, "next": items[-1]["record"] if len(rows) > limit else None}


@router.post("/projects/{project_id}/bulk/{pk}/undo", response={202: BulkOut}, summary="Undo a bulk action")
def undo_bulk(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = job_or_404(request, BulkAction, project_id, pk, needs="annotator")
    project_or_404(request, project_id, needs=bulk.role_for(job.action if job.undoes is None else job.undoes.action))
    return Status(202, started(bulk.begin_undo(job, request.user)))


@router.get(f"{DATASET}/activity", summary="List a dataset's activity, newest first")
def list_activity(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    person: str = "",
    action: str = "",
    after: str = "",
    limit: int = Size,
) -> Any:
    """An entry has `record` and `change` for a single change, or `bulk`.

    Request again with `after` set to `next` until it is null.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    page = activity.page(dataset, person=person, action=action, after=after, size=limit)
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
        for act in page.acts
    ]
    return {"items": items, "next": page.after}
