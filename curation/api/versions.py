"""REST: versions."""

from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, Header, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import job_out
from atelier.jobs import queue
from curation import exporting, versions
from curation.models import Version
from curation.views.downloads import download

router = Router(tags=["versions"])
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=80)]


class Shares(Schema):
    """Parts of the whole: they add up to 1."""

    model_config = {"extra": "forbid"}
    train: float
    validation: float = 0
    test: float = 0


class VersionIn(Schema):
    """What to freeze. Accepted records, the dataset's own shares and seed, unless said otherwise."""

    model_config = {"extra": "forbid"}
    dataset: int
    filters: dict[str, Any] | None = Field(None, description="as in the list's URL; {} takes every record")
    shares: Shares | None = None
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    notes: str = Field("", max_length=500)


def version_out(version: Version) -> dict[str, Any]:
    return job_out(version) | {
        "dataset": version.dataset_id, "number": version.number, "content_hash": version.content_hash,
        "shares": version.shares, "seed": version.seed, "filters": version.filters, "notes": version.notes,
        "rows": version.rows, "counts": version.counts(), "words": version.words, "tokens": version.tokens,
        "problems": version.problems, "sha256": {split: file["sha256"] for split, file in version.files.items()},
    }  # fmt: skip


@router.get("/projects/{project_id}/versions", summary="Versions, the newest first")
def list_versions(request: HttpRequest, project_id: int) -> Any:
    return [version_out(version) for version in project_or_404(request, project_id).versions.order_by("-pk")[:200]]


@router.post("/projects/{project_id}/versions", response={201: dict}, summary="Freeze a version")
def freeze(request: HttpRequest, project_id: int, body: VersionIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = versions.create(
        child_or_404(project.datasets, body.dataset), request.user, filters=body.filters, seed=body.seed,
        notes=body.notes,
        shares=body.shares and body.shares.dict(), key=idempotency_key,
    )  # fmt: skip
    queue.wake(version)
    return Status(201, version_out(version))


def _version(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Version:
    return child_or_404(project_or_404(request, project_id, needs=needs).versions.select_related("dataset"), pk)


@router.get("/projects/{project_id}/versions/{pk}", summary="One version")
def get_version(request: HttpRequest, project_id: int, pk: int) -> Any:
    return version_out(_version(request, project_id, pk))


@router.get("/projects/{project_id}/versions/{pk}/verify", summary="Check the files against their hashes")
def verify(request: HttpRequest, project_id: int, pk: int) -> Any:
    broken = versions.verify(_version(request, project_id, pk))
    return {"intact": not broken, "broken": broken}


@router.get("/projects/{project_id}/versions/{pk}/splits/{split}", summary="Export a split as chat JSONL")
def export_version(request: HttpRequest, project_id: int, pk: int, split: str, bare: bool = False) -> Any:
    version = _version(request, project_id, pk)
    return download(exporting.export_version(version, split, bare), f"version-{version.pk}-{split}.jsonl")


@router.post("/projects/{project_id}/versions/{pk}/{move}", summary="Cancel, or try a failed one again")
def move_version(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "resume"]) -> Any:
    version = _version(request, project_id, pk, needs="editor")
    if not (version.cancel() if move == "cancel" else version.enqueue()):
        raise ValidationError(f"It is {version.get_status_display().lower()}, so there is nothing to {move}.")
    if move == "resume":
        queue.wake(version)
    return version_out(version)
