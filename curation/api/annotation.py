"""REST: the next record, drafts, submitting, skipping, taking back; everything that was annotated, for editors."""

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.statements import kept
from curation.annotation import answers, honeypots, questions, queue, suggestions
from curation.api.fetching import dataset_or_404
from curation.api.records import record_out
from curation.models import Annotation, Queue

router = Router(tags=["annotating"])
STRICT = {"extra": "forbid"}
State = Annotation.State


class AnswersIn(Schema):
    """`answers` by the questions' names; `seconds` the person spent, if you count them."""

    model_config = STRICT
    answers: dict[str, Any]
    seconds: float | None = None


class SkipIn(Schema):
    model_config = STRICT
    reason: str = ""


class SuggestionIn(Schema):
    model_config = STRICT
    record: int
    question: str
    value: Any
    score: float | None = None
    source: str


class SuggestionsIn(Schema):
    """At most 1,000 at once; one stands for a record, question and source, so sending them again changes nothing."""

    model_config = STRICT
    suggestions: list[SuggestionIn]


def annotation_out(annotation: Annotation, hidden: bool = False) -> dict[str, Any]:
    """An annotation as JSON. What the asker may not know yet is null."""
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
            {"question": names[pk], "value": one.value, "score": one.score, "source": one.source}
            for pk, one in best.items()
            if pk in names
        ],
    }


def _queue_or_404(request: HttpRequest, project_id: int, dataset_id: int) -> Queue:
    project = project_or_404(request, project_id, needs="annotator")
    found = next(iter(_queues(project.pk, dataset_id)), None)
    if found is None:
        child_or_404(project.datasets, dataset_id)
        raise Http404("This dataset has no queue yet.")
    found.dataset.project = project
    return found


@kept
def _queues(project: int, dataset: int) -> QuerySet[Queue]:
    rows = Queue.objects.select_related("dataset").filter(dataset__project=project, dataset=dataset)
    return rows.filter(dataset__deleted_at=None)


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/queue/next",
    response={200: dict, 204: None},
    summary="The record you answer next",
)
def next_record(request: HttpRequest, project_id: int, dataset_id: int, beside: int | None = None) -> Any:
    """What you hold already comes first. `beside` names an annotation you are at, to fetch the one after it. 204: nothing waits."""
    box = _queue_or_404(request, project_id, dataset_id)
    found = _next_out(box, request, beside)
    return Status(204, None) if found is None else found


def _next_out(box: Queue, request: HttpRequest, beside: int | None) -> dict[str, Any] | None:
    annotation = queue.next_task(box, request.user, beside=beside, pick=honeypots.pick)
    if annotation is None:
        return None
    annotation.task.queue = box
    return _task_out(annotation)


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/queue/undo",
    response={200: dict, 409: dict},
    summary="Take back your last submit or skip",
)
def take_back(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    box = _queue_or_404(request, project_id, dataset_id)
    try:
        return annotation_out(answers.undo(box, request.user))
    except ValidationError as error:
        return Status(409, {"detail": " ".join(error.messages)})


def _mine(request: HttpRequest, project_id: int, pk: int) -> Annotation:
    project = project_or_404(request, project_id, needs="annotator")
    found = next(iter(_own(pk, project.pk, request.user.pk)), None)
    if found is None:
        raise Http404("No such annotation.")
    found.task.queue.dataset.project = project
    found.user = request.user
    return found


@kept
def _own(pk: int, project: int, user: int) -> QuerySet[Annotation]:
    rows = Annotation.objects.filter(pk=pk, user=user, task__queue__dataset__project=project)
    rows = rows.filter(task__queue__dataset__deleted_at=None)
    return rows.select_related("record", "task__queue__dataset")


@router.put(
    "/projects/{project_id}/annotations/{pk}/draft", response={200: dict, 409: dict}, summary="Keep a draft of yours"
)
def put_draft(request: HttpRequest, project_id: int, pk: int, body: AnswersIn) -> Any:
    """Answers that are no answers are left out, and the lock is pushed on."""
    annotation = _mine(request, project_id, pk)
    try:
        answers.draft(annotation, body.answers, body.seconds)
    except answers.Lost:
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
    """The same answers again change nothing. 422 names each question with what is wrong. `with_next` brings the record
    that you answer next along, as `next`: one request a record; null when nothing waits."""
    annotation = _mine(request, project_id, pk)
    try:
        answers.submit(annotation, body.answers, body.seconds)
    except answers.Lost:
        return Status(409, {"detail": answers.LOST})
    except ValidationError as error:
        faults = error.message_dict if hasattr(error, "error_dict") else {}
        return Status(422, {"detail": " ".join(error.messages), "faults": faults})
    found = annotation_out(annotation)
    return found | {"next": _next_out(annotation.task.queue, request, beside)} if with_next else found


@router.post(
    "/projects/{project_id}/annotations/{pk}/skip", response={200: dict, 409: dict}, summary="Leave it to somebody else"
)
def skip(request: HttpRequest, project_id: int, pk: int, body: SkipIn) -> Any:
    annotation = _mine(request, project_id, pk)
    if annotation.state == State.SKIPPED:
        return annotation_out(annotation)
    try:
        return annotation_out(answers.skip(annotation, body.reason))
    except answers.Lost:
        return Status(409, {"detail": "You do not hold this record: it is submitted, or somebody else's."})


@router.get("/projects/{project_id}/datasets/{dataset_id}/annotations/mine", summary="What you annotated")
def list_mine(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    state: Literal["", "open", "submitted", "skipped", "expired"] = "",
    after: int = 0,
    limit: int = Query(50, ge=1, le=500),
) -> Any:
    """By keys: ask again with `after` set to `next` until it is null."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    rows = Annotation.objects.filter(task__queue__dataset=dataset, user=request.user)
    return _page(rows.filter(state=state) if state else rows, after, limit, None)


@router.get("/projects/{project_id}/datasets/{dataset_id}/annotations", summary="Every annotation, for editors")
def list_annotations(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    state: Literal["", "open", "submitted", "skipped", "expired"] = "",
    record: int | None = Query(None, ge=1, lt=2**63),
    after: int = 0,
    limit: int = Query(50, ge=1, le=500),
) -> Any:
    """By keys. Answers to a record that still wants some are hidden until you have submitted yours: nobody judges seeing
    what others said."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    rows = Annotation.objects.filter(task__queue__dataset=dataset)
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(record_id=record) if record is not None else rows
    return _page(rows, after, limit, answers.readable(dataset, request.user))


def _page(rows: Any, after: int, limit: int, readable: Any) -> dict[str, Any]:
    if not 0 <= after < 2**63:
        raise ValidationError("This page of the list does not exist: begin again at the first one.")
    found = list(rows.filter(pk__gt=after).order_by("pk")[: limit + 1])
    shown = found[:limit]
    seen = (
        None
        if readable is None
        else set(readable.filter(pk__in=[one.pk for one in shown]).values_list("pk", flat=True))
    )
    return {
        "items": [annotation_out(one, hidden=seen is not None and one.pk not in seen) for one in shown],
        "next": shown[-1].pk if len(found) > limit else None,
    }


@router.post("/projects/{project_id}/datasets/{dataset_id}/suggestions", summary="Suggestions of models, many at once")
def put_suggestions(request: HttpRequest, project_id: int, dataset_id: int, body: SuggestionsIn) -> Any:
    """All or none. Safe to repeat: a suggestion of the same source for the same record and question is replaced."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return {"stored": suggestions.put(dataset, [one.dict() for one in body.suggestions])}
