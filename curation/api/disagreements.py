"""REST: answers that differ, and deciding between them."""

from typing import Any

from django.http import HttpRequest
from ninja import Field

from atelier.accounts.access import child_or_404
from atelier.web.schemas import Body, Router, Whole
from curation.access import dataset_or_404
from curation.annotation import adjudication
from curation.api.paging import DATASET, After, Size, paged
from curation.models import Dataset, Task

router = Router(tags=["agreement and review"])


class DecisionIn(Body):
    """The final answers, by the questions' names, and why."""

    answers: dict[str, Any]
    note: str = Field("", max_length=500)
    revision: Whole | None = None  # of the record whose text spans were marked in


def disagreement_out(task: Task) -> dict[str, Any]:
    issues = adjudication.issues(task)
    return {
        "id": task.pk,
        "record": task.record_id,
        "state": task.state,
        "questions": [
            {
                "name": issue.question.name,
                "differs": issue.differs,
                "answers": [{"annotation": one.pk, "value": one.value, "people": one.people} for one in issue.said],
            }
            for issue in issues
        ],
        "stands": task.answers if task.state == Task.State.DONE else None,
        "settled_by": task.settled_by.username if task.settled_by else None,
        "note": task.settled_note,
        "settled_at": task.settled_at,
    }


def _task(dataset: Dataset, pk: int) -> Task:
    tasks = Task.objects.filter(queue__dataset=dataset, known__isnull=True).exclude(state=Task.State.OPEN)
    task = child_or_404(tasks.select_related("queue", "record", "settled_by"), pk)
    task.queue.dataset = dataset
    return task


@router.get(f"{DATASET}/disagreements", summary="List disagreements")
def list_disagreements(
    request: HttpRequest, project_id: int, dataset_id: int, after: int = After, limit: int = Size
) -> Any:
    """Request again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    rows = adjudication.disputed(dataset).filter(pk__gt=after).select_related("queue__dataset", "settled_by")
    return paged(list(rows.order_by("pk")[: limit + 1]), limit, disagreement_out)


@router.get(f"{DATASET}/disagreements/{{pk}}", summary="Get a record's answers and the current decision")
def get_disagreement(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    return disagreement_out(_task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk))


@router.post(f"{DATASET}/disagreements/{{pk}}/settle", summary="Decide a disagreement")
def settle_disagreement(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: DecisionIn) -> Any:
    """Safe to repeat: sending the same decision again changes nothing. 422 when someone else has decided differently."""
    task = _task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk)
    again = task.state == Task.State.DONE and task.settled_by == request.user and task.answers == body.answers
    return disagreement_out(
        task if again else adjudication.decide(task, request.user, body.answers, body.note, seen=body.revision)
    )


@router.post(f"{DATASET}/disagreements/{{pk}}/undo", summary="Undo a decision")
def undo_disagreement(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    task = _task(dataset_or_404(request, project_id, dataset_id, needs="editor"), pk)
    return disagreement_out(adjudication.reopen(task, request.user))
