"""REST: moving over from another annotation tool."""

from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from ninja import File, Form, Router, Status, UploadedFile

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key
from atelier.jobs import queue
from curation import importing, moving
from curation.api.fetching import dataset_or_404
from curation.api.imports import import_out
from curation.models import Import

router = Router(tags=["data"])


@router.post(
    "/projects/{project_id}/datasets/{dataset_id}/moves", response={202: dict}, summary="Move over from another tool"
)
def move(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    file: File[UploadedFile],
    labeling_config: str = Form("", description="of Label Studio: the project's XML"),
    people: str = Form("", description='who is who, as JSON: {"user 1": "ann"}'),
    kinds: str = Form("", description='other kinds of questions, as JSON: {"remark": "text", "stars": ""}'),
    mapping: str = Form(""),
    key: Key = None,
) -> Any:
    """An export of Label Studio (JSON, JSON-MIN) or Argilla: its questions, annotations and suggestions come along."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    given = {"people": _json("people", people), "kinds": _json("kinds", kinds)}
    chosen = importing.mapping_from(_json("mapping", mapping)) if mapping else None
    is_empty = not dataset.records.exists()
    job = importing.begin(dataset, request.user, file=file, name=file.name or "file", key=key, any_kind=is_empty)
    if job.status == Import.Status.DRAFT:
        _start(job, labeling_config, given, chosen)
    job.refresh_from_db()
    return Status(202, import_out(job) | {"moved": moving.facts(job)})


def _start(job: Import, config: str, given: dict[str, Any], chosen: Any) -> None:
    """Begin at once, as every import by the API. Raises ValidationError, and then leaves nothing behind."""
    try:
        moving.wish(job, config=config, **given)
    except ValidationError:
        importing.discard(job)
        job.delete()
        raise
    job.save(update_fields=["source"])
    importing.confirm_unseen(job, chosen, skip_duplicates=False)
    queue.wake(job)


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"`{name}` is not valid JSON ({error}).") from error


@router.get("/projects/{project_id}/imports/{pk}/moved", summary="What came with an import from another tool")
def moved(request: HttpRequest, project_id: int, pk: int) -> Any:
    """Counts of annotations and suggestions, and of what could not be taken over, with the reasons. The rows themselves are
    among the import's issues, with the outcome `partly`."""
    job = child_or_404(project_or_404(request, project_id).imports, pk)
    found = moving.facts(job)
    if found is None:
        raise Http404("This import is of no other tool.")
    return import_out(job) | {"moved": found}
