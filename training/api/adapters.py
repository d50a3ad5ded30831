"""REST: adapters."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Schema

from atelier.accounts.access import child_or_404, project_or_404
from atelier.audit import trail
from atelier.web.schemas import Router
from training.runs import archive

router = Router(tags=["training"])


class AdapterOut(Schema):
    id: int
    name: str
    run: int = Field(validation_alias="run_id")
    base: str
    digest: str
    rank: int
    system_prompt: str
    created_at: datetime
    archived_at: datetime | None


@router.get("/projects/{project_id}/adapters", response=list[AdapterOut], summary="List adapters, newest first")
def list_adapters(request: HttpRequest, project_id: int, archived: bool = False) -> Any:
    """Set `archived` for those in the archive, which are in no other list."""
    adapters = project_or_404(request, project_id).adapters
    return adapters.filter(archived_at__isnull=not archived).order_by("-pk")


@router.post(
    "/projects/{project_id}/adapters/{pk}/{move}",
    response=AdapterOut,
    summary="Archive an adapter or restore it",
)
def move_adapter(request: HttpRequest, project_id: int, pk: int, move: Literal["archive", "unarchive"]) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    adapter = child_or_404(project.adapters.select_related("run", "project"), pk)
    change = archive.archive_adapter if move == "archive" else archive.unarchive_adapter
    change(adapter, trail.asker(request))
    return adapter
