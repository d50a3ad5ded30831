"""REST: imports from other annotation tools."""

from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest
from ninja import File, Form, Status, UploadedFile

from atelier.api import Key
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.schemas import Router
from curation.access import dataset_or_404
from curation.api.imports import import_out
from curation.api.paging import DATASET
from curation.imports import discards, drafts
from curation.imports.annotated import plan
from curation.models import Import

router = Router(tags=["data"])


@router.post(f"{DATASET}/imports/annotated", response={202: dict}, summary="Import from another tool")
def move(
    request: HttpRequest,
    project_id: int,
    dataset_id: int,
    file: File[UploadedFile],
    labeling_config: str = Form("", description="for Label Studio: the project's labelling XML"),
    people: str = Form("", description='users of the other tool and of this team, as JSON: {"user 1": "ann"}'),
    kinds: str = Form("", description='other kinds for questions, as JSON: {"remark": "text", "stars": ""}'),
    mapping: str = Form(""),
    key: Key = None,
) -> Any:
    """Imports an export of Label Studio (JSON, JSON-MIN) or Argilla with its questions, annotations and suggestions."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    choices = {"people": _json("people", people), "kinds": _json("kinds", kinds)}
    chosen = drafts.mapping_from(_json("mapping", mapping)) if mapping else None
    is_empty = not dataset.records.exists()
    job = drafts.begin(dataset, request.user, file=file, name=file.name or "file", key=key, any_kind=is_empty)
    if job.status == Import.Status.DRAFT:
        _start(job, labeling_config, choices, chosen)
    job.refresh_from_db()
    return Status(202, import_out(job) | {"annotated": plan.facts(job)})


def _start(job: Import, config: str, given: dict[str, Any], chosen: Any) -> None:
    """Start the import at once, like every import by the API. Raises ValidationError, and then leaves nothing behind."""
    try:
        plan.configure(job, config=config, **given)
    except ValidationError:
        discards.discard(job)
        job.delete()
        raise
    job.save(update_fields=["source"])
    drafts.confirm_unseen(job, chosen, skip_duplicates=False)
    queue.wake(job)


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"`{name}` is not valid JSON ({error}).") from error


@router.get("/projects/{project_id}/imports/{pk}/annotated", summary="Get what an import from another tool brought")
def moved(request: HttpRequest, project_id: int, pk: int) -> Any:
    """Counts the annotations and suggestions, and what could not be imported, with reasons. The rows themselves are among the import's issues, with the outcome `partly`."""
    job = job_or_404(request, Import, project_id, pk)
    facts = plan.facts(job)
    if facts is None:
        raise Http404("This import isn't from another tool.")
    return import_out(job) | {"annotated": facts}
