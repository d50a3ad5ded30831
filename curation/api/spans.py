"""REST: spans that were set aside because a text lost their words."""

from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field

from atelier.accounts.access import child_or_404
from atelier.web.schemas import Body, Router
from curation.access import dataset_or_404
from curation.annotation import answers, marks
from curation.api.paging import DATASET, After, Size, paged
from curation.models import SpanTrail

router = Router(tags=["agreement and review"])


class PlaceIn(Body):
    """Where the words of the span are in the text now: the Unicode character at which they start."""

    start: Annotated[int, Field(ge=0, le=2**31)]


def trail_out(trail: SpanTrail) -> dict[str, Any]:
    return {
        "id": trail.pk,
        "record": trail.record_id,
        "question": trail.question.name,
        "holder": trail.holder,
        "annotation": trail.annotation_id,
        "source": trail.source,
        "spans": [
            {"id": one.id, "label": one.label, "words": one.words, "places": [place.start for place in one.places]}
            for one in marks.aside([trail])
        ],
    }


def _visible(request: HttpRequest, project_id: int, dataset_id: int) -> QuerySet[SpanTrail]:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    return marks.visible(dataset, answers.readable(dataset, request.user))


@router.get(f"{DATASET}/spans/aside", summary="List spans that were set aside")
def list_aside(request: HttpRequest, project_id: int, dataset_id: int, after: int = After, limit: int = Size) -> Any:
    """By answer: the spans whose words the changed text no longer has, or has in several places. `places` are where the words are now. Answers to records that still need answers are hidden. Request again with `after` set to `next` until it is null."""
    rows = _visible(request, project_id, dataset_id).filter(pk__gt=after)
    return paged(list(rows[: limit + 1]), limit, trail_out)


@router.post(f"{DATASET}/spans/aside/{{trail}}/{{span}}/mark", summary="Mark a set-aside span again")
def mark_again(request: HttpRequest, project_id: int, dataset_id: int, trail: int, span: str, body: PlaceIn) -> Any:
    marks.mark_again(child_or_404(_visible(request, project_id, dataset_id), trail), span, body.start)
    return {"marked": True}


@router.post(f"{DATASET}/spans/aside/{{trail}}/{{span}}/drop", summary="Drop a set-aside span")
def drop(request: HttpRequest, project_id: int, dataset_id: int, trail: int, span: str) -> Any:
    marks.drop(child_or_404(_visible(request, project_id, dataset_id), trail), span)
    return {"dropped": True}
