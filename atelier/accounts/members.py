"""Changing who is in a team."""

import secrets

from django.core.exceptions import ValidationError
from django.db import transaction

from atelier.accounts.models import Membership, Role, Team, User


@transaction.atomic
def add(team: Team, username: str, role: str) -> tuple[Membership, str]:
    """Put a user into the team; an unknown name gets an account. Returns the membership and a new password, if any.

    Nobody gets a second account by another case: Vera is vera. Raises ValidationError when the user is in the team already.
    """
    password = ""
    user = named(username)
    if user is None:
        password = secrets.token_urlsafe(12)
        user = User.objects.create_user(username=username, password=password)
    membership, created = Membership.objects.get_or_create(team=team, user=user, defaults={"role": role})
    if not created:
        raise ValidationError(f"{user.username} is in the team already: change the role in the list instead.")
    return membership, password


def named(username: str) -> User | None:
    """Who has this name, whatever the case; of older accounts that differ in nothing else the one written so."""
    found = list(User.objects.filter(username__iexact=username).order_by("pk"))
    return next((user for user in found if user.username == username), found[0] if found else None)


def hold(team_id: int) -> None:
    """Inside a transaction: nobody leaves the team and no role changes until it ends."""
    list(Team.objects.select_for_update(no_key=True).filter(pk=team_id).values_list("pk"))


@transaction.atomic
def set_role(membership: Membership, role: str | None) -> None:
    """Change the role, or remove the member when it is None. Raises ValidationError for the team's last owner."""
    Team.objects.select_for_update().get(pk=membership.team_id)  # two owners must not step down at once
    if membership.role == Role.OWNER and role != Role.OWNER and not membership.team.has_other_owner(membership.user):
        raise ValidationError("A team needs an owner: make somebody else owner first.")
    if role is None:
        membership.team.api_keys.filter(user=membership.user, revoked_at=None).delete()
        membership.delete()
    else:
        membership.role = Role(role)
        membership.save(update_fields=["role"])


@transaction.atomic
def first_owner() -> tuple[User, str] | None:
    """On an installation without users: one owner with a random password, and a team. None when somebody is there."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(username="owner", password=password, is_staff=True, is_superuser=True)
    team = Team.objects.create(name="Workshop")
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    return user, password
