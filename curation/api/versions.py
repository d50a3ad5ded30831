"""REST: versions."""

from itertools import islice
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.jobs import queue
from curation import data_card, exporting, leaks, lineage, packing, version_diff, versions
from curation.models import Version
from curation.views.downloads import download

router = Router(tags=["versions"])
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Hash = Annotated[str, Query(max_length=64)]
Kind = Literal["added", "removed", "changed"]


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
    allow_leaks: bool = Field(False, description="freeze although near-duplicates stand in different splits")


class NotesIn(Schema):
    """What may change of a frozen version."""

    model_config = {"extra": "forbid"}
    notes: str = Field(max_length=500)


def version_out(version: Version) -> dict[str, Any]:
    return job_out(version) | {
        "dataset": version.dataset_id, "number": version.number, "content_hash": version.content_hash,
        "shares": version.shares, "seed": version.seed, "filters": version.filters, "notes": version.notes,
        "rows": version.rows, "counts": version.counts(), "words": version.words, "tokens": version.tokens,
        "allow_leaks": version.allow_leaks, "leaks": version.figures.get("leaks"),
        "problems": version.problems, "sha256": {split: file["sha256"] for split, file in version.files.items()},
    }  # fmt: skip


@router.get("/projects/{project_id}/versions", summary="Versions, the newest first")
def list_versions(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    return [version_out(version) for version in newest(project_or_404(request, project_id).versions, limit, before)]


@router.post("/projects/{project_id}/versions", response={201: dict}, summary="Freeze a version")
def freeze(request: HttpRequest, project_id: int, body: VersionIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = versions.create(
        child_or_404(project.datasets, body.dataset), request.user, filters=body.filters, seed=body.seed,
        notes=body.notes, allow_leaks=body.allow_leaks,
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


@router.patch("/projects/{project_id}/versions/{pk}", summary="Change the notes: the only thing that may change")
def change_version(request: HttpRequest, project_id: int, pk: int, body: NotesIn) -> Any:
    version = _version(request, project_id, pk, needs="editor")
    versions.set_notes(version, body.notes)
    return version_out(version)


@router.get("/projects/{project_id}/versions/{pk}/card", summary="The data card, as Markdown")
def card(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _frozen(request, project_id, pk)
    return HttpResponse(data_card.file(version), content_type="text/markdown; charset=utf-8")


@router.get("/projects/{project_id}/versions/{pk}/package", summary="Card and splits in one zip")
def package(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _frozen(request, project_id, pk)
    return download(packing.pack(version), f"version-{version.pk}.zip", "application/zip")


def _frozen(request: HttpRequest, project_id: int, pk: int) -> Version:
    version = _version(request, project_id, pk)
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    return version


@router.get("/projects/{project_id}/versions/{pk}/since/{other}", summary="What changed since another version")
def diff(
    request: HttpRequest,
    project_id: int,
    pk: int,
    other: int,
    kind: Kind = "changed",
    limit: Limit = 20,
    after: After = 0,
) -> Any:
    """Counts in total, by label and by source; and one kind of difference in pages: `next` is the following `after`."""
    new, old = _version(request, project_id, pk), _version(request, project_id, other)
    found = version_diff.between(old, new)
    pairs, following = found.page(kind, after, limit)
    return {
        "counts": found.counts, "same": found.same, "by_label": found.labels, "by_source": found.sources,
        "items": list(version_diff.shown(old, new, pairs)), "next": following,
    }  # fmt: skip


@router.get("/projects/{project_id}/versions/{pk}/lineage", summary="What it was made of, and what came of it")
def get_lineage(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _version(request, project_id, pk)
    made = {
        name: [
            {"id": row.pk, "name": str(getattr(row, "original_name", None) or row.name), "rows": row.taken}
            for row in rows
        ]
        for name, rows in versions.lineage(version).items()
    }
    return made | {"onward": [node.as_json() for node in lineage.onward(version)]}


@router.get("/projects/{project_id}/versions/{pk}/leaks", summary="Near-duplicates that would part")
def get_leaks(request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: After = 0) -> Any:
    found = list(islice(leaks.of(_version(request, project_id, pk), after), limit + 1))
    items = [
        {"id": leak.pk, "records": [leak.first, leak.second], "splits": leak.sides, "similarity": leak.similarity}
        for leak in found[:limit]
    ]
    return {"items": items, "next": found[limit - 1].pk if len(found) > limit else None}


@router.get("/projects/{project_id}/versions/{pk}/copies", summary="Records of the same content that would part")
def get_copies(request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: Hash = "") -> Any:
    """By content hash: `next` is the following `after`. Of one content at most 50 pairs are named."""
    found, following = leaks.page_of_copies(_version(request, project_id, pk), after, limit)
    items = [
        {"content_hash": content, "records": [leak.first, leak.second], "splits": leak.sides} for content, leak in found
    ]
    return {"items": items, "next": following or None}


@router.post("/projects/{project_id}/versions/{pk}/leaks/allow", summary="Freeze one that was refused for leaks")
def allow_leaks(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _version(request, project_id, pk, needs="editor")
    if not versions.allow_leaks(version):
        raise ValidationError("It was not refused for leaks, so there is nothing to allow.")
    queue.wake(version)
    return version_out(version)


@router.post("/projects/{project_id}/versions/{pk}/{move}", summary="Cancel, or try a failed one again")
def move_version(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "resume"]) -> Any:
    version = _version(request, project_id, pk, needs="editor")
    if not (version.cancel() if move == "cancel" else version.enqueue()):
        raise ValidationError(f"It is {version.get_status_display().lower()}, so there is nothing to {move}.")
    if move == "resume":
        queue.wake(version)
    return version_out(version)
