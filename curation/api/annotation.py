"""REST API of annotation: the next record, drafts, submitting, skipping, undoing; all annotations, for editors."""

from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import Field, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.database.prepared import prepared
from atelier.web.schemas import Body, Id, Router, Share
from curation.access import dataset_or_404
from curation.annotation import answers, honeypots, questions, suggestions
from curation.annotation import queue as queues
from curation.api.paging import DATASET, Size
from curation.api.records import record_out
from curation.models import Annotation, Queue

router = Router(tags=["annotating"])
State = Annotation.State
Seconds = Annotated[float, Field(ge=0, le=1e9)]  # what is more than a day is not believed


class AnswersIn(Body):
    """Answers by the questions' names, and in `seconds` the time that the person spent, if you count it.

    Spans: null or no key means not answered, an empty list that there is nothing to mark. `revision` is that of the record
    whose text the spans were marked in; by default the one that you were given.
    """

    answers: dict[str, Any]
    seconds: Seconds | None = None
    revision: Id | None = None


class SkipIn(Body):
    reason: str = ""


class SuggestionIn(Body):
    record: Id
    question: str
    value: Any
    score: Share | None = None
    source: str


class SuggestionsIn(Body):
    """At most 1,000 suggestions at once.

    There is one per record, question and source, so sending them again changes nothing.
    """

    suggestions: list[SuggestionIn]


def annotation_out(annotation: Annotation, hidden: bool = False) -> dict[str, Any]:
    """Return an annotation as JSON. What the caller may not know yet is null."""
    return {
        "id": annotation.pk,
        "record": annotation.record_id,
        "author": annotation.author,
        "state": annotation.state,
        "answers": None if hidden else annotation.answers,
        "is_hidden": hidden,
        "skip_reason": annotation.skip_reason,
        "seconds": annotation.seconds,
        "created_at": annotation.created_at,
        "expires_at": annotation.expires_at,
        "submitted_at": annotation.submitted_at,
    }


def _task_out(annotation: Annotation) -> dict[str, Any]:
    best = suggestions.best(annotation.record)
    names = {question.pk: question.name for question in questions.of(annotation.task.queue.dataset)}
    return annotation_out(annotation) | {
        "record": record_out(annotation.record),
        "suggestions": [
            {"question": names[pk], "value": suggestion.value, "score": suggestion.score, "source": suggestion.source}
            for pk, suggestion in best.items()
            if pk in names
        ],
    }


def _queue_or_404(request: HttpRequest, project_id: int, dataset_id: int) -> Queue:
    project = project_or_404(request, project_id, needs="annotator")
    queue = next(iter(_queues(project.pk, dataset_id)), None)
    if queue is None:
        child_or_404(project.datasets, dataset_id)
        raise Http404("This dataset has no queue yet.")
    queue.dataset.project = project
    return queue


@prepared
def _queues(project: int, dataset: int) -> QuerySet[Queue]:
    rows = Queue.objects.select_related("dataset").filter(dataset__project=project, dataset=dataset)
    return rows.filter(dataset__deleted_at=None)


@router.post(
    f"{DATASET}/queue/next",
    response={200: dict, 204: None},
    summary="Get the next record to annotate",
)
def next_record(request: HttpRequest, project_id: int, dataset_id: int, beside: int | None = None) -> Any:
    """A record that you already hold comes first. Set `beside` to the annotation you are working on to get the one after it. 204 means that no record is waiting."""
    queue = _queue_or_404(request, project_id, dataset_id)
    annotation = _next_out(queue, request, beside)
    return Status(204, None) if annotation is None else annotation


def _next_out(queue: Queue, request: HttpRequest, beside: int | None) -> dict[str, Any] | None:
    annotation = queues.next_task(queue, request.user, beside=beside, pick=honeypots.pick)
    if annotation is None:
        return None
    annotation.task.queue = queue
    return _task_out(annotation)


