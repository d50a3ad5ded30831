"""REST: adapters."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema

from atelier.accounts.access import project_or_404
from atelier.web.schemas import Router

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


@router.get("/projects/{project_id}/adapters", response=list[AdapterOut], summary="List adapters, newest first")
def list_adapters(request: HttpRequest, project_id: int) -> Any:
    return project_or_404(request, project_id).adapters.order_by("-pk")
