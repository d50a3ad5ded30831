"""Permission is in the fetch: these return the object or end the request."""

from typing import Any, NoReturn, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest

from atelier.accounts.models import Membership, Project, Role, Team

M = TypeVar("M", bound=Model)


def _membership(request: HttpRequest, team_id: int) -> Membership | None:
    key = getattr(request, "api_key", None)
    if key is not None and key.team_id != team_id:
        return None  # a key never reaches beyond its own team, whoever holds it
    return Membership.objects.filter(team_id=team_id, user=request.user).first()


def _refuse(has: str, needs: str) -> NoReturn:
    raise PermissionDenied(f"This needs the role {needs}; yours here is {has}. An owner of the team can change that.")


def _check(request: HttpRequest, team_id: int, needs: str, missing: str) -> Role:
    membership = _membership(request, team_id)
    if membership is None:
        raise Http404(missing)
    role = Role(membership.role)
    if not role.covers(needs):
        _refuse(role, needs)
    return role


def team_or_404(request: HttpRequest, team_id: int, needs: str = "viewer") -> Team:
    """The team with `.role`, the asker's role in it. 404 for strangers, 403 for a role that is too small."""
    team = Team.objects.filter(pk=team_id).first()
    if team is None:
        raise Http404("No such team.")
    team.role = _check(request, team.pk, needs, "No such team.")
    return team


def project_or_404(request: HttpRequest, project_id: int, needs: str = "viewer") -> Project:
    """The project with `.role`, the asker's role in it. 404 for strangers, 403 for a role that is too small."""
    project = Project.objects.select_related("team").filter(pk=project_id).first()
    if project is None:
        raise Http404("No such project.")
    project.role = _check(request, project.team_id, needs, "No such project.")
    request.project = project  # the rail shows it
    return project


def child_or_404(children: "QuerySet[M] | Any", pk: int | str, **filters: Any) -> M:
    """A child fetched through its parent's query set, so that an id of another project's child is a 404."""
    child = children.filter(pk=pk, **filters).first()
    if child is None:
        raise Http404(f"No such {children.model._meta.verbose_name}.")
    return child
