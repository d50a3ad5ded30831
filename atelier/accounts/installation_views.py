"""The installation's own page: its owners, all accounts, and creating one. For owners of the installation only."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from atelier.accounts import members, names
from atelier.accounts.access import installation_or_404
from atelier.accounts.forms import AccountForm
from atelier.accounts.models import User
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error

PAGE = 100


@require_GET_POST
def installation(request: HttpRequest) -> HttpResponse:
    """List all accounts by name; the form creates another and shows its first password once."""
    installation_or_404(request)
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user, password = created_account(request, form.cleaned_data["username"])
        except ValidationError as error:
            form.add_error("username", error)
        else:
            return _page(request, AccountForm(), new_password=(user.username, password))
    return _page(request, form, status=422 if form.errors else 200)


def created_account(request: HttpRequest, name: str, **about: Any) -> tuple[User, str]:
    """Create an account and note it in the audit trail. Raises PermissionDenied, or ValidationError."""
    with transaction.atomic():
        user, password = members.make_account(name, request.user)
        trail.note(request, AuditAction.ACCOUNT_CREATED, user, name=user.username, **about)
    return user, password


def _page(request: HttpRequest, form: AccountForm, status: int = 200, **more: Any) -> HttpResponse:
    search, after = request.GET.get("q", "")[: names.LENGTH], names.compared(request.GET.get("after", ""))
    people = User.objects.filter(compared_name__contains=names.compared(search), compared_name__gt=after)
    shown = list(people.prefetch_related("memberships__team").order_by("compared_name", "pk")[: PAGE + 1])
    following = urlencode({"q": search, "after": shown[PAGE - 1].compared_name}) if shown[PAGE:] else ""
    context = {
        "form": form,
        "people": shown[:PAGE],
        "search": search,
        "next_url": f"{reverse('installation')}?{following}" if following else None,
        "owners": User.objects.filter(is_superuser=True, is_active=True).count(),
    }
    return render(request, "accounts/installation.html", context | more, status=status)


@require_POST
def change_owner(request: HttpRequest) -> HttpResponse:
    """Make somebody an owner of the installation, or no longer."""
    installation_or_404(request)
    person = request.POST.get("person", "")
    user = User.objects.filter(pk=int(person)).first() if person.isdecimal() and len(person) < 19 else None
    if user is None:
        raise Http404("User not found.")
    owns = request.POST.get("move") == "add"
    try:
        with transaction.atomic():
            if members.set_installation_owner(user, owns):
                action = AuditAction.INSTALLATION_OWNER_ADDED if owns else AuditAction.INSTALLATION_OWNER_REMOVED
                trail.note(request, action, user, name=user.username)
    except ValidationError as error:
        say_error(request, error)
    else:
        now = "is now an owner of the installation" if owns else "is no longer an owner of the installation"
        messages.success(request, f"{user.username} {now}.")
    return redirect("installation" if request.user.pk != user.pk or owns else "home")
