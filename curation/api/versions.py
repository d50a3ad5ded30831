"""REST API of dataset versions."""

from itertools import islice
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Before, Key, Limit, job_out, newest
from atelier.audit import trail
from atelier.files.downloads import download
from atelier.jobs import queue
from atelier.jobs.pages import job_or_404, make_move
from atelier.web.schemas import Body, Id, Router, Seed, Share, Whole
from curation.models import Version
from curation.quality import duplicates
from curation.versions import archive, freezes, leaks, lineage
from curation.versions import card as data_card
from curation.versions import diff as version_diff
from curation.versions import files as version_files
from curation.versions import package as version_package
from curation.versions.grouping import Grouping
from curation.versions.grouping import clean as clean_grouping

router = Router(tags=["versions"])
Hash = Annotated[str, Query(max_length=64)]
Kind = Literal["added", "removed", "changed"]


class Shares(Body):
    """The shares of the splits, as parts of the whole: they add up to 1."""

    train: Share
    validation: Share = 0
    test: Share = 0


class VersionIn(Body):
    """What to freeze as a version: accepted records, with the dataset's own shares and seed, unless given otherwise."""

    dataset: Id
    filters: dict[str, Any] | None = Field(None, description="as in the list's URL; {} means every record")
    shares: Shares | None = None
    seed: Seed | None = None
    notes: str = Field("", max_length=500)
    group_by: Literal["source", "none", "column"] = Field("source", description="what keeps records in one split")
    group_column: str = Field("", max_length=200, description="the metadata column, for group_by column")
    keep_together: bool = Field(False, description="each group of near-duplicates and copies goes to one split")
    stratify: bool = Field(False, description="each label gets its share of each split, groups stay whole")
    allow_leaks: bool = Field(False, description="freeze even if near-duplicates are in different splits")


def _grouping(body: VersionIn) -> Grouping:
    return clean_grouping(body.group_by, body.group_column, keep_together=body.keep_together, stratify=body.stratify)


class NotesIn(Body):
    """The fields of a frozen version that may change."""

    notes: str = Field(max_length=500)


def version_out(version: Version) -> dict[str, Any]:
    return job_out(version) | {
        "dataset": version.dataset_id, "number": version.number, "content_hash": version.content_hash,
        "shares": version.shares, "seed": version.seed, "filters": version.filters, "notes": version.notes,
        "rows": version.rows, "counts": version.counts(), "words": version.words, "tokens": version.tokens,
        "allow_leaks": version.allow_leaks, "leaks": version.figures.get("leaks"),
        "leaks_at_least": version.figures.get("leaks_at_least", False),
        **Grouping.of(version.grouping).as_json(),
        "warnings": version.figures.get("warnings", []), "labels": version.figures.get("label_splits", {}),
        "problems": version.problems, "sha256": {split: file["sha256"] for split, file in version.files.items()},
        "erased": version.erased, "archived_at": version.archived_at, "freed_at": version.freed_at,
    }  # fmt: skip


@router.get("/projects/{project_id}/versions", summary="List versions, newest first")
def list_versions(
    request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None, archived: bool = False
) -> Any:
    """Set `archived` for those in the archive, which are in no other list."""
    rows = project_or_404(request, project_id).versions.filter(archived_at__isnull=not archived)
    return [version_out(version) for version in newest(rows, limit, before)]


