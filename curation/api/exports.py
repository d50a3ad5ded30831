"""REST API of exports."""

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.audit import trail
from atelier.files.downloads import download
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import Body, Id, Router
from curation import exports
from curation.models import Export

router = Router(tags=["data"])


class ExportIn(Body):
    """An export: the records of a dataset that match the filters, or a version, all of it or one split."""

    format: str = Field(max_length=20)
    dataset: Id | None = None
    filters: dict[str, Any] = Field(default_factory=dict, description="as in the list's URL; {} means every record")
    version: Id | None = None
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
    job = exports.begin(
        dataset, request.user, body.format, filters=body.filters, version=version, split=body.split, key=key,
        asker=trail.asker(request),
    )  # fmt: skip
    if job.status == Export.Status.QUEUED:
        queue.wake(job)
    return Status(202, export_out(job))


@router.get("/projects/{project_id}/exports", summary="List exports, newest first")
def list_exports(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [export_out(job) for job in newest(exports.of(project_or_404(request, project_id)), limit, before)]


@router.get("/projects/{project_id}/exports/{pk}", summary="Get an export")
def get_export(request: HttpRequest, project_id: int, pk: int) -> Any:
    return export_out(job_or_404(request, Export, project_id, pk))


@router.get("/projects/{project_id}/exports/{pk}/file", summary="Download a finished export")
def export_file(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = job_or_404(request, Export, project_id, pk, needs="editor")
    return download(exports.pieces(job), job.name, "application/octet-stream")


@router.delete("/projects/{project_id}/exports/{pk}", response={204: None}, summary="Delete an export and its file")
def delete_export(request: HttpRequest, project_id: int, pk: int) -> Any:
    job = job_or_404(request, Export, project_id, pk, needs="editor")
    trail.note_deletion(request, job, request.project, lambda: exports.delete(job))
    return Status(204, None)


@router.post("/projects/{project_id}/exports/{pk}/{move}", summary="Cancel or retry an export")
def move_export(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "resume"]) -> Any:
    job = job_or_404(request, Export, project_id, pk, needs="editor")
    make_move(job, move)
    return export_out(job)
