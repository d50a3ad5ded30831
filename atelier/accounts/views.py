"""Pages of teams with their members and keys, and of a project's settings."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts import invitations, members, projects
from atelier.accounts.access import child_or_404, project_or_404, team_or_404
from atelier.accounts.forms import KeyForm, MemberForm, NewProjectForm, ProjectForm, TeamForm
from atelier.accounts.installation_views import created_account
from atelier.accounts.models import APIKey, Invitation, Membership, Role, Team, User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.files import quotas
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error


@require_GET_POST
def new_team(request: HttpRequest) -> HttpResponse:
    """Create a team; while registration is closed, for owners of the installation only."""
    if not members.may_make_teams(request.user):
        raise PermissionDenied("Only owners of the installation can create teams here. Ask one of them for a team.")
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            team = members.make_team(form.cleaned_data["name"], request.user)
            trail.note(request, AuditAction.TEAM_CREATED, team, team=team)
        return redirect("team", team.pk)
    return render(request, "accounts/new_team.html", {"form": form})


@require_GET
def team(request: HttpRequest, team_id: int) -> HttpResponse:
    return _team_page(request, team_or_404(request, team_id))


def _team_page(
    request: HttpRequest,
    team: Team,
    member_form: MemberForm | None = None,
    key_form: KeyForm | None = None,
    new_key: str = "",
    new_password: tuple[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    owns = team.role == Role.OWNER
    keys = team.api_keys.select_related("user").order_by("-created_at")
    context = {
        "team": team,
        "roles": Role.choices,
        "new_key": new_key,
        "new_password": new_password,
        "members": team.memberships.select_related("user").order_by("user__username"),
        "invitations": invitations.of(team) if owns else [],
        "projects": team.projects.order_by("name"),
        "usage": quotas.usage(team),
        "uploaded": quotas.uploaded(team),
        "upload_limit": settings.TEAM_UPLOAD_BYTES_A_DAY,
        "keys": keys.filter(user=request.user),
        "others_keys": keys.exclude(user=request.user).filter(revoked_at=None) if owns else [],
        "member_form": member_form or MemberForm(),
        "key_form": key_form or KeyForm(),
    }
    return render(request, "accounts/team.html", context, status=status)


@require_POST
def add_member(request: HttpRequest, team_id: int) -> HttpResponse:
    """Invite a name.

    With `make`, an owner of the installation creates an account of that name, which joins the team at once.
    """
    team = team_or_404(request, team_id, needs="owner")
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _team_page(request, team, member_form=form, status=422)
    name, role = form.cleaned_data["username"], form.cleaned_data["role"]
    try:
        if request.POST.get("make"):
            return _team_page(request, team, new_password=_made_member(request, team, name, role))
        invited(request, team, name, role)
    except ValidationError as error:
        form.add_error("username", error)
        return _team_page(request, team, member_form=form, status=422)
    messages.success(request, invitations.SENT.format(name=name))
    return redirect("team", team.pk)


def invited(request: HttpRequest, team: Team, name: str, role: str) -> Invitation:
    """Invite a name and note it in the audit trail. Raises ValidationError."""
    with transaction.atomic():
        invitation = invitations.invite(team, request.user, name, role)
        trail.note(request, AuditAction.INVITATION_SENT, invitation, team=team, name=invitation.name, role=role)
    return invitation


def _made_member(request: HttpRequest, team: Team, name: str, role: str) -> tuple[str, str]:
    """Create an account that is in the team; return its name and first password. Raises ValidationError."""
    with transaction.atomic():
        user, password = created_account(request, name, team=team)
        membership = members.add(team, user, role)
        trail.note(request, AuditAction.MEMBER_ADDED, membership, team=team, name=user.username, role=role)
    return user.username, password


@require_POST
def change_member(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    team = team_or_404(request, team_id, needs="owner")
    membership = child_or_404(team.memberships.select_related("user", "team"), pk)
    role, is_own = request.POST.get("role", ""), membership.user == request.user
    if role not in [*Role.values, "remove"]:
        messages.error(request, f"The team has no role {role[:20]!r}. Choose one of {', '.join(Role.values)}.")
        return redirect("team", team.pk)
    try:
        done = changed_member(request, membership, None if role == "remove" else role)
    except ValidationError as error:
        say_error(request, error)
        return redirect("team", team.pk)
    if role == "remove" and is_own:
        messages.success(request, f"You left {team}.")
        return redirect("home")  # the team's page is not theirs any more
    messages.success(request, done)
    return redirect("team", team.pk)


def changed_member(request: HttpRequest, membership: Membership, role: str | None) -> str:
    """Change a role, or remove a member when it is None, and note it in the audit trail. Returns a sentence.

    Raises ValidationError.
    """
    user, before = membership.user, membership.role
    about = {"team": membership.team, "kind": "membership", "pk": membership.pk, "name": user.username}
    with transaction.atomic():
        members.set_role(membership, role)
        if role is None:
            trail.note(request, AuditAction.MEMBER_REMOVED, **about, role=before)
        elif role != before:
            trail.note(request, AuditAction.ROLE_CHANGED, **about, before=before, role=role)
    return f"{user} was removed." if role is None else f"{user} now has the role {role}."


@require_POST
def leave(request: HttpRequest, team_id: int) -> HttpResponse:
    """Leave a team."""
    team = team_or_404(request, team_id)
    try:
        changed_member(request, team.memberships.select_related("user", "team").get(user=request.user), None)
    except ValidationError as error:
        say_error(request, error)
        return redirect("account")
    messages.success(request, f"You left {team}.")
    return redirect("home")


@require_POST
def add_key(request: HttpRequest, team_id: int) -> HttpResponse:
    team = team_or_404(request, team_id)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _team_page(request, team, key_form=form, status=422)
    with transaction.atomic():
        key, plain = APIKey.issue(team, request.user, form.cleaned_data["name"])
        trail.note(request, AuditAction.KEY_CREATED, key, team=team)
    return _team_page(request, team, new_key=plain)


@require_POST
def revoke_key(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    """Revoke one's own key; an owner of the team can revoke anybody's."""
    team = team_or_404(request, team_id)
    revoked_key(request, child_or_404(keys_in_reach(team, request.user), pk))
    messages.success(request, "The key was revoked. Requests that use it are now refused.")
    return redirect("team", team.pk)


def keys_in_reach(team: Team, user: User) -> QuerySet[APIKey]:
    """Return the keys that this person can see and revoke: their own, or those of all members for an owner."""
    keys = team.api_keys.select_related("user")
    return keys if team.role == Role.OWNER else keys.filter(user=user)


def revoked_key(request: HttpRequest, key: APIKey) -> None:
    """Revoke a key, and note it in the audit trail unless it was already revoked."""
    with transaction.atomic():
        if key.revoke():
            trail.note(request, AuditAction.KEY_REVOKED, key, team=key.team, person=key.user.username)


@require_GET_POST
def new_project(request: HttpRequest, team_id: int) -> HttpResponse:
    team = team_or_404(request, team_id, needs="editor")
    form = NewProjectForm(request.POST or None, team=team)
    if request.method == "POST" and form.is_valid():
        form.instance.team, form.instance.created_by = team, request.user
        with transaction.atomic():
            project = form.save()
            trail.note(request, AuditAction.PROJECT_CREATED, project, project=project)
        return redirect("project", project.pk)
    return render(request, "accounts/new_project.html", {"form": form, "team": team})


@require_GET_POST
def project_settings(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="viewer" if request.method == "GET" else "editor")
    form = ProjectForm(request.POST or None, instance=project, team=project.team)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            if form.changed_data:
                trail.note(request, AuditAction.PROJECT_CHANGED, project, project=project, changed=form.changed_data)
        messages.success(request, "Saved.")
        return redirect("project_settings", project.pk)
    return render(request, "accounts/project_settings.html", {"form": form, "can_edit": project.role.covers("editor")})


@require_GET_POST
def delete_project(request: HttpRequest, project_id: int) -> HttpResponse:
    """Delete a project after its name was typed, as this cannot be undone."""
    project = project_or_404(request, project_id, needs="owner")
    team_id, name = project.team_id, project.name
    if request.method == "POST" and request.POST.get("name") != name:
        messages.error(request, "The name doesn't match the project's name. Nothing was deleted.")
    elif request.method == "POST":
        try:
            job = projects.delete(request, project)
        except ValidationError as error:
            say_error(request, error)
        else:
            if job.status != job.Status.DONE:
                return redirect("project_deletion", team_id, job.pk)
            messages.success(request, f"{name} was deleted.")
            return redirect("team", team_id)
    return render(request, "accounts/delete_project.html", {})
