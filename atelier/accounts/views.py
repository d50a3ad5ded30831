"""Signing in, the account, teams with their members and keys, and a project's settings."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts import members, projects, throttle
from atelier.accounts.access import child_or_404, project_or_404, team_or_404
from atelier.accounts.forms import KeyForm, MemberForm, NewProjectForm, ProjectForm, RegistrationForm, TeamForm
from atelier.accounts.models import APIKey, Membership, Role, Team

GET_POST = require_http_methods(["GET", "POST"])


@login_not_required
@GET_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    address = request.META.get("REMOTE_ADDR") or "127.0.0.1"
    username = request.POST.get("username", "")
    status = 200
    if request.method == "POST" and throttle.is_blocked(username, address):
        form, status = AuthenticationForm(request), 429
        messages.error(request, "Too many attempts. Wait a quarter of an hour, then try again.")
    else:
        form = AuthenticationForm(request, request.POST or None)
        if request.method == "POST" and form.is_valid():
            throttle.forget(username, address)
            login(request, form.get_user())
            target = request.GET.get("next", "")
            safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
            return redirect(target if safe else "home")
        if request.method == "POST":
            throttle.note_failure(username, address)
    return render(
        request, "accounts/sign_in.html", {"form": form, "can_register": settings.REGISTRATION_OPEN}, status=status
    )


@login_not_required
@GET_POST
def register(request: HttpRequest) -> HttpResponse:
    """Open only with ATELIER_REGISTRATION=1. A new user gets a team of their own."""
    if not settings.REGISTRATION_OPEN:
        raise Http404("Registration is closed here: ask an owner to add you to a team.")
    form = RegistrationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        team = Team.objects.create(name=f"{user.username}'s team")
        Membership.objects.create(team=team, user=user, role=Role.OWNER)
        login(request, user)
        return redirect("home")
    return render(request, "accounts/register.html", {"form": form})


@GET_POST
def account(request: HttpRequest) -> HttpResponse:
    form = PasswordChangeForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        update_session_auth_hash(request, form.save())
        messages.success(request, "Your password is changed.")
        return redirect("account")
    memberships = request.user.memberships.select_related("team").order_by("team__name")
    return render(request, "accounts/account.html", {"form": form, "memberships": memberships})


@GET_POST
def new_team(request: HttpRequest) -> HttpResponse:
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        team = form.save()
        Membership.objects.create(team=team, user=request.user, role=Role.OWNER)
        return redirect("team", team.pk)
    return render(request, "accounts/new_team.html", {"form": form})


@require_GET
def team(request: HttpRequest, team_id: int) -> HttpResponse:
    return _team_page(request, team_or_404(request, team_id))


def _team_page(
    request: HttpRequest,
    found: Team,
    member_form: MemberForm | None = None,
    key_form: KeyForm | None = None,
    new_key: str = "",
    new_password: tuple[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "team": found,
        "roles": Role.choices,
        "new_key": new_key,
        "new_password": new_password,
        "members": found.memberships.select_related("user").order_by("user__username"),
        "projects": found.projects.order_by("name"),
        "keys": found.api_keys.filter(user=request.user).order_by("-created_at"),
        "member_form": member_form or MemberForm(),
        "key_form": key_form or KeyForm(),
    }
    return render(request, "accounts/team.html", context, status=status)


@require_POST
def add_member(request: HttpRequest, team_id: int) -> HttpResponse:
    found = team_or_404(request, team_id, needs="owner")
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _team_page(request, found, member_form=form, status=422)
    try:
        membership, password = members.add(found, form.cleaned_data["username"], form.cleaned_data["role"])
    except ValidationError as error:
        form.add_error("username", error)
        return _team_page(request, found, member_form=form, status=422)
    if password:  # shown once, on this very page
        return _team_page(request, found, new_password=(membership.user.username, password))
    messages.success(request, f"{membership.user} is in the team now.")
    return redirect("team", found.pk)


@require_POST
def change_member(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    found = team_or_404(request, team_id, needs="owner")
    membership = child_or_404(found.memberships.select_related("user", "team"), pk)
    role = request.POST.get("role", "")
    if role not in [*Role.values, "remove"]:
        messages.error(request, f"There is no role {role!r}: choose one of {', '.join(Role.values)}.")
        return redirect("team", found.pk)
    try:
        members.set_role(membership, None if role == "remove" else role)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        if role == "remove" and membership.user == request.user:
            messages.success(request, f"You have left {found}.")
            return redirect("home")  # the team's page is not theirs any more
        messages.success(
            request, f"{membership.user} was removed." if role == "remove" else f"{membership.user} is {role} now."
        )
    return redirect("team", found.pk)


@require_POST
def add_key(request: HttpRequest, team_id: int) -> HttpResponse:
    found = team_or_404(request, team_id)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _team_page(request, found, key_form=form, status=422)
    _, plain = APIKey.issue(found, request.user, form.cleaned_data["name"])
    return _team_page(request, found, new_key=plain)


@require_POST
def revoke_key(request: HttpRequest, team_id: int, pk: int) -> HttpResponse:
    found = team_or_404(request, team_id)
    child_or_404(found.api_keys.filter(user=request.user), pk).revoke()
    messages.success(request, "The key is revoked; whoever sends it is refused from now on.")
    return redirect("team", found.pk)


@GET_POST
def new_project(request: HttpRequest, team_id: int) -> HttpResponse:
    found = team_or_404(request, team_id, needs="editor")
    form = NewProjectForm(request.POST or None, team=found)
    if request.method == "POST" and form.is_valid():
        form.instance.team, form.instance.created_by = found, request.user
        return redirect("project", form.save().pk)
    return render(request, "accounts/new_project.html", {"form": form, "team": found})


@GET_POST
def project_settings(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="viewer" if request.method == "GET" else "editor")
    form = ProjectForm(request.POST or None, instance=project, team=project.team)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("project_settings", project.pk)
    return render(request, "accounts/project_settings.html", {"form": form, "can_edit": project.role.covers("editor")})


@GET_POST
def delete_project(request: HttpRequest, project_id: int) -> HttpResponse:
    """Deleting asks for the project's name, for nothing brings it back."""
    project = project_or_404(request, project_id, needs="owner")
    team_id, name = project.team_id, project.name
    if request.method == "POST" and request.POST.get("name") != name:
        messages.error(request, "That is not the project's name; nothing was deleted.")
    elif request.method == "POST":
        try:
            projects.delete(project)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, f"{name} is deleted.")
            return redirect("team", team_id)
    return render(request, "accounts/delete_project.html", {})