@router.post(
    f"{DATASET}/queue/undo",
    response={200: dict, 409: dict},
    summary="Undo your last submit or skip",
)
def take_back(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    queue = _queue_or_404(request, project_id, dataset_id)
    try:
        return annotation_out(answers.undo(queue, request.user))
    except ValidationError as error:
        return Status(409, {"detail": " ".join(error.messages)})


def _mine(request: HttpRequest, project_id: int, pk: int) -> Annotation:
    project = project_or_404(request, project_id, needs="annotator")
    annotation = next(iter(_own(pk, project.pk, request.user.pk)), None)
    if annotation is None:
        raise Http404("Annotation not found.")
    annotation.task.queue.dataset.project = project
    annotation.user = request.user
    return annotation


@prepared
def _own(pk: int, project: int, user: int) -> QuerySet[Annotation]:
    rows = Annotation.objects.filter(pk=pk, user=user, task__queue__dataset__project=project)
    rows = rows.filter(task__queue__dataset__deleted_at=None)
    return rows.select_related("record", "task__queue__dataset")


@router.put("/projects/{project_id}/annotations/{pk}/draft", response={200: dict, 409: dict}, summary="Save a draft")
def put_draft(request: HttpRequest, project_id: int, pk: int, body: AnswersIn) -> Any:
    """Invalid answers are left out of the draft, and your lock on the record is extended."""
    annotation = _mine(request, project_id, pk)
    try:
        answers.draft(annotation, body.answers, body.seconds, body.revision)
    except answers.LockLost:
        return Status(409, {"detail": answers.LOST})
    return annotation_out(annotation)


@router.post(
    "/projects/{project_id}/annotations/{pk}/submit",
    response={200: dict, 409: dict, 422: dict},
    summary="Submit your answers",
)
def submit(
    request: HttpRequest, project_id: int, pk: int, body: AnswersIn, with_next: bool = False, beside: int | None = None
) -> Any:
    """Sending the same answers again changes nothing. 422 names each question with its error. With `with_next` the response holds the next record to annotate as `next`, null when no record is waiting, so that one request a record is enough."""
    annotation = _mine(request, project_id, pk)
    try:
        answers.submit(annotation, body.answers, body.seconds, body.revision)
    except answers.LockLost:
        return Status(409, {"detail": answers.LOST})
    except ValidationError as error:
        faults = error.message_dict if hasattr(error, "error_dict") else {}
        return Status(422, {"detail": " ".join(error.messages), "faults": faults})
    answer = annotation_out(annotation)
    return answer | {"next": _next_out(annotation.task.queue, request, beside)} if with_next else answer


@router.post("/projects/{project_id}/annotations/{pk}/skip", response={200: dict, 409: dict}, summary="Skip a record")
def skip(request: HttpRequest, project_id: int, pk: int, body: SkipIn) -> Any:
    annotation = _mine(request, project_id, pk)
    if annotation.state == State.SKIPPED:
        return annotation_out(annotation)
    try:
        return annotation_out(answers.skip(annotation, body.reason))
    except answers.LockLost:
        return Status(409, {"detail": "You don't hold this record. It was submitted or belongs to someone else."})


@router.get(f"{DATASET}/annotations/mine", summary="List your annotations")
def list_mine(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    state: Literal["", "open", "submitted", "skipped", "expired"] = "",
    after: int = 0,
    limit: int = Size,
) -> Any:
    """Request again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    rows = Annotation.objects.filter(task__queue__dataset=dataset, user=request.user)
    return _page(rows.filter(state=state) if state else rows, after, limit, None)


@router.get(f"{DATASET}/annotations", summary="List all annotations, for editors")
def list_annotations(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    state: Literal["", "open", "submitted", "skipped", "expired"] = "",
    record: Id | None = None,
    after: int = 0,
    limit: int = Size,
) -> Any:
    """Answers to a record that still needs more are hidden until you have submitted yours, so that nobody is influenced by others."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    rows = Annotation.objects.filter(task__queue__dataset=dataset)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(record_id=record) if record is not None else rows
    return _page(rows, after, limit, answers.readable(dataset, request.user))


def _page(rows: Any, after: int, limit: int, readable: Any) -> dict[str, Any]:
    if not 0 <= after < 2**63:
        raise ValidationError("This page of the list does not exist. Start again at the first page.")
    annotations = list(rows.filter(pk__gt=after).order_by("pk")[: limit + 1])
    shown = annotations[:limit]
    seen = (
        None
        if readable is None
        else set(readable.filter(pk__in=[annotation.pk for annotation in shown]).values_list("pk", flat=True))
    )
    return {
        "items": [
            annotation_out(annotation, hidden=seen is not None and annotation.pk not in seen) for annotation in shown
        ],
        "next": shown[-1].pk if len(annotations) > limit else None,
    }


@router.post(f"{DATASET}/suggestions", summary="Add suggestions of models in bulk")
def put_suggestions(request: HttpRequest, project_id: int, dataset_id: int, body: SuggestionsIn) -> Any:
    """Saves all suggestions or none.

    Safe to repeat: a suggestion of the same source for the same record and question is replaced.
    """
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return {"stored": suggestions.put(dataset, [one.dict() for one in body.suggestions])}
