"""Signing in and out, registering, and one's own account with its password and invitations."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from atelier.accounts import browsers, invitations, members, throttle
from atelier.accounts.forms import PasswordForm, RegistrationForm
from atelier.accounts.models import Membership, Role, Team, User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web.methods import require_GET_POST


@login_not_required
@require_GET_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    form = AuthenticationForm(request, request.POST or None)
    username = request.POST.get("username", "")
    if not (username and request.POST.get("password")):
        return _sign_in_page(request, form)
    attempt = throttle.SignInAttempt(request, username)
    if wait := attempt.begin():
        messages.error(request, throttle.sentence(wait))
        return throttle.refuse(_sign_in_page(request, AuthenticationForm(request)), wait)
    if form.is_valid():
        attempt.succeed()
        return _enter(request, form.get_user(), _target(request))
    user = members.named(username)
    trail.note_failed_sign_in(request, user, user.username if user else "")
    return _sign_in_page(request, form)


def _sign_in_page(request: HttpRequest, form: AuthenticationForm) -> HttpResponse:
    return render(request, "accounts/sign_in.html", {"form": form, "can_register": settings.REGISTRATION_OPEN})


def _target(request: HttpRequest) -> str:
    """Return the page that the person wanted, if that is on this site."""
    target = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe else "home"


def _enter(request: HttpRequest, user: User, target: str) -> HttpResponse:
    response = redirect(target)
    with transaction.atomic():
        login(request, user)
        browsers.remember(request, response, user)
        trail.note(request, AuditAction.SIGNED_IN, actor=user)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    trail.note(request, AuditAction.SIGNED_OUT)
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@login_not_required
@require_GET_POST
def register(request: HttpRequest) -> HttpResponse:
    """Register a new user, with a team of their own. Open only with ATELIER_REGISTRATION=1."""
    if not settings.REGISTRATION_OPEN:
        raise Http404("Registration is closed. Ask an owner of the installation for an account.")
    form = RegistrationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.instance.made_by = form.cleaned_data["username"]
            user = form.save()
            team = Team.objects.create(name=f"{user.username[:70]}'s team")
            Membership.objects.create(team=team, user=user, role=Role.OWNER)
            trail.note(request, AuditAction.ACCOUNT_CREATED, user, actor=user, team=team, name=user.username)
            return _enter(request, user, "home")
    return render(request, "accounts/register.html", {"form": form})


@require_GET_POST
def account(request: HttpRequest) -> HttpResponse:
    """Show the account. A new password ends all other sessions, and revokes the API keys unless their person keeps them."""
    if request.method == "POST":
        attempt = throttle.SignInAttempt(request, request.user.username)
        if wait := attempt.begin():
            messages.error(request, throttle.sentence(wait))
            return throttle.refuse(_account_page(request, PasswordForm(request.user)), wait)
        form = PasswordForm(request.user, request.POST)
        if form.is_valid():
            attempt.succeed()
            _change_password(request, form)
            return redirect("account")
        if "old_password" not in form.errors:
            attempt.succeed()  # the password was right; the new one will not do
        else:
            trail.note_failed_sign_in(request, request.user, request.user.username)
        return _account_page(request, form)
    return _account_page(request, PasswordForm(request.user))


def _change_password(request: HttpRequest, form: PasswordForm) -> None:
    user = request.user
    with transaction.atomic():
        update_session_auth_hash(request, form.save())
        browsers.forget_others(request, user)
        live = user.api_keys.filter(revoked_at=None)
        revoked = live.update(revoked_at=timezone.now()) if form.cleaned_data["revoke_keys"] else 0
        trail.note(request, AuditAction.PASSWORD_CHANGED, revoked_keys=revoked)
    keys = f" {revoked} API key{'' if revoked == 1 else 's'} revoked." if revoked else ""
    messages.success(request, f"Your password was changed and all other sessions were signed out.{keys}")


def _account_page(request: HttpRequest, form: PasswordForm) -> HttpResponse:
    context = {
        "form": form,
        "memberships": request.user.memberships.select_related("team").order_by("team__name"),
        "waiting": invitations.waiting_for(request.user),
        "keys": request.user.api_keys.filter(revoked_at=None).select_related("team").order_by("team__name", "name"),
    }
    return render(request, "accounts/account.html", context)
