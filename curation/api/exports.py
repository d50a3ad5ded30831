"""REST: exports."""

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation import exports
from curation.models import Export
from curation.views.downloads import download

router = Router(tags=["data"])


class ExportIn(Schema):
    """What to export: of a dataset what the filters let through, or a version, all of it or one split."""

    model_config = {"extra": "forbid"}
    format: str = Field(max_length=20)
    dataset: int | None = None
    filters: dict[str, Any] = Field(default_factory=dict, description="as in the list's URL; {} takes every record")
    version: int | None = None
    split: str = Field("", max_length=10)


def export_out(job: Export) -> dict[str, Any]:
    return job_out(job) | {
        "dataset": job.dataset_id, "version": job.version_id, "split": job.split, "filters": job.filters,
        "format": job.format, "name": job.name, "size": job.size, "skipped": job.skipped, "skipped_why": job.skipped_why,
    }  # fmt: skip


@router.post("/projects/{project_id}/exports", response={202: dict}, summary="Export records or a version")
def create_export(request: HttpRequest, project_id: int, body: ExportIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    if (body.dataset is None) == (body.version is None):
        raise ValidationError("Send either `dataset` or `version`.")
    version = child_or_404(project.versions.select_related("dataset"), body.version) if body.version else None
    dataset = version.dataset if version else child_or_404(project.datasets, body.dataset)
    chosen = {"filters": body.filters, "version": version, "split": body.split}
    job = exports.begin(dataset, request.user, body.format, key=key, **chosen)
    if job.status == Export.Status.QUEUED:
        queue.wake(job)
    return Status(202, export_out(job))


def _job(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Export:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.exports.select_related("dataset", "version__dataset"), pk)


@router.get("/projects/{project_id}/exports", summary="Exports, the newest first")
def list_exports(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [export_out(job) for job in newest(exports.of(project_or_404(request, project_id)), limit, before)]


@router.get("/projects/{project_id}/exports/{pk}", summary="How an export stands")
def get_export(request: HttpRequest, project_id: int, pk: int) -> Any:
    return export_out(_job(request, project_id, pk))


@router.get("/projects/{project_id}/exports/{pk}/file", summary="The file of a finished export")
def export_file(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = _job(request, project_id, pk, needs="editor")
    return download(exports.pieces(job), job.name, "application/octet-stream")


@router.delete("/projects/{project_id}/exports/{pk}", response={204: None}, summary="Delete an export and its file")
def delete_export(request: HttpRequest, project_id: int, pk: int) -> Any:
    exports.delete(_job(request, project_id, pk, needs="editor"))
    return Status(204, None)


@router.post("/projects/{project_id}/exports/{pk}/{move}", summary="Cancel an export, or try it again")
def move_export(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "resume"]) -> Any:
    job = _job(request, project_id, pk, needs="editor")
    if not {"cancel": job.cancel, "resume": job.enqueue}[move]():
        raise ValidationError(f"The export is {job.get_status_display().lower()}: it cannot {move}.")
    if move == "resume":
        queue.wake(job)
    return export_out(job)
