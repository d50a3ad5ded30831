"""REST API of records, with the filters of the records' page."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Query, Schema, Status

from atelier.accounts.access import child_or_404
from atelier.accounts.models import User
from atelier.api import Before, Limit, newest
from atelier.web.schemas import Body, Id, Router, Whole
from curation.access import dataset_or_404
from curation.api.paging import DATASET, Size
from curation.models import Record
from curation.records import changes as record_edits
from curation.search import pages as search_pages
from curation.search.filters import Filters

router = Router(tags=["data"])


class RecordPatch(Body):
    """Changes of a record.

    `revision` is the one you read: if somebody has changed the record since, the response is 409 with the record as it
    is.
    """

    revision: Whole
    status: Literal["new", "accepted", "rejected", "skipped"] | None = None
    messages: list[dict[str, Any]] | None = None
    fields: dict[str, Any] | None = None
    chosen: list[dict[str, Any]] | None = None
    rejected: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    labels: list[str] | None = None


class RecordFilters(Schema):
    q: str = ""
    status: str = ""
    split: str = ""
    problems: str = ""
    sort: str = ""
    import_id: Id | None = Field(None, alias="import")

    def filters(self, request: HttpRequest) -> Filters:
        """Convert the query to `Filters`.

        Raises ValidationError, also for a misspelt filter in the URL, which would list everything.
        """
        Filters.read(request.GET, strict=True, besides={"after", "limit"})
        return Filters.read(self.dict(by_alias=True))


def record_out(record: Record) -> dict[str, Any]:
    return short_out(record) | {
        "fields": record.fields,
        "messages": record.messages,
        "tools": record.tools,
        "chosen": record.chosen,
        "rejected": record.rejected,
        "metadata": record.metadata,
        "problems": record.problems,
        "import": record.imported_by_id,
        "import_line": record.import_line,
        "source": record.source_id,
        "origin": record.origin,
        "reviewed_by": record.reviewed_by.username if record.reviewed_by else record.reviewed_note,
    }


def short_out(record: Record) -> dict[str, Any]:
    return {
        "id": record.pk,
        "dataset": record.dataset_id,
        "preview": record.preview,
        "status": record.status,
        "split": record.split,
        "words": record.words,
        "problem_count": record.problem_count,
        "key": record.key,
        "revision": record.revision,
        "content_hash": record.content_hash,
        "created_at": record.created_at,
        "changed_at": record.changed_at,
        "deleted": record.deleted_at is not None,
    }


@router.get(f"{DATASET}/records", summary="List records, with the filters of the page")
def list_records(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    chosen: Query[RecordFilters],
    after: str = "",
    limit: int = Size,
) -> Any:
    """Request again with `after` set to `next` until it is null. Get a record for its full content."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    page = search_pages.page(chosen.filters(request), dataset, after=after, size=limit)
    return {
        "items": [short_out(record) for record in page.records],
        "next": page.after,
        "count": page.count,
        "count_is_exact": page.exact,
    }


def _record(request: HttpRequest, project_id: int, dataset_id: int, pk: int, needs: str = "viewer") -> Record:
    dataset = dataset_or_404(request, project_id, dataset_id, needs=needs)
    return child_or_404(dataset.records.select_related("dataset", "reviewed_by"), pk)


@router.get(f"{DATASET}/records/{{pk}}", summary="Get a record")
def get_record(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> Any:
    return record_out(_record(request, project_id, dataset_id, pk))


@router.patch(
    f"{DATASET}/records/{{pk}}",
    response={200: dict, 409: dict},
    summary="Edit or review a record",
)
def patch_record(request: HttpRequest, project_id: int, dataset_id: int, pk: int, body: RecordPatch) -> Any:
    record = _record(request, project_id, dataset_id, pk, needs="annotator")
    values = {name: value for name, value in body.dict(exclude={"revision"}).items() if value is not None}
    try:
        record_edits.update(record, request.user, body.revision, values)
    except record_edits.Conflict as conflict:
        return Status(409, {"detail": str(conflict), "record": record_out(conflict.record)})
    return record_out(Record.objects.select_related("reviewed_by").get(pk=pk))


@router.get(f"{DATASET}/records/{{pk}}/changes", summary="List a record's history")
def record_changes(
    request: HttpRequest, project_id: int, dataset_id: int, pk: int, limit: Limit = 200, before: Before = None
) -> Any:
    """Changes are sorted newest first."""
    names = ("id", "actor", "action", "before", "after", "revision", "at", "bulk")
    changes = newest(_record(request, project_id, dataset_id, pk).changes, limit, before).values(*names)
    sides = [change[side] for change in changes for side in ("before", "after")]
    people = User.objects.in_bulk({side["reviewed_by_id"] for side in sides if side.get("reviewed_by_id")})
    for side in sides:
        if "reviewed_by_id" in side:  # by name, as in the record
            person = people.get(side.pop("reviewed_by_id"))
            side["reviewed_by"] = person and person.username
    return list(changes)
