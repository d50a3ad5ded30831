"""Views that answer an invitation to a team, and an owner's decision on it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from atelier.accounts import invitations
from atelier.accounts.access import child_or_404, team_or_404
from atelier.accounts.models import Invitation
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web.toasts import say_error


@require_POST
def answer(request: HttpRequest, team_id: int, pk: int, move: str) -> HttpResponse:
    """Accept or decline one's own invitation. Anybody else's is a 404."""
    invitation = invitations.waiting_for(request.user).filter(team=team_id, pk=pk).first()
    if invitation is None:
        raise Http404("Invitation not found. It may have been withdrawn.")
    with transaction.atomic():
        if move == "decline":
            invitations.decline(invitation, request.user)
            done = f"You declined the invitation to {invitation.team}."
            _note(request, AuditAction.INVITATION_DECLINED, invitation)
        else:
            joined = invitations.accept(invitation, request.user)
            _note(request, AuditAction.INVITATION_ACCEPTED, invitation, role=invitation.role, joined=joined is not None)
            waits = f"You accepted. An owner of {invitation.team} has to let you in."
            done = f"You joined {invitation.team}." if joined else waits
    messages.success(request, done)
    return redirect("home")


@require_POST
def decide(request: HttpRequest, team_id: int, pk: int, move: str) -> HttpResponse:
    """Withdraw an invitation, or admit or refuse the person who accepted it. For owners of the team."""
    team = team_or_404(request, team_id, needs="owner")
    invitation = child_or_404(team.invitations.select_related("user", "team"), pk)
    try:
        messages.success(request, decided(request, invitation, move))
    except ValidationError as error:
        say_error(request, error)
    return redirect("team", team.pk)


def decided(request: HttpRequest, invitation: Invitation, move: str) -> str:
    """Carry out an owner's decision on an invitation, and note it in the audit trail. Returns a sentence.

    Raises ValidationError.
    """
    withdrawn = f"The invitation of {invitation.name} was withdrawn."
    moves = {
        "withdraw": (invitations.withdraw, AuditAction.INVITATION_WITHDRAWN, withdrawn),
        "let-in": (invitations.let_in, AuditAction.MEMBER_ADDED, f"{invitation.user} joined the team."),
        "refuse": (invitations.refuse, AuditAction.INVITATION_REFUSED, f"{invitation.name} was refused."),
    }
    act, action, sentence = moves[move]
    with transaction.atomic():
        act(invitation)
        _note(request, action, invitation, role=invitation.role)
    return sentence


def _note(request: HttpRequest, action: AuditAction, invitation: Invitation, **detail: Any) -> None:
    about = {"team": invitation.team, "kind": "invitation", "pk": invitation.pk, "name": invitation.name}
    trail.note(request, action, **about, **detail)