@router.post("/projects/{project_id}/versions", response={201: dict}, summary="Freeze a version")
def freeze(request: HttpRequest, project_id: int, body: VersionIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    version = freezes.create(
        child_or_404(project.datasets, body.dataset), request.user, filters=body.filters, seed=body.seed,
        notes=body.notes, allow_leaks=body.allow_leaks, grouping=_grouping(body),
        shares=body.shares and body.shares.dict(), key=idempotency_key,
    )  # fmt: skip
    queue.wake(version)
    return Status(201, version_out(version))


@router.post("/projects/{project_id}/versions/preview", summary="Preview a version")
def preview_version(request: HttpRequest, project_id: int, body: VersionIn) -> Any:
    """Returns what a freeze would contain now: records by split and by label, groups, and warnings. Nothing is frozen."""
    dataset = child_or_404(project_or_404(request, project_id, needs="editor").datasets, body.dataset)
    return freezes.preview_of(
        dataset,
        filters=body.filters,
        seed=body.seed,
        shares=body.shares and body.shares.dict(),
        grouping=_grouping(body),
    ).as_json() | {"threshold": duplicates.threshold(dataset)}


@router.get("/projects/{project_id}/versions/{pk}", summary="Get a version")
def get_version(request: HttpRequest, project_id: int, pk: int) -> Any:
    return version_out(job_or_404(request, Version, project_id, pk))


@router.get("/projects/{project_id}/versions/{pk}/verify", summary="Verify a version's files against their hashes")
def verify(request: HttpRequest, project_id: int, pk: int) -> Any:
    broken = version_files.verify(job_or_404(request, Version, project_id, pk))
    return {"intact": not broken, "broken": broken}


@router.get("/projects/{project_id}/versions/{pk}/splits/{split}", summary="Download a split as chat JSONL")
def export_version(request: HttpRequest, project_id: int, pk: int, split: str, bare: bool = False) -> Any:
    version = job_or_404(request, Version, project_id, pk)
    return download(version_files.export(version, split, bare), f"version-{version.pk}-{split}.jsonl")


@router.patch("/projects/{project_id}/versions/{pk}", summary="Change a version's notes")
def change_version(request: HttpRequest, project_id: int, pk: int, body: NotesIn) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    freezes.set_notes(version, body.notes)
    return version_out(version)


@router.get("/projects/{project_id}/versions/{pk}/card", summary="Download the data card, as Markdown")
def card(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _frozen(request, project_id, pk)
    return HttpResponse(data_card.file(version), content_type="text/markdown; charset=utf-8")


@router.get("/projects/{project_id}/versions/{pk}/package", summary="Download card and splits as one zip")
def package(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = _frozen(request, project_id, pk)
    return download(version_package.pack(version), f"version-{version.pk}.zip", "application/zip")


def _frozen(request: HttpRequest, project_id: int, pk: int) -> Version:
    version = job_or_404(request, Version, project_id, pk)
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    return version


@router.get("/projects/{project_id}/versions/{pk}/since/{other}", summary="Compare two versions")
def diff(
    request: HttpRequest,
    project_id: int,
    pk: int,
    other: int,
    kind: Kind = "changed",
    limit: Limit = 20,
    after: Whole = 0,
) -> Any:
    """Returns counts in total, by label and by source, and one kind of difference in pages: `next` is the following `after`."""
    new, old = job_or_404(request, Version, project_id, pk), job_or_404(request, Version, project_id, other)
    difference = version_diff.between(old, new)
    pairs, following = difference.page(kind, after, limit)
    return {
        "counts": difference.counts, "same": difference.same, "by_label": difference.labels, "by_source": difference.sources,
        "items": list(version_diff.shown(old, new, pairs)), "next": following,
    }  # fmt: skip


@router.get("/projects/{project_id}/versions/{pk}/lineage", summary="Get a version's lineage")
def get_lineage(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = job_or_404(request, Version, project_id, pk)
    sources = {
        name: [
            {"id": row.pk, "name": str(getattr(row, "original_name", None) or row.name), "rows": row.taken}
            for row in rows
        ]
        for name, rows in lineage.sources(version).items()
    }
    return sources | {"onward": [node.as_json() for node in lineage.onward(version)]}


@router.get("/projects/{project_id}/versions/{pk}/leaks", summary="List near-duplicates in different splits")
def get_leaks(request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: Whole = 0) -> Any:
    """Of `bounded` records of the dataset only about the 16 closest pairs are kept, because they resemble very many others."""
    version = job_or_404(request, Version, project_id, pk)
    pairs = list(islice(leaks.of(version, after), limit + 1))
    items = [
        {"id": leak.pk, "records": [leak.first, leak.second], "splits": leak.sides, "similarity": leak.similarity}
        for leak in pairs[:limit]
    ]
    following = pairs[limit - 1].pk if len(pairs) > limit else None
    facts = {"bounded": duplicates.bounded(version.dataset), "threshold": duplicates.threshold(version.dataset)}
    return {"items": items, "next": following} | facts


@router.get("/projects/{project_id}/versions/{pk}/copies", summary="List exact duplicates in different splits")
def get_copies(request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: Hash = "") -> Any:
    """Copies are sorted by content hash: `next` is the following `after`. At most 50 pairs are listed for one content."""
    found, following = leaks.page_of_copies(job_or_404(request, Version, project_id, pk), after, limit)
    items = [
        {"content_hash": content, "records": [leak.first, leak.second], "splits": leak.sides} for content, leak in found
    ]
    return {"items": items, "next": following or None}


@router.post("/projects/{project_id}/versions/{pk}/leaks/allow", summary="Freeze a version that was refused for leaks")
def allow_leaks(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    if not leaks.allow(version):
        raise ValidationError("The version was not refused for leaks, so there is nothing to allow.")
    queue.wake(version)
    return version_out(version)


@router.post(
    "/projects/{project_id}/versions/{pk}/leaks/together",
    summary="Keep near-duplicates together in a version that was refused for leaks",
)
def keep_together(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    if not leaks.keep_together(version):
        raise ValidationError("The version was not refused for leaks, or keeps near-duplicates together already.")
    queue.wake(version)
    return version_out(version)


@router.post("/projects/{project_id}/versions/{pk}/archive", summary="Archive a version")
def archive_version(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    archive.archive(version, trail.asker(request))
    return version_out(version)


@router.post("/projects/{project_id}/versions/{pk}/unarchive", summary="Restore a version from the archive")
def unarchive_version(request: HttpRequest, project_id: int, pk: int) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    archive.unarchive(version, trail.asker(request))
    return version_out(version)


@router.delete("/projects/{project_id}/versions/{pk}/files", summary="Remove an archived version's files from the disk")
def free_version(request: HttpRequest, project_id: int, pk: int) -> Any:
    """Hashes, figures and the data card stay. `freed` is the number of bytes on the disk that this freed."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    freed = archive.free(version, trail.asker(request))
    version.refresh_from_db()
    return version_out(version) | {"freed": freed}


@router.post("/projects/{project_id}/versions/{pk}/{move}", summary="Cancel or retry a version")
def move_version(request: HttpRequest, project_id: int, pk: int, move: Literal["cancel", "resume"]) -> Any:
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    make_move(version, move)
    return version_out(version)
