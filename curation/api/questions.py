"""REST: the questions of a dataset."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from atelier.audit import trail
from atelier.web.schemas import Body, Id, Router
from curation.access import dataset_or_404
from curation.annotation import questions
from curation.api.paging import DATASET
from curation.models import Question

router = Router(tags=["annotating"])
Kinds = Literal["text", "label", "labels", "rating", "ranking", "spans", "comment"]


class QuestionIn(Body):
    """A question.

    `options`: label, labels, spans: {"labels": [text or {"value", "text", "color"}]}; rating: {"low", "high"}; text,
    spans: {"piece": answer, prompt, chosen, rejected or field:NAME}; ranking: {"pieces": [names]}.
    """

    title: str
    kind: Kinds
    name: str = ""
    help: str = ""
    options: dict[str, Any] = {}
    required: bool = True


class QuestionPatch(Body):
    title: str | None = None
    help: str | None = None
    options: dict[str, Any] | None = None
    required: bool | None = None


class OrderIn(Body):
    order: list[Id]


def question_out(question: Question) -> dict[str, Any]:
    names = ("id", "name", "title", "help", "kind", "options", "required", "position")
    return {name: getattr(question, name) for name in names}


@router.get(f"{DATASET}/questions", summary="List questions in their order")
def list_questions(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return [question_out(one) for one in dataset_or_404(request, project_id, dataset_id).questions.all()]


@router.post(f"{DATASET}/questions", response={201: dict}, summary="Create a question")
def create_question(request: HttpRequest, project_id: int, dataset_id: int, body: QuestionIn, key: Key = None) -> Any:
    """Safe to repeat: sending the same question again returns the existing one."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return Status(201, question_out(questions.create(dataset, key, **body.dict())))


@router.post(f"{DATASET}/questions/order", summary="Reorder questions")
def order_questions(request: HttpRequest, project_id: int, dataset_id: int, body: OrderIn) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    questions.reorder(dataset, body.order)
    return [question_out(one) for one in dataset.questions.all()]


@router.patch(f"{DATASET}/questions/{{pk}}", summary="Change a question")
def change_question(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: QuestionPatch) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    changes = {name: value for name, value in body.dict().items() if value is not None}
    return question_out(questions.change(child_or_404(dataset.questions, pk), **changes))


@router.delete(f"{DATASET}/questions/{{pk}}", response={204: None}, summary="Delete a question")
def delete_question(request: HttpRequest, project_id: int, dataset_id: int, pk: int, force: bool = False) -> Any:
    """A question that has answers is deleted only with `force=true`; the answers stay in the annotations."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    question = child_or_404(dataset.questions, pk)
    trail.note_deletion(request, question, request.project, lambda: questions.delete(question, even_if_answered=force))
    return Status(204, None)
