"""REST API of dataset checks: the problems they found, and pairs and groups of near-duplicates."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Query, Status

from atelier.accounts.access import project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Body, Router, Share
from curation.access import dataset_or_404
from curation.api.paging import DATASET, After
from curation.models import Check, NearDuplicate
from curation.quality import clusters, duplicates, jobs, problems

router = Router(tags=["data"])


class CheckIn(Body):
    """The `part` to check: texts, duplicates or map.

    `everything` checks texts again that were already checked; `threshold` is the Jaccard similarity of three-word
    shingles from which two records are near-duplicates, 0.42 unless given.
    """

    part: str = Field(max_length=10)
    everything: bool = False
    threshold: Share | None = None


def check_out(job: Check) -> dict[str, Any]:
    facts = {"dataset": job.dataset_id, "part": job.part, "options": job.options, "found": job.found}
    return job_out(job) | facts


@router.post(
    f"{DATASET}/checks",
    response={202: dict},
    summary="Start a check of texts or near-duplicates",
)
def start_check(request: HttpRequest, project_id: int, dataset_id: int, body: CheckIn, key: Key = None) -> Any:
    """New and changed records are checked automatically; this starts a check now."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    wish = {"everything": body.everything, "threshold": body.threshold}
    job = jobs.begin(dataset, request.user, body.part, key=key, **wish)
    if job.status == Check.Status.QUEUED:
        queue.wake(job)
    return Status(202, check_out(job))


@router.get("/projects/{project_id}/checks", summary="List checks, newest first")
def list_checks(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [check_out(job) for job in newest(project_or_404(request, project_id).checks, limit, before)]


@router.get("/projects/{project_id}/checks/{pk}", summary="Get a check and its results")
def get_check(request: HttpRequest, project_id: int, pk: int) -> Any:
    return check_out(job_or_404(request, Check, project_id, pk))


@router.post("/projects/{project_id}/checks/{pk}/{move}", summary="Cancel, pause or resume a check")
def move_check(request: HttpRequest, project_id: int, pk: int, move: str) -> Any:
    job = job_or_404(request, Check, project_id, pk, needs="editor")
    if move not in job.MOVES:
        raise ValidationError(f"No move is called {move[:20]!r}. Use cancel, pause or resume.")
    if job.move(move) and move == "resume":
        queue.wake(job)
    return check_out(job)


@router.get(f"{DATASET}/problems", summary="List problems by code, with counts")
def list_problems(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """Use a problem's `query` to find its records in the list.

    A bulk action `fix` with `codes` fixes those that are `fixable`.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    names = ("code", "title", "severity", "count", "fixable", "example", "query")
    items = [{name: getattr(group, name) for name in names} for group in problems.groups(dataset)]
    return {"items": items, "unchecked": dataset.records.filter(is_checked=False).count()}


def pair_out(pair: NearDuplicate) -> dict[str, Any]:
    return {
        "id": pair.pk, "first": pair.first_id, "second": pair.second_id, "similarity": round(pair.similarity, 4),
        "splits": [pair.first.split, pair.second.split], "cluster": pair.first.cluster,
    }  # fmt: skip


@router.get(f"{DATASET}/duplicates", summary="List pairs of near-duplicates")
def list_pairs(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    crossing: bool = False,
    after: int = After,
    limit: int = Query(100, ge=1, le=1000),
) -> Any:
    """Pairs are sorted by id; with `crossing` only pairs in different splits.

    Request again with `after` set to `next` until it is null.

    For `bounded` records only about the 16 closest pairs are stored, because they resemble very many others.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    rows = list(problems.pairs(dataset, crossing=crossing, after=after)[: limit + 1])
    following = rows[limit - 1].pk if len(rows) > limit else None
    items = [pair_out(row) for row in rows[:limit]]
    return {"items": items, "next": following, "bounded": duplicates.bounded(dataset)}


@router.get(f"{DATASET}/clusters", summary="List groups of near-duplicates")
def list_clusters(request: HttpRequest, project_id: int, dataset_id: int, after: int = After) -> Any:
    """Returns thirty groups at a time, sorted by the smallest id in each.

    Request again with `after` set to `next` until it is null.
    """
    rows = clusters.page(dataset_or_404(request, project_id, dataset_id), after)
    return {"items": rows, "next": rows[-1]["cluster"] if len(rows) == clusters.PAGE else None}
