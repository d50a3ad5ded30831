"""Permission checks when loading a team, project or object: they return the object or end the request with 404 or 403."""

from typing import Any, NoReturn, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import F, Model, QuerySet
from django.http import Http404, HttpRequest

from atelier.accounts.models import Membership, Project, Role, Team
from atelier.database.prepared import prepared
from atelier.processes import sandbox

M = TypeVar("M", bound=Model)


def _reaches(request: HttpRequest, team_id: int) -> bool:
    """Return whether the request may reach a team: a key never reaches beyond its own team, no matter who uses it."""
    key = getattr(request, "api_key", None)
    return key is None or key.team_id == team_id


def _refuse(has: str, needs: str) -> NoReturn:
    raise PermissionDenied(f"You need the role {needs} here; yours is {has}. An owner of the team can change it.")


def _covering(has: str, needs: str) -> Role:
    role = Role(has)
    if not role.covers(needs):
        _refuse(role, needs)
    return role


def team_or_404(request: HttpRequest, team_id: int, needs: str = "viewer") -> Team:
    """Return the team with `.role`, the requester's role in it. 404 for strangers, 403 for a role that is too low."""
    membership = Membership.objects.select_related("team").filter(team=team_id, user=request.user).first()
    if membership is None or not _reaches(request, team_id):
        raise Http404("Team not found.")
    team = membership.team
    team.role = _covering(membership.role, needs)
    return team


def installation_or_404(request: HttpRequest) -> None:
    """Raise 404 for everybody but the installation's owners, on pages of the installation itself."""
    if not request.user.owns_installation:
        raise Http404("Page not found.")


def project_or_404(request: HttpRequest, project_id: int, needs: str = "viewer") -> Project:
    """Return the project with `.role`, the requester's role in it. 404 for strangers, 403 for a role that is too low."""
    project = next(iter(_as_member(project_id, request.user.pk)), None)
    if project is None or not _reaches(request, project.team_id):
        raise Http404("Project not found.")
    project.role = _covering(project.askers_role, needs)
    request.project = project  # the rail shows it
    sandbox.asker.set(f"team {project.team_id}")  # no team's files take all the children there are
    return project


@prepared
def _as_member(project: int, user: int) -> QuerySet[Project]:
    """Return the project as a member of its team sees it, in one query, because every page begins with it."""
    rows = Project.objects.select_related("team").filter(pk=project, team__memberships__user=user)
    return rows.annotate(askers_role=F("team__memberships__role"))


def child_or_404(children: "QuerySet[M] | Any", pk: int | str, **filters: Any) -> M:
    """Return a child loaded through its parent's query set, so that an id of another project's child is a 404."""
    child = children.filter(pk=pk, **filters).first()
    if child is None:
        raise Http404(f"Not found: {children.model._meta.verbose_name}.")
    return child
