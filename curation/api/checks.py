"""REST: checks of a dataset, the problems they found, and pairs and groups of near-duplicates."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation import checking, clusters, problems
from curation.api.fetching import dataset_or_404
from curation.models import Check, NearDuplicate

router = Router(tags=["data"])
After = Query(0, ge=0, lt=2**63)


class CheckIn(Schema):
    """`part` is texts, duplicates or map. `everything` looks at texts again that were looked at; `threshold` is the Jaccard
    similarity of three-word shingles from which two records are near-duplicates, 0.42 unless given."""

    model_config = {"extra": "forbid"}
    part: str = Field(max_length=10)
    everything: bool = False
    threshold: float | None = None


def check_out(job: Check) -> dict[str, Any]:
    facts = {"dataset": job.dataset_id, "part": job.part, "options": job.options, "found": job.found}
    return job_out(job) | facts


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/checks",
    response={202: dict},
    summary="Check texts or near-duplicates",
)
def start_check(request: HttpRequest, project_id: int, dataset_id: int, body: CheckIn, key: Key = None) -> Any:
    """New and changed records are looked at by themselves; this asks for it now."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    wish = {"everything": body.everything, "threshold": body.threshold}
    job = checking.begin(dataset, request.user, body.part, key=key, **wish)
    if job.status == Check.Status.QUEUED:
        queue.wake(job)
    return Status(202, check_out(job))


@router.get("/projects/{project_id}/checks", summary="Checks, the newest first")
def list_checks(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [check_out(job) for job in newest(project_or_404(request, project_id).checks, limit, before)]


@router.get("/projects/{project_id}/checks/{pk}", summary="How a check stands, and what it found")
def get_check(request: HttpRequest, project_id: int, pk: int) -> Any:
    return check_out(child_or_404(project_or_404(request, project_id).checks, pk))


@router.post("/projects/{project_id}/checks/{pk}/{move}", summary="Cancel, pause or resume a check")
def move_check(request: HttpRequest, project_id: int, pk: int, move: str) -> Any:
    job = child_or_404(project_or_404(request, project_id, needs="editor").checks, pk)
    moves = {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}
    if move not in moves:
        raise ValidationError(f"There is no move {move[:20]!r}: use cancel, pause or resume.")
    if moves[move]() and move == "resume":
        queue.wake(job)
    job.refresh_from_db()
    return check_out(job)


@router.get("/projects/{project_id}/datasets/{dataset_id}/problems", summary="Problems by their code, with counts")
def list_problems(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """`query` finds the records in the list; a bulk action `mend` with `codes` mends those that are `mendable`."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    names = ("code", "title", "severity", "count", "mendable", "example", "query")
    items = [{name: getattr(group, name) for name in names} for group in problems.groups(dataset)]
    return {"items": items, "unchecked": dataset.records.filter(is_checked=False).count()}


def pair_out(pair: NearDuplicate) -> dict[str, Any]:
    return {
        "id": pair.pk, "first": pair.first_id, "second": pair.second_id, "similarity": round(pair.similarity, 4),
        "splits": [pair.first.split, pair.second.split], "cluster": pair.first.cluster,
    }  # fmt: skip


@router.get("/projects/{project_id}/datasets/{dataset_id}/duplicates", summary="Pairs of near-duplicates")
def list_pairs(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    crossing: bool = False,
    after: int = After,
    limit: int = Query(100, ge=1, le=1000),
) -> Any:
    """By id; with `crossing` those in different splits only. Ask again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    rows = list(problems.pairs(dataset, crossing=crossing, after=after)[: limit + 1])
    return {"items": [pair_out(row) for row in rows[:limit]], "next": rows[limit - 1].pk if len(rows) > limit else None}


@router.get("/projects/{project_id}/datasets/{dataset_id}/clusters", summary="Groups of near-duplicates")
def list_clusters(request: HttpRequest, project_id: int, dataset_id: int, after: int = After) -> Any:
    """Thirty at a time, by the smallest id in each. Ask again with `after` set to `next` until it is null."""
    rows = clusters.page(dataset_or_404(request, project_id, dataset_id), after)
    return {"items": rows, "next": rows[-1]["cluster"] if len(rows) == clusters.PAGE else None}
