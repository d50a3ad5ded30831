"""Members of teams, and accounts: creating them, roles, and owners of the installation."""

import secrets

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from atelier.accounts import names
from atelier.accounts.models import Membership, Role, Team, User


def may_make_teams(user: User) -> bool:
    """Return whether the user may create teams: everybody if registration is open, else the owners of the installation."""
    return settings.REGISTRATION_OPEN or user.owns_installation


def make_team(name: str, owner: User) -> Team:
    """Create a team with its first owner. Raises PermissionDenied for those who may not create teams here."""
    if not may_make_teams(owner):
        raise PermissionDenied("Only owners of the installation can create teams here. Ask one of them for a team.")
    with transaction.atomic():
        team = Team.objects.create(name=name)
        Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    return team


@transaction.atomic
def make_account(name: str, by: User) -> tuple[User, str]:
    """Create an account with its first password. For owners of the installation only, who learn whether a name is taken.

    Raises PermissionDenied, or ValidationError.
    """
    if not by.owns_installation:
        raise PermissionDenied("Only owners of the installation can create accounts. Invite people who have one.")
    name = names.check_new(name)
    if existing := named(name):
        raise ValidationError(
            f"{existing.username} already exists ({existing.origin}). Invite them, or choose another name."
        )
    password = secrets.token_urlsafe(12)
    try:
        with transaction.atomic():
            user = User.objects.create_user(username=name, password=password, made_by=by.username, is_vouched=True)
    except IntegrityError as error:  # the same at the same moment
        raise ValidationError(f"{name} already exists. Invite them, or choose another name.") from error
    return user, password


@transaction.atomic
def add(team: Team, user: User, role: str) -> Membership:
    """Add a person to the team. Raises ValidationError when they are already in it."""
    membership, created = Membership.objects.get_or_create(team=team, user=user, defaults={"role": role})
    if not created:
        raise ValidationError(f"{user.username} is already in the team. Change the role in the list instead.")
    return membership


def named(username: str) -> User | None:
    """Return the user of this name, whatever the case; of older accounts that differ in nothing else the exact one."""
    users = list(User.objects.filter(compared_name=names.compared(username)).order_by("pk"))
    return next((user for user in users if user.username == username), users[0] if users else None)


def hold(team_id: int) -> None:
    """Lock a team within a transaction: nobody leaves it and no role changes until the transaction ends."""
    list(Team.objects.select_for_update(no_key=True).filter(pk=team_id).values_list("pk"))


@transaction.atomic
def set_role(membership: Membership, role: str | None) -> None:
    """Change the role of a member, or remove the member when it is None.

    Raises ValidationError for the team's last owner, and for somebody who has already left.
    """
    Team.objects.select_for_update().get(pk=membership.team_id)  # two owners must not step down at once
    current = Membership.objects.select_related("team", "user").filter(pk=membership.pk).first()
    if current is None:
        raise ValidationError(f"{membership.user.username} is no longer in the team.")
    membership.role = current.role  # as it is now, and not as it was before the lock
    if membership.role == Role.OWNER and role != Role.OWNER and not membership.team.has_other_owner(membership.user):
        raise ValidationError("The team needs an owner. Make someone else an owner first.")
    if role is None:
        membership.team.api_keys.filter(user=membership.user, revoked_at=None).update(revoked_at=timezone.now())
        membership.delete()
    else:
        membership.role = Role(role)
        membership.save(update_fields=["role"])


@transaction.atomic
def first_owner() -> tuple[User, str] | None:
    """Create the first owner, with a random password, and a team, on an installation without users. None if there are users."""
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(
        username="owner",
        password=password,
        is_staff=True,
        is_superuser=True,
        is_vouched=True,
        made_by="the installation",
    )
    team = Team.objects.create(name="Workshop")
    Membership.objects.create(team=team, user=user, role=Role.OWNER)
    return user, password


@transaction.atomic
def set_installation_owner(user: User, owns: bool) -> bool:
    """Make somebody an owner of the installation, or no longer. Returns False when nothing changes.

    Raises ValidationError for the last one, and for an account that cannot sign in.
    """
    held = {owner.pk for owner in User.objects.select_for_update().filter(is_superuser=True, is_active=True)}
    if owns == (user.pk in held):
        return False
    if owns and not user.is_active:
        raise ValidationError(f"{user.username} isn't active, so they can't be an owner of the installation.")
    if not owns and held == {user.pk}:
        raise ValidationError("The installation needs an owner. Make someone else an owner first.")
    user.is_superuser = owns
    user.save(update_fields=["is_superuser"])
    return True
