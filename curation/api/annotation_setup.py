"""REST: the questions of a dataset and its queue."""

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from curation.annotation import assignments, questions, queue, settings
from curation.api.fetching import dataset_or_404
from curation.filters import Filters
from curation.models import Question, Queue

router = Router(tags=["annotating"])
STRICT = {"extra": "forbid"}
Kinds = Literal["text", "label", "labels", "rating", "ranking", "spans", "comment"]


class QuestionIn(Schema):
    """`options`: label, labels, spans: {"labels": [text or {"value", "text", "color"}]}; rating: {"low", "high"}; text,
    spans: {"piece": answer, prompt, chosen, rejected or field:NAME}; ranking: {"pieces": [names]}."""

    model_config = STRICT
    title: str
    kind: Kinds
    name: str = ""
    help: str = ""
    options: dict[str, Any] = {}
    required: bool = True


class QuestionPatch(Schema):
    model_config = STRICT
    title: str | None = None
    help: str | None = None
    options: dict[str, Any] | None = None
    required: bool | None = None


class OrderIn(Schema):
    model_config = STRICT
    order: list[int]


class QueuePatch(Schema):
    """What is left out stays as it is."""

    model_config = STRICT
    is_open: bool | None = None
    overlap: int | None = None
    guidelines: str | None = None
    order: Literal["oldest", "shuffled"] | None = None
    lock_minutes: int | None = None
    honeypot_rate: float | None = None
    tolerance: float | None = None
    assigned_only: bool | None = None


class FillIn(Schema):
    """The names and values of the records' list; empty filters mean every record."""

    model_config = STRICT
    filters: dict[str, str | int | list[int]] = {}


class AssignIn(FillIn):
    users: list[str] = Field(min_length=1, max_length=500)
    evenly: bool = True


def question_out(question: Question) -> dict[str, Any]:
    names = ("id", "name", "title", "help", "kind", "options", "required", "position")
    return {name: getattr(question, name) for name in names}


def queue_out(box: Queue) -> dict[str, Any]:
    names = ("is_open", "overlap", "guidelines", "order", "lock_minutes", "honeypot_rate", "assigned_only", "tolerance")
    tasks = queue.counts(box) if box.pk else {}
    return {name: getattr(box, name) for name in names} | {"tasks": tasks}


@router.get("/projects/{project_id}/datasets/{dataset_id}/questions", summary="Questions in their order")
def list_questions(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return [question_out(one) for one in dataset_or_404(request, project_id, dataset_id).questions.all()]


@router.post("/projects/{project_id}/datasets/{dataset_id}/questions", response={201: dict}, summary="Ask a question")
def create_question(request: HttpRequest, project_id: int, dataset_id: int, body: QuestionIn, key: Key = None) -> Any:
    """Safe to repeat: the very same question again gives the one that is there."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return Status(201, question_out(questions.create(dataset, key, **body.dict())))


@router.post("/projects/{project_id}/datasets/{dataset_id}/questions/order", summary="Put the questions in order")
def order_questions(request: HttpRequest, project_id: int, dataset_id: int, body: OrderIn) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    questions.reorder(dataset, body.order)
    return [question_out(one) for one in dataset.questions.all()]


@router.patch("/projects/{project_id}/datasets/{dataset_id}/questions/{pk}", summary="Change a question")
def change_question(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: QuestionPatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    given = {name: value for name, value in body.dict().items() if value is not None}
    return question_out(questions.change(child_or_404(dataset.questions, pk), **given))


@router.delete(
    "/projects/{project_id}/datasets/{dataset_id}/questions/{pk}", response={204: None}, summary="Delete a question"
)
def delete_question(request: HttpRequest, project_id: int, dataset_id: int, pk: int, force: bool = False) -> Any:
    """One that has answers goes only with `force=true`; the answers stay in the annotations."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    questions.delete(child_or_404(dataset.questions, pk), even_if_answered=force)
    return Status(204, None)


@router.get("/projects/{project_id}/datasets/{dataset_id}/queue", summary="The queue: its settings and counts")
def get_queue(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id)
    return queue_out(Queue.objects.filter(dataset=dataset).first() or Queue(dataset=dataset))


@router.patch("/projects/{project_id}/datasets/{dataset_id}/queue", summary="Change the queue's settings")
def change_queue(request: HttpRequest, project_id: int, dataset_id: int, body: QueuePatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    given = {name: value for name, value in body.dict().items() if value is not None}
    return queue_out(settings.change(queue.of(dataset), **given))


@router.post("/projects/{project_id}/datasets/{dataset_id}/queue/fill", summary="Put records into the queue")
def fill_queue(request: HttpRequest, project_id: int, dataset_id: int, body: FillIn) -> Any:
    """Safe to repeat: records that are in it stay as they are."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    added = queue.fill(dataset, Filters.read(body.filters).records(dataset))
    return {"added": added, **queue_out(queue.of(dataset))}


@router.post("/projects/{project_id}/datasets/{dataset_id}/queue/assign", summary="Assign records to people")
def assign(request: HttpRequest, project_id: int, dataset_id: int, body: AssignIn) -> Any:
    """Safe to repeat: only what is missing is added."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    able = {user.username: user for user in assignments.people(dataset.project.team_id)}
    people = {name: able[name] for name in body.users if name in able}
    if missing := [name for name in body.users if name not in people]:
        raise ValidationError(f"{missing[0][:150]} cannot annotate in this team.")
    chosen = Filters.read(body.filters).records(dataset)
    return {"made": assignments.assign(dataset, chosen, list(people.values()), request.user, body.evenly)}
