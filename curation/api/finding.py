"""REST: saved filters, facets, completion."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from curation import completion, facets, listing, saved_filters
from curation.api.fetching import dataset_or_404
from curation.api.records import RecordFilters
from curation.filters import Filters
from curation.models import SavedFilter

router = Router(tags=["data"])
ADDRESS = "/projects/{project_id}/datasets/{dataset_id}"


class SavedFilterIn(Schema):
    """`filters` has the names and values of the list's URL."""

    model_config = {"extra": "forbid"}
    name: str
    filters: dict[str, str | int | list[int]]


class NameIn(Schema):
    model_config = {"extra": "forbid"}
    name: str


class SavedFilterOut(Schema):
    id: int
    name: str
    filters: dict[str, Any]
    created_at: datetime


@router.get(ADDRESS + "/filters", response=list[SavedFilterOut], summary="The team's saved filters")
def list_filters(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return dataset_or_404(request, project_id, dataset_id).saved_filters.order_by("name")


@router.post(
    ADDRESS + "/filters", response={201: SavedFilterOut}, summary="Save a filter; the same again gives the same"
)
def save_filter(request: HttpRequest, project_id: int, dataset_id: int, body: SavedFilterIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    chosen = Filters.read(body.filters, strict=True)
    return Status(201, saved_filters.save(dataset, request.user, body.name, chosen, key))


def _saved(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> SavedFilter:
    return child_or_404(dataset_or_404(request, project_id, dataset_id, needs="editor").saved_filters, pk)


@router.patch(ADDRESS + "/filters/{pk}", response=SavedFilterOut, summary="Rename a saved filter")
def rename_filter(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: NameIn) -> Any:
    return saved_filters.rename(_saved(request, project_id, dataset_id, pk), body.name)


@router.delete(ADDRESS + "/filters/{pk}", response={204: None}, summary="Delete a saved filter")
def delete_filter(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    _saved(request, project_id, dataset_id, pk).delete()
    return Status(204, None)


@router.get(ADDRESS + "/facets", summary="Counts by status, split, label and more, with the filters of the list")
def get_facets(request: HttpRequest, project_id: int, dataset_id: int, chosen: Query[RecordFilters]) -> Any:
    """Of what matches while that is at most 500 records, else of the whole dataset: `of` says which."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    page = listing.page(Filters.read(chosen.dict(by_alias=True)), dataset, size=1)
    shown = {facet.name: [vars(value) for value in facet.values] for facet in facets.shown(page.counts)}
    return {"of": page.of, "count": page.count, "count_is_exact": page.exact, "facets": shown}


@router.get(ADDRESS + "/complete", summary="What a search may go on with")
def complete(request: HttpRequest, project_id: int, dataset_id: int, q: str = "") -> Any:
    found = completion.complete(dataset_or_404(request, project_id, dataset_id), q[:500].replace("\x00", " "))
    return {"items": [vars(one) for one in found]}
