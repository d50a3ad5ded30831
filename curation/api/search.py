"""REST API of search: saved filters, facets, completion."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.api import Key
from atelier.audit import trail
from atelier.web.schemas import Body, Id, Router, Whole
from curation.access import dataset_or_404
from curation.api.paging import DATASET
from curation.api.records import RecordFilters
from curation.models import SavedFilter
from curation.search import completion, facets
from curation.search import pages as search_pages
from curation.search import saved as saved_filters
from curation.search.filters import Filters

router = Router(tags=["data"])


class SavedFilterIn(Body):
    """A saved filter. `filters` has the names and values of the list's URL."""

    name: str
    filters: dict[str, str | Whole | list[Id]]


class NameIn(Body):
    name: str


class SavedFilterOut(Schema):
    id: int
    name: str
    filters: dict[str, Any]
    created_at: datetime


@router.get(f"{DATASET}/filters", response=list[SavedFilterOut], summary="List the team's saved filters")
def list_filters(request: HttpRequest, project_id: int, dataset_id: int) -> Any:
    return dataset_or_404(request, project_id, dataset_id).saved_filters.order_by("name")


@router.post(f"{DATASET}/filters", response={201: SavedFilterOut}, summary="Save a filter")
def save_filter(request: HttpRequest, project_id: int, dataset_id: int, body: SavedFilterIn, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    chosen = Filters.read(body.filters, strict=True)
    return Status(201, saved_filters.save(dataset, request.user, body.name, chosen, key))


def _saved(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> SavedFilter:
    return child_or_404(dataset_or_404(request, project_id, dataset_id, needs="editor").saved_filters, pk)


@router.patch(f"{DATASET}/filters/{{pk}}", response=SavedFilterOut, summary="Rename a saved filter")
def rename_filter(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: NameIn) -> Any:
    return saved_filters.rename(_saved(request, project_id, dataset_id, pk), body.name)


@router.delete(f"{DATASET}/filters/{{pk}}", response={204: None}, summary="Delete a saved filter")
def delete_filter(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    saved = _saved(request, project_id, dataset_id, pk)
    trail.note_deletion(request, saved, request.project, saved.delete)
    return Status(204, None)


@router.get(f"{DATASET}/facets", summary="Get facet counts (status, split, label and more) for a filter")
def get_facets(request: HttpRequest, project_id: int, dataset_id: int, chosen: Query[RecordFilters]) -> Any:
    """Counts the matching records while they are at most 500, else the whole dataset; `of` states which."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    page = search_pages.page(chosen.filters(request), dataset, size=1)
    shown = {facet.name: [vars(value) for value in facet.values] for facet in facets.shown(page.counts)}
    return {"of": page.of, "count": page.count, "count_is_exact": page.exact, "facets": shown}


@router.get(f"{DATASET}/complete", summary="Complete a search")
def complete(request: HttpRequest, project_id: int, dataset_id: int, q: str = "") -> Any:
    completions = completion.complete(dataset_or_404(request, project_id, dataset_id), q[:500])
    return {"items": [vars(one) for one in completions]}
