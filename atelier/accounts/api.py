"""REST: who I am, and projects."""

from typing import Annotated, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Field, ModelSchema, Query, Router, Schema, Status

from atelier.accounts.access import project_or_404, team_or_404
from atelier.accounts.models import Project
from atelier.api import Key
from inference.evaluation import checked_rules

router = Router(tags=["projects"])
Limit = Annotated[int, Query(ge=1, le=200)]
After = Annotated[int, Query(ge=0, lt=2**63)]


class ProjectOut(ModelSchema):
    team: int = Field(validation_alias="team_id")

    class Meta:
        model = Project
        fields = ["id", "name", "description", "guidelines", "student_prompt", "rules", "created_at"]


class ProjectIn(Schema):
    """A new project."""

    model_config = {"extra": "forbid"}
    name: str = Field(min_length=1, max_length=120)
    description: str = Field("", max_length=300)
    guidelines: str = ""
    student_prompt: str = ""
    rules: str = ""


@router.get("/me", summary="Whose key this is")
def me(request: HttpRequest) -> dict[str, Any]:
    key = request.api_key
    return {"username": key.user.username, "team": {"id": key.team_id, "name": key.team.name}, "key": key.name}


@router.get("/projects", response=list[ProjectOut], summary="The team's projects")
def list_projects(request: HttpRequest, limit: Limit = 200, after: After = 0) -> Any:
    """`after` is the id of the last project of the page before."""
    return team_or_404(request, request.api_key.team_id).projects.filter(pk__gt=after).order_by("pk")[:limit]


@router.post("/projects", response={201: ProjectOut}, summary="Start a project")
def create_project(request: HttpRequest, body: ProjectIn, idempotency_key: Key = None) -> Any:
    """The same `Idempotency-Key` gives the same project, whatever else is said."""
    team = team_or_404(request, request.api_key.team_id, needs="editor")
    if idempotency_key and (found := team.projects.filter(idempotency_key=idempotency_key).first()):
        return Status(201, found)
    if team.projects.filter(name=body.name).exists():
        raise ValidationError(f"The team has a project called {body.name} already: choose another name.")
    checked_rules(body.rules)
    project = Project(team=team, created_by=request.user, idempotency_key=idempotency_key or None, **body.dict())
    try:
        project.full_clean(exclude=["created_by"])
        with transaction.atomic():
            project.save()
    except (ValidationError, IntegrityError):  # the same at the same moment
        found = team.projects.filter(idempotency_key=idempotency_key or None).first() if idempotency_key else None
        if found is None:
            raise
        return Status(201, found)
    return Status(201, project)


@router.get("/projects/{project_id}", response=ProjectOut, summary="One project")
def get_project(request: HttpRequest, project_id: int) -> Any:
    return project_or_404(request, project_id)
