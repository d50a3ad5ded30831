"""Invitations to a team by name, and their answers.

The inviter learns nothing about a name until its person answers: the invitation is stored, whether the name exists or
not. A person whose account an owner of the installation created joins by accepting. Anybody else chose their own name,
so an owner of the team sees since when the account exists, and admits or refuses them.
"""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from atelier.accounts import members, names
from atelier.accounts.models import Invitation, Membership, Role, Team, User
from atelier.accounts.models import in_two_weeks as expiry

MOST_OPEN = 100  # invitations of one team that wait
MOST_CLOSED = 100
State = Invitation.State
OPEN = (State.PENDING, State.ANSWERED)
SENT = "If an account called {name} exists, its owner can accept the invitation on their home page within two weeks."
GONE = "This invitation is no longer valid. Ask an owner of the team for a new one."


@transaction.atomic
def invite(team: Team, by: User, name: str, role: str) -> Invitation:
    """Invite a name. A second invitation of the same name replaces the first.

    Raises ValidationError for a name that no account can have, a member, and too many that wait.
    """
    name, role = names.usual(name), Role(role)
    compared = names.compared(name)
    members.hold(team.pk)
    if team.memberships.filter(user__compared_name=compared).exists():
        raise ValidationError(f"{name} is already in the team. Change the role in the list instead.")
    before = team.invitations.select_for_update().filter(compared_name=compared).first()
    if before is not None and before.state == State.ANSWERED:
        raise ValidationError(f"{name} has already accepted. Let them in or refuse them below.")
    if team.invitations.filter(state__in=OPEN).count() >= MOST_OPEN:
        raise ValidationError(f"A team can have at most {MOST_OPEN} open invitations. Withdraw one first.")
    invitation = before or Invitation(team=team, compared_name=compared)
    invitation.name, invitation.role, invitation.state = name, role, State.PENDING
    invitation.invited_by, invitation.user = by, None
    invitation.created_at, invitation.expires_at = timezone.now(), expiry()
    invitation.save()
    closed = team.invitations.exclude(state__in=OPEN).order_by("-created_at").values_list("pk", flat=True)
    team.invitations.filter(pk__in=list(closed[MOST_CLOSED : 2 * MOST_CLOSED])).delete()
    return invitation


def waiting_for(user: User) -> "QuerySet[Invitation]":
    """Return the invitations that this person can accept or decline.

    Of older accounts that differ in case only, the exactly matching one is meant.
    """
    twins = User.objects.filter(compared_name=user.compared_name).exclude(pk=user.pk).values_list("username", flat=True)
    mine = Q(compared_name=user.compared_name)
    if others := list(twins):
        mine &= Q(name=user.username) | ~Q(name__in=others)
    return Invitation.objects.live().filter(mine).select_related("team", "invited_by").order_by("-created_at")


def of(team: Team) -> "QuerySet[Invitation]":
    """Return a team's open invitations and those answered recently, the newest first."""
    return team.invitations.select_related("user", "invited_by").order_by("-created_at", "-pk")


@transaction.atomic
def accept(invitation: Invitation, user: User) -> Membership | None:
    """Accept an invitation and join; None when an owner of the team has to decide first.

    Raises ValidationError when it is no longer valid.
    """
    members.hold(invitation.team_id)
    _answer(invitation, user, State.ACCEPTED if user.is_vouched else State.ANSWERED)
    return _join(invitation, user) if user.is_vouched else None


@transaction.atomic
def decline(invitation: Invitation, user: User) -> None:
    """Decline an invitation. Raises ValidationError when it is no longer valid."""
    _answer(invitation, user, State.DECLINED)


@transaction.atomic
def withdraw(invitation: Invitation) -> None:
    """Withdraw an invitation. Raises ValidationError when the person answered first."""
    _move(invitation, State.PENDING, State.WITHDRAWN)


@transaction.atomic
def let_in(invitation: Invitation) -> Membership:
    """Admit a person who has accepted. Raises ValidationError when there is nothing to decide."""
    members.hold(invitation.team_id)
    if invitation.user is None or not invitation.user.is_active:
        raise ValidationError("No account is waiting to be let in here. Invite the person again.")
    _move(invitation, State.ANSWERED, State.ACCEPTED)
    return _join(invitation, invitation.user)


@transaction.atomic
def refuse(invitation: Invitation) -> None:
    """Refuse a person who has accepted. Raises ValidationError when there is nothing to decide."""
    _move(invitation, State.ANSWERED, State.REFUSED)


def _answer(invitation: Invitation, user: User, state: str) -> None:
    if not waiting_for(user).filter(pk=invitation.pk).exists():
        raise ValidationError(GONE)
    if not Invitation.objects.filter(pk=invitation.pk, state=State.PENDING).update(state=state, user=user):
        raise ValidationError(GONE)


def _move(invitation: Invitation, before: str, after: str) -> None:
    """Change the state of an invitation by one conditional UPDATE, so that of two answers at once one counts."""
    if not Invitation.objects.filter(pk=invitation.pk, state=before).update(state=after):
        raise ValidationError("This invitation has changed. Reload the page.")


def _join(invitation: Invitation, user: User) -> Membership:
    """Join the team with the role of the last invitation. Somebody who has become a member since keeps their role."""
    role = Invitation.objects.values_list("role", flat=True).get(pk=invitation.pk)
    return Membership.objects.get_or_create(team=invitation.team, user=user, defaults={"role": role})[0]
