"""REST: the figures behind a dataset's charts, the points of its map, and selections."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from atelier.audit import trail
from atelier.web.schemas import Body, Router
from curation.access import dataset_or_404
from curation.api.paging import DATASET
from curation.charts import figures, selections
from curation.models import Selection

router = Router(tags=["data"])


class SelectionIn(Body):
    """A polygon on the map: `polygon` has 3 to 2,000 corners, each [x, y] from 0 to 1; y goes upwards.

    The even-odd rule decides what is inside.
    """

    polygon: list[list[Annotated[float, Field(ge=-10, le=10)]]]
    name: str = ""


class SelectionPatch(Body):
    name: str


class SelectionOut(Schema):
    id: int
    name: str
    size: int
    query: str
    created_at: datetime

    @staticmethod
    def resolve_query(made: Selection) -> str:
        return f"in:{made.pk}"


@router.get(f"{DATASET}/charts", summary="Get a dataset's charts as figures")
def get_charts(
    request: HttpRequest, project_id: int, dataset_id: int, unit: Literal["words", "tokens"] = "words"
) -> Any:
    """Use a `term` as `q` to find its records in the list.

    A check of the part `map` places the records that have no position yet.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    return {
        "unit": unit,
        "lengths": [asdict(bar) for bar in figures.lengths(dataset, unit)],
        "balances": {name: [asdict(line) for line in lines] for name, _, lines in figures.balances(dataset)},
        "groups": figures.groups(dataset),
        "on_map": figures.on_map(dataset),
        "without_place": figures.without_place(dataset),
    }


@router.get(f"{DATASET}/map", summary="Download the points of the map, as bytes")
def get_points(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """Returns bytes: first the length of the JSON that follows (`count`, `total`, `first`, `colours`), four bytes,
    little-endian.

    Then, for all points: ids minus `first` (uint32), x, y (float32), and a byte for each of `colours`: an index into
    its names.
    """
    dataset = dataset_or_404(request, project_id, dataset_id)
    return HttpResponse(figures.points(dataset), content_type="application/octet-stream")


@router.get(f"{DATASET}/selections", response=list[SelectionOut], summary="List selections, newest first")
def list_selections(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return selections.listed(dataset_or_404(request, project_id, dataset_id))


@router.post(
    f"{DATASET}/selections", response={201: SelectionOut}, summary="Create a selection from a lasso on the map"
)
def make_selection(request: HttpRequest, project_id: int, dataset_id: int, body: SelectionIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    line = selections.corners(body.polygon)
    return Status(201, selections.choose(dataset, request.user, line, body.name, key))


def _selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Selection:
    return child_or_404(dataset_or_404(request, project_id, dataset_id, needs="editor").selections, pk)


@router.patch(f"{DATASET}/selections/{{pk}}", response=SelectionOut, summary="Rename a selection")
def rename_selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: SelectionPatch) -> Any:
    return selections.rename(_selection(request, project_id, dataset_id, pk), body.name)


@router.delete(f"{DATASET}/selections/{{pk}}", response={204: None}, summary="Delete a selection; its records stay")
def delete_selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    selection = _selection(request, project_id, dataset_id, pk)
    trail.note_deletion(request, selection, request.project, lambda: selections.delete(selection))
    return Status(204, None)
