"""REST API of the current user and of projects; the team is in team_api.py."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Field, ModelSchema, Status

from atelier.accounts import projects, team_api
from atelier.accounts.access import project_or_404, team_or_404
from atelier.accounts.models import Project
from atelier.accounts.rules import checked_rules
from atelier.api import Key
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.deletions.api import ProjectDeletionOut, deletion_out
from atelier.jobs.once import once
from atelier.web.schemas import Body, Router, Whole, whole

router = Router(tags=["projects"])
router.add_router("", team_api.router)
Limit = whole(1, 200)


class ProjectOut(ModelSchema):
    team: int = Field(validation_alias="team_id")

    class Meta:
        model = Project
        fields = ["id", "name", "description", "guidelines", "student_prompt", "rules", "created_at"]


class ProjectIn(Body):
    """A new project."""

    name: str = Field(min_length=1, max_length=120)
    description: str = Field("", max_length=300)
    guidelines: str = ""
    student_prompt: str = ""
    rules: str = ""


@router.get("/me", summary="Get the key's owner")
def me(request: HttpRequest) -> dict[str, Any]:
    key = request.api_key
    return {"username": key.user.username, "team": {"id": key.team_id, "name": key.team.name}, "key": key.name}


@router.get("/projects", response=list[ProjectOut], summary="List projects")
def list_projects(request: HttpRequest, limit: Limit = 200, after: Whole = 0) -> Any:
    """Set `after` to the id of the last project of the previous page."""
    return team_or_404(request, request.api_key.team_id).projects.filter(pk__gt=after).order_by("pk")[:limit]


@router.post("/projects", response={201: ProjectOut}, summary="Create a project")
def create_project(request: HttpRequest, body: ProjectIn, idempotency_key: Key = None) -> Any:
    """The same `Idempotency-Key` returns the same project, whatever the body."""
    team = team_or_404(request, request.api_key.team_id, needs="editor")

    def make() -> Project:
        if team.projects.filter(name=body.name).exists():
            raise ValidationError(f"The team already has a project called {body.name}. Choose another name.")
        checked_rules(body.rules)
        project = Project(team=team, created_by=request.user, **body.dict())
        project.full_clean(exclude=["created_by"])
        return project

    def write(project: Project) -> None:
        project.save()
        trail.note(request, AuditAction.PROJECT_CREATED, project, project=project)

    return Status(201, once(team.projects, idempotency_key, make, write))


@router.get("/projects/{project_id}", response=ProjectOut, summary="Get a project")
def get_project(request: HttpRequest, project_id: int) -> Any:
    return project_or_404(request, project_id)


@router.delete("/projects/{project_id}", response={202: ProjectDeletionOut}, summary="Delete a project")
def delete_project(request: HttpRequest, project_id: int) -> Any:
    """The project is hidden at once; a job deletes everything that belongs to it, including its files. This cannot be undone."""
    return Status(202, deletion_out(projects.delete(request, project_or_404(request, project_id, needs="owner"))))
