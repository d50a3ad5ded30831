"""REST: control questions, and how far the people of a dataset are."""

from typing import Any

from django.http import HttpRequest
from ninja import Status

from atelier.accounts.access import child_or_404
from atelier.web.schemas import Body, Id, Router
from curation.access import dataset_or_404
from curation.annotation import honeypots, progress
from curation.api.paging import DATASET, After, Size, paged
from curation.models import Task

router = Router(tags=["agreement and review"])


class HoneypotIn(Body):
    record: Id
    answers: dict[str, Any]


class HoneypotsIn(Body):
    """At most 1,000 honeypots at once."""

    honeypots: list[HoneypotIn]


@router.get(f"{DATASET}/honeypots", summary="List control questions")
def list_honeypots(
    request: HttpRequest, project_id: int, dataset_id: int, after: int = After, limit: int = Size
) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return paged(list(honeypots.of(dataset).filter(pk__gt=after)[: limit + 1]), limit, _honeypot_out)


def _honeypot_out(task: Any) -> dict[str, Any]:
    facts = {"id": task.pk, "record": task.record_id, "answers": task.known, "right": task.right, "wrong": task.wrong}
    return facts | {"is_given": task.state == Task.State.OPEN}


@router.post(f"{DATASET}/honeypots", summary="Create control questions")
def put_honeypots(request: HttpRequest, project_id: int, dataset_id: int, body: HoneypotsIn) -> Any:
    """Saves all honeypots or none. Safe to repeat: sent again, the known answers are replaced."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return {"stored": honeypots.mark(dataset, [one.dict() for one in body.honeypots])}


@router.delete(f"{DATASET}/honeypots/{{pk}}", response={204: None}, summary="Retire a control question")
def end_honeypot(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    honeypots.retire(child_or_404(honeypots.of(dataset), pk))
    return Status(204, None)


@router.get(f"{DATASET}/progress", summary="Get progress by annotator")
def get_progress(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """Editors see everyone's progress, annotators only their own. Times are in seconds, shares from 0 to 1."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    only = None if request.project.role.covers("editor") else request.user
    names = (
        "name",
        "done",
        "skipped",
        "returned",
        "median",
        "p90",
        "agreement",
        "compared",
        "accuracy",
        "interval",
        "judged",
    )
    return [{name: getattr(one, name) for name in names} for one in progress.people(dataset.project, dataset, only)]
