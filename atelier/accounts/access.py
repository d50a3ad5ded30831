"""Permission is in the fetch: these return the object or end the request."""

from typing import Any, NoReturn, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import F, Model, QuerySet
from django.http import Http404, HttpRequest

from atelier.accounts.models import Membership, Project, Role, Team
from atelier.statements import kept

M = TypeVar("M", bound=Model)


def _reaches(request: HttpRequest, team_id: int) -> bool:
    """A key never reaches beyond its own team, whoever holds it."""
    key = getattr(request, "api_key", None)
    return key is None or key.team_id == team_id


def _refuse(has: str, needs: str) -> NoReturn:
    raise PermissionDenied(f"This needs the role {needs}; yours here is {has}. An owner of the team can change that.")


def _covering(has: str, needs: str) -> Role:
    role = Role(has)
    if not role.covers(needs):
        _refuse(role, needs)
    return role


def team_or_404(request: HttpRequest, team_id: int, needs: str = "viewer") -> Team:
    """The team with `.role`, the asker's role in it. 404 for strangers, 403 for a role that is too small."""
    membership = Membership.objects.select_related("team").filter(team=team_id, user=request.user).first()
    if membership is None or not _reaches(request, team_id):
        raise Http404("No such team.")
    team = membership.team
    team.role = _covering(membership.role, needs)
    return team


def project_or_404(request: HttpRequest, project_id: int, needs: str = "viewer") -> Project:
    """The project with `.role`, the asker's role in it. 404 for strangers, 403 for a role that is too small."""
    project = next(iter(_as_member(project_id, request.user.pk)), None)
    if project is None or not _reaches(request, project.team_id):
        raise Http404("No such project.")
    project.role = _covering(project.askers_role, needs)
    request.project = project  # the rail shows it
    return project


@kept
def _as_member(project: int, user: int) -> QuerySet[Project]:
    """One query, for every page begins with it: the project as a member of its team sees it."""
    found = Project.objects.select_related("team").filter(pk=project, team__memberships__user=user)
    return found.annotate(askers_role=F("team__memberships__role"))


def child_or_404(children: "QuerySet[M] | Any", pk: int | str, **filters: Any) -> M:
    """A child fetched through its parent's query set, so that an id of another project's child is a 404."""
    child = children.filter(pk=pk, **filters).first()
    if child is None:
        raise Http404(f"No such {children.model._meta.verbose_name}.")
    return child
