"""REST: who I am, and projects."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import ModelSchema, Router, Schema, Status

from atelier.accounts.access import project_or_404, team_or_404
from atelier.accounts.models import Project
from inference.evaluation import checked_rules

router = Router(tags=["projects"])


class ProjectOut(ModelSchema):
    team_id: int

    class Meta:
        model = Project
        fields = ["id", "name", "description", "guidelines", "student_prompt", "rules", "created_at"]


class ProjectIn(Schema):
    """A new project."""

    model_config = {"extra": "forbid"}
    name: str
    description: str = ""
    guidelines: str = ""
    student_prompt: str = ""
    rules: str = ""


@router.get("/me", summary="Whose key this is")
def me(request: HttpRequest) -> dict[str, Any]:
    key = request.api_key
    return {"username": key.user.username, "team": {"id": key.team_id, "name": key.team.name}, "key": key.name}


@router.get("/projects", response=list[ProjectOut], summary="The team's projects")
def list_projects(request: HttpRequest) -> Any:
    return team_or_404(request, request.api_key.team_id).projects.order_by("pk")


@router.post("/projects", response={201: ProjectOut}, summary="Start a project")
def create_project(request: HttpRequest, body: ProjectIn) -> Any:
    team = team_or_404(request, request.api_key.team_id, needs="editor")
    if team.projects.filter(name=body.name).exists():
        raise ValidationError(f"The team has a project called {body.name} already: choose another name.")
    checked_rules(body.rules)
    project = Project(team=team, created_by=request.user, **body.dict())
    project.full_clean(exclude=["created_by"])
    project.save()
    return Status(201, project)


@router.get("/projects/{project_id}", response=ProjectOut, summary="One project")
def get_project(request: HttpRequest, project_id: int) -> Any:
    return project_or_404(request, project_id)
