"""REST: imports, of rows, an address or a file."""

from typing import Any, Literal

import orjson
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.http import HttpRequest
from ninja import Field, File, Form, Query, Router, Schema, Status, UploadedFile

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation import importing, origins
from curation.api.fetching import dataset_or_404
from curation.models import Dataset, Import

router = Router(tags=["data"])
STRICT = {"extra": "forbid"}
INLINE_ROWS = 10_000


class ImportRows(Schema):
    """Rows in the request itself, or an address that the job fetches. Without a mapping one is suggested by the columns."""

    model_config = STRICT
    rows: list[dict[str, Any]] | None = Field(None, max_length=INLINE_ROWS)
    url: str = ""
    text: str = Field("", max_length=2_000_000, description="the file itself, as text")
    source: dict[str, str] | None = Field(
        None,
        description='a folder, bucket or hub: {"kind": "folder", "path"}, {"kind": "s3", "address", "endpoint", "region", '
        '"access_key", "secret_key"} or {"kind": "hub", "name", "config", "split", "revision"}',
    )
    mapping: dict[str, Any] | None = None
    skip_duplicates: bool = True
    update_by_key: bool = Field(False, description="a row with the key of a record changes it instead of adding one")
    sheet: str = Field("", max_length=100, description="of a workbook; the first with rows unless given")


def import_out(job: Import) -> dict[str, Any]:
    return job_out(job) | {
        "dataset": job.dataset_id,
        "name": job.original_name,
        "url": job.url,
        "size": job.size,
        "source": job.source,
        "mapping": job.mapping,
        "confirmed": job.confirmed,
        "skip_duplicates": job.skip_duplicates,
        "update_by_key": job.update_by_key,
        "origin": origins.public(job.origin) if job.origin else {},
        "ok": job.ok,
        "updated": job.updated,
        "failed": job.failed,
        "skipped": job.skipped,
    }


def _begin(dataset: Dataset, request: HttpRequest, mapping: Any, choices: dict[str, bool], **source: Any) -> Any:
    """Begin and start at once: whoever calls an API looks at no preview. A request that comes again changes nothing."""
    chosen = importing.mapping_from(mapping) if mapping is not None else None
    job = importing.begin(dataset, request.user, **source)
    if job.status == Import.Status.DRAFT:
        importing.confirm_unseen(job, chosen, **choices)
        queue.wake(job)
    job.refresh_from_db()
    return Status(202, import_out(job))


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/imports", response={202: dict}, summary="Import rows or an address"
)
def import_rows(request: HttpRequest, project_id: int, dataset_id: int, body: ImportRows, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    given = [name for name in ("url", "text", "source") if getattr(body, name)]
    if len(given) + (body.rows is not None) != 1:
        raise ValidationError("Send one of `rows`, `url`, `text` and `source`.")
    choices = {"skip_duplicates": body.skip_duplicates, "update_by_key": body.update_by_key}
    if body.rows is not None:
        pieces = (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in body.rows)
        lines = ContentFile(b"".join(pieces), name="rows.jsonl")
        return _begin(dataset, request, body.mapping, choices, file=lines, name="rows.jsonl", key=key, sheet=body.sheet)
    source = {"url": body.url, "text": body.text, "origin": body.source, "key": key, "sheet": body.sheet}
    return _begin(dataset, request, body.mapping, choices, **source)


@router.post("/projects/{project_id}/datasets/{dataset_id}/imports/file", response={202: dict}, summary="Import a file")
def import_file(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    file: File[UploadedFile],
    mapping: str = Form(""),
    skip_duplicates: bool = Form(True),
    update_by_key: bool = Form(False),
    sheet: str = Form("", max_length=100),
    key: Key = None,
) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        chosen = orjson.loads(mapping) if mapping else None
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"The mapping is not valid JSON ({error}).") from error
    choices = {"skip_duplicates": skip_duplicates, "update_by_key": update_by_key}
    return _begin(dataset, request, chosen, choices, file=file, name=file.name or "file", key=key, sheet=sheet)


@router.get("/projects/{project_id}/imports", summary="Imports, the newest first")
def list_imports(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [import_out(job) for job in newest(project_or_404(request, project_id).imports, limit, before)]


@router.get("/projects/{project_id}/imports/{pk}", summary="How an import stands")
def get_import(request: HttpRequest, project_id: int, pk: int) -> Any:
    return import_out(child_or_404(project_or_404(request, project_id).imports, pk))


@router.get("/projects/{project_id}/imports/{pk}/issues", summary="Rows that were not taken, and why")
def import_issues(
    request: HttpRequest,
    project_id: int,
    pk: int,
    after: int = Query(0, ge=0, lt=2**63),
    limit: int = Query(100, ge=1, le=1000),
) -> Any:
    """By line. Ask again with `after` set to `next` until it is null."""
    job = child_or_404(project_or_404(request, project_id).imports, pk)
    rows = list(
        job.issues.filter(line__gt=after)
        .order_by("line")
        .values("id", "line", "outcome", "code", "message", "raw", "file", "record")[: limit + 1]
    )
    return {"items": rows[:limit], "next": rows[limit - 1]["line"] if len(rows) > limit else None}


@router.post("/projects/{project_id}/imports/{pk}/{move}", summary="Cancel, pause or resume an import")
def move_import(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "pause", "resume"]) -> Any:
    job = child_or_404(project_or_404(request, project_id, needs="editor").imports, pk)
    if not {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}[move]():
        raise ValidationError(f"The import is {job.get_status_display().lower()}: it cannot {move}.")
    if move == "resume":
        queue.wake(job)
    return import_out(job)
