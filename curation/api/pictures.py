"""REST: the figures behind a dataset's pictures, the points of its map, and selections."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from curation import lassos, pictures
from curation.api.fetching import dataset_or_404
from curation.models import Selection

router = Router(tags=["data"])
ADDRESS = "/projects/{project_id}/datasets/{dataset_id}"


class SelectionIn(Schema):
    """`polygon`: 3 to 2,000 corners, each [x, y] from 0 to 1; y goes upwards. The even-odd rule says what is inside."""

    model_config = {"extra": "forbid"}
    polygon: list[list[float]]
    name: str = ""


class SelectionPatch(Schema):
    model_config = {"extra": "forbid"}
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


@router.get(ADDRESS + "/pictures", summary="Lengths, balances and groups of near-duplicates, as figures")
def get_pictures(
    request: HttpRequest, project_id: int, dataset_id: int, unit: Literal["words", "tokens"] = "words"
) -> Any:
    """`term` finds the records in the list (`q`). A check of the part `map` gives places to the records without one."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    return {
        "unit": unit,
        "lengths": [asdict(bar) for bar in pictures.lengths(dataset, unit)],
        "balances": {name: [asdict(line) for line in lines] for name, _, lines in pictures.balances(dataset)},
        "groups": pictures.groups(dataset),
        "on_map": pictures.on_map(dataset),
        "without_place": pictures.without_place(dataset),
    }


@router.get(ADDRESS + "/map", summary="The points of the map, as bytes")
def get_points(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    """Four bytes, little-endian: the length of the JSON that follows (`count`, `total`, `first`, `colours`). Then, for all
    points: ids less `first` (uint32), x, y (float32), and a byte for each of `colours`: a place among its names."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    return HttpResponse(pictures.points(dataset), content_type="application/octet-stream")


@router.get(ADDRESS + "/selections", response=list[SelectionOut], summary="Selections, newest first")
def list_selections(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return lassos.listed(dataset_or_404(request, project_id, dataset_id))


@router.post(ADDRESS + "/selections", response={201: SelectionOut}, summary="Keep what lies inside a line on the map")
def make_selection(request: HttpRequest, project_id: int, dataset_id: int, body: SelectionIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    line = lassos.corners(body.polygon)
    return Status(201, lassos.choose(dataset, request.user, line, body.name, key))


def _selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Selection:
    return child_or_404(dataset_or_404(request, project_id, dataset_id, needs="editor").selections, pk)


@router.patch(ADDRESS + "/selections/{pk}", response=SelectionOut, summary="Rename a selection")
def rename_selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: SelectionPatch) -> Any:
    return lassos.rename(_selection(request, project_id, dataset_id, pk), body.name)


@router.delete(ADDRESS + "/selections/{pk}", response={204: None}, summary="Delete a selection; its records stay")
def delete_selection(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    lassos.delete(_selection(request, project_id, dataset_id, pk))
    return Status(204, None)
