"""REST API of a project deletion's progress. It is started where projects are: `atelier.accounts.api`."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Schema

from atelier.accounts.access import child_or_404, team_or_404
from atelier.api import job_out
from atelier.deletions.models import ProjectDeletion
from atelier.web.schemas import Router

router = Router(tags=["projects"])


class ProjectDeletionOut(Schema):
    id: int
    name: str
    status: str
    done: int
    total: int
    line: str
    error: str
    created_at: datetime


@router.get("/deletions/{pk}", response=ProjectDeletionOut, summary="Get the deletion of a project")
def get_project_deletion(request: HttpRequest, pk: int) -> Any:
    """Only deletions of your team are found, no matter who started them."""
    return deletion_out(child_or_404(team_or_404(request, request.api_key.team_id).project_deletions, pk))


def deletion_out(job: ProjectDeletion) -> dict[str, Any]:
    return job_out(job) | {"name": job.name}
