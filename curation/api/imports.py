"""REST API of imports: of rows, a URL or a file."""

import json
from typing import Any, Literal

import orjson
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.http import HttpRequest
from ninja import Field, File, Form, Query, Status, UploadedFile

from atelier.accounts.access import project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import Body, Router
from curation.access import dataset_or_404
from curation.api.paging import DATASET, After
from curation.formats.readers.sources import READINGS
from curation.imports import account, drafts, dry_run
from curation.imports.notes import notes_of
from curation.imports.origins import collect
from curation.models import Dataset, Import

router = Router(tags=["data"])
INLINE_ROWS = 10_000


class ImportRows(Body):
    """Rows in the request itself, or a URL that the job downloads. Without a mapping, one is suggested from the columns."""

    as_data = frozenset({"rows"})
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
    update_by_key: bool = Field(False, description="a row with the ID of a record updates it instead of adding one")
    check: bool = Field(
        False,
        description="import nothing: return how the rows would end, at most 10,000 and as many as 5 seconds allow",
    )
    sheet: str = Field("", max_length=100, description="of a workbook; defaults to the first sheet with rows")
    encoding: str = Field("", max_length=40, description="of a text file; guessed by default")
    delimiter: str = Field(
        "", max_length=4, description="of a table of text: `,`, `;`, `|` or a tab; guessed by default"
    )
    quoting: str = Field(
        "", max_length=20, description="`doubled`, `backslash`, `single` or `none`; guessed by default"
    )
    header: str = Field("", max_length=4, description="the row with the names, `0` for none; guessed by default")


def import_out(job: Import, whole: bool = True) -> dict[str, Any]:
    """Return an import as JSON; with `whole` its account, which may name thousands of columns."""
    return job_out(job) | {
        "dataset": job.dataset_id,
        "name": job.original_name,
        "url": job.url,
        "size": job.size,
        "source": {name: value for name, value in job.source.items() if name not in ("account", "row_counts")},
        "notes": notes_of(job),
        "mapping": job.mapping,
        "confirmed": job.confirmed,
        "skip_duplicates": job.skip_duplicates,
        "update_by_key": job.update_by_key,
        "origin": collect.public(job.origin) if job.origin else {},
        "ok": job.ok,
        "updated": job.updated,
        "spans_moved": job.spans_moved,
        "spans_aside": job.spans_aside,
        "failed": job.failed,
        "skipped": job.skipped,
        **({"account": account.of(job)} if whole else {}),
    }


def _begin(
    dataset: Dataset, request: HttpRequest, mapping: Any, choices: dict[str, bool], check: bool = False, **source: Any
) -> Any:
    """Create an import and start it without a preview, or only check its rows. A repeated request changes nothing."""
    chosen = drafts.mapping_from(mapping) if mapping is not None else None
    if check:
        return Status(200, dry_run.run(dataset, request.user, chosen, **source | {"key": None}))
    job = drafts.begin(dataset, request.user, **source)
    if job.status == Import.Status.DRAFT:
        drafts.confirm_unseen(job, chosen, **choices)
        queue.wake(job)
    job.refresh_from_db()
    return Status(202, import_out(job))


@router.post(
    f"{DATASET}/imports",
    response={200: dict, 202: dict},
    summary="Import rows, a URL or a source",
)
def import_rows(request: HttpRequest, project_id: int, dataset_id: int, body: ImportRows, key: Key = None) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    sources = [name for name in ("url", "text", "source") if getattr(body, name)]
    if len(sources) + (body.rows is not None) != 1:
        raise ValidationError("Send one of `rows`, `url`, `text` and `source`.")
    choices = {"skip_duplicates": body.skip_duplicates, "update_by_key": body.update_by_key}
    reading = {name: getattr(body, name) for name in READINGS}
    if body.rows is not None:
        # Not by orjson, which refuses all for one row with half a character or 70 bits: the reader refuses that row alone.
        lines = ContentFile("".join(f"{json.dumps(row)}\n" for row in body.rows).encode(), name="rows.jsonl")
        source: dict[str, Any] = {"file": lines, "name": "rows.jsonl"}
    else:
        source = {"url": body.url, "text": body.text, "origin": body.source}
    return _begin(dataset, request, body.mapping, choices, body.check, **source, key=key, reading=reading)


