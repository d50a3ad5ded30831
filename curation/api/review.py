"""REST: reviewing submitted answers."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field

from atelier.accounts.access import child_or_404
from atelier.web.schemas import Body, Router
from curation.access import dataset_or_404
from curation.annotation import review as annotation_review
from curation.api.disagreements import DecisionIn
from curation.api.paging import DATASET, After, Size, paged
from curation.models import Annotation

router = Router(tags=["agreement and review"])


class NoteIn(Body):
    note: str = Field(max_length=1000)


def reviewed_out(annotation: Annotation) -> dict[str, Any]:
    facts = ("id", "author", "state", "answers", "seconds", "review", "review_note", "reviewed_at", "submitted_at")
    by = annotation.reviewed_by.username if annotation.reviewed_by else None
    return {name: getattr(annotation, name) for name in facts} | {"record": annotation.record_id, "reviewed_by": by}


@router.get(f"{DATASET}/reviewing", summary="List answers to review")
def list_reviewing(
    request: HttpRequest, project_id: int, dataset_id: int, person: str = "", question: str = "",
    review: Literal["none", "accepted", "corrected", "all"] = "none", after: int = After, limit: int = Size,
) -> Any:  # fmt: skip
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    which = {"none": "", "all": None}.get(review, review)
    rows = annotation_review.waiting(dataset, person[:150], question[:60], which)
    return paged(list(rows.filter(pk__gt=after)[: limit + 1]), limit, reviewed_out)


def _submitted(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Annotation:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return child_or_404(annotation_review.waiting(dataset, review=None), pk)


@router.post(f"{DATASET}/reviewing/{{pk}}/accept", summary="Accept an answer")
def accept(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    return reviewed_out(annotation_review.accept(_submitted(request, project_id, dataset_id, pk), request.user))


@router.post(f"{DATASET}/reviewing/{{pk}}/return", summary="Send an answer back with a comment")
def send_back(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: NoteIn) -> Any:
    annotation = _submitted(request, project_id, dataset_id, pk)
    return reviewed_out(annotation_review.send_back(annotation, request.user, body.note))


@router.post(f"{DATASET}/reviewing/{{pk}}/correct", summary="Correct submitted answers")
def correct(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: DecisionIn) -> Any:
    annotation = _submitted(request, project_id, dataset_id, pk)
    return reviewed_out(annotation_review.correct(annotation, request.user, body.answers, body.note, body.revision))