@router.post(f"{DATASET}/imports/file", response={200: dict, 202: dict}, summary="Import a file")
def import_file(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    file: File[UploadedFile],
    mapping: str = Form(""),
    skip_duplicates: bool = Form(True),
    update_by_key: bool = Form(False),
    check: bool = Form(False),
    sheet: str = Form("", max_length=100),
    encoding: str = Form("", max_length=40),
    delimiter: str = Form("", max_length=4),
    quoting: str = Form("", max_length=20),
    header: str = Form("", max_length=4),
    key: Key = None,
) -> Any:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        chosen = orjson.loads(mapping) if mapping else None
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"The mapping is not valid JSON ({error}).") from error
    choices = {"skip_duplicates": skip_duplicates, "update_by_key": update_by_key}
    reading = {"sheet": sheet, "encoding": encoding, "delimiter": delimiter, "quoting": quoting, "header": header}
    source: dict[str, Any] = {"file": file, "name": file.name or "file"}
    return _begin(dataset, request, chosen, choices, check, **source, key=key, reading=reading)


@router.get("/projects/{project_id}/imports", summary="List imports, newest first")
def list_imports(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [import_out(job, whole=False) for job in newest(project_or_404(request, project_id).imports, limit, before)]


@router.get("/projects/{project_id}/imports/{pk}", summary="Get an import")
def get_import(request: HttpRequest, project_id: int, pk: int) -> Any:
    return import_out(job_or_404(request, Import, project_id, pk))


@router.get("/projects/{project_id}/imports/{pk}/issues", summary="List rejected rows, with reasons")
def import_issues(
    request: HttpRequest,
    project_id: int,
    pk: int,
    after: int = After,
    limit: int = Query(100, ge=1, le=1000),
) -> Any:
    """Issues are sorted by line. Request again with `after` set to `next` until it is null."""
    job = job_or_404(request, Import, project_id, pk)
    rows = list(
        job.issues.filter(line__gt=after)
        .order_by("line")
        .values("id", "line", "outcome", "code", "message", "raw", "file", "record")[: limit + 1]
    )
    return {"items": rows[:limit], "next": rows[limit - 1]["line"] if len(rows) > limit else None}


class ReadAgain(Body):
    """How to read the file of an import again: what is empty is guessed, a missing mapping is suggested."""

    mapping: dict[str, Any] | None = None
    skip_duplicates: bool = True
    update_by_key: bool = False
    sheet: str = Field("", max_length=100)
    encoding: str = Field("", max_length=40)
    delimiter: str = Field("", max_length=4)
    quoting: str = Field("", max_length=20)
    header: str = Field("", max_length=4)


@router.post("/projects/{project_id}/imports/{pk}/again", response={202: dict}, summary="Import the same file again")
def import_again(request: HttpRequest, project_id: int, pk: int, body: ReadAgain, key: Key = None) -> Any:
    """Create another import of the stored file into the same dataset. What the first import made stays."""
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    chosen = drafts.mapping_from(body.mapping) if body.mapping is not None else None
    draft = drafts.again(job, request.user, {name: getattr(body, name) for name in READINGS}, key)
    if draft.status == Import.Status.DRAFT:
        drafts.confirm_unseen(draft, chosen, skip_duplicates=body.skip_duplicates, update_by_key=body.update_by_key)
        queue.wake(draft)
    draft.refresh_from_db()
    return Status(202, import_out(draft))


@router.post("/projects/{project_id}/imports/{pk}/{move}", summary="Cancel, pause or resume an import")
def move_import(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "pause", "resume"]) -> Any:
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    make_move(job, move)
    return import_out(job)
