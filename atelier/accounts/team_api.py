"""REST API of the key's team: its members, invitations and API keys.

There is no call to answer an invitation: a key acts in the one team that it was created in, and joining another needs
the person's own sign-in.
"""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Schema, Status

from atelier.accounts import invitations
from atelier.accounts.access import child_or_404, team_or_404
from atelier.accounts.invitation_views import decided
from atelier.accounts.models import APIKey, Invitation, Membership, Team
from atelier.accounts.views import changed_member, invited, keys_in_reach, revoked_key
from atelier.web.schemas import Body, Router

router = Router(tags=["team"])
RoleName = Literal["owner", "editor", "annotator", "viewer"]


class MemberOut(Schema):
    id: int
    username: str
    role: str
    account: str = Field(description="when the account was created and by whom; empty unless you are an owner")


class RoleChange(Body):
    role: RoleName


class InvitationIn(Body):
    """An invitation by name. The response is the same whether the name exists or not."""

    name: str = Field(min_length=1, max_length=150)
    role: RoleName = "annotator"


class InvitationOut(Schema):
    id: int
    name: str
    role: str
    state: str
    account: str = Field(description="when the invited account was created and by whom")
    created_at: datetime
    expires_at: datetime


class KeyOut(Schema):
    id: int
    name: str
    prefix: str
    username: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def _team(request: HttpRequest, needs: str) -> Team:
    return team_or_404(request, request.api_key.team_id, needs=needs)


def member_out(member: Membership, role: str) -> dict[str, Any]:
    account = member.user.origin if role == "owner" else ""
    return {"id": member.pk, "username": member.user.username, "role": member.role, "account": account}


def invitation_out(invitation: Invitation) -> dict[str, Any]:
    account = (
        invitation.user.origin
        if invitation.user and invitation.state in (invitation.State.ANSWERED, invitation.State.ACCEPTED)
        else ""
    )
    return {
        "id": invitation.pk, "name": invitation.name, "role": invitation.role, "state": invitation.state, "account": account,
        "created_at": invitation.created_at, "expires_at": invitation.expires_at,
    }  # fmt: skip


def key_out(key: APIKey) -> dict[str, Any]:
    return {
        "id": key.pk, "name": key.name, "prefix": key.prefix, "username": key.user.username,
        "created_at": key.created_at, "last_used_at": key.last_used_at, "revoked_at": key.revoked_at,
    }  # fmt: skip


@router.get("/team/members", response=list[MemberOut], summary="List members")
def list_members(request: HttpRequest) -> Any:
    team = _team(request, "viewer")
    return [member_out(one, team.role) for one in team.memberships.select_related("user").order_by("user__username")]


def _member(request: HttpRequest, pk: int) -> Membership:
    return child_or_404(_team(request, "owner").memberships.select_related("user", "team"), pk)


@router.patch("/team/members/{pk}", response=MemberOut, summary="Change a role")
def change_role(request: HttpRequest, pk: int, body: RoleChange) -> Any:
    member = _member(request, pk)
    changed_member(request, member, body.role)
    return member_out(member, "owner")


@router.delete("/team/members/{pk}", response={204: None}, summary="Remove a member")
def remove_member(request: HttpRequest, pk: int) -> Any:
    """The member's API keys of this team stop working at once."""
    changed_member(request, _member(request, pk), None)
    return Status(204, None)


@router.get("/team/invitations", response=list[InvitationOut], summary="List invitations, newest first")
def list_invitations(request: HttpRequest) -> Any:
    """Lists open and recently answered invitations. For owners."""
    return [invitation_out(one) for one in invitations.of(_team(request, "owner"))]


@router.post("/team/invitations", response={201: InvitationOut}, summary="Invite a person")
def invite(request: HttpRequest, body: InvitationIn) -> Any:
    """Inviting the same name again replaces its open invitation."""
    return Status(201, invitation_out(invited(request, _team(request, "owner"), body.name, body.role)))


@router.post(
    "/team/invitations/{pk}/{move}",
    response=InvitationOut,
    summary="Withdraw an invitation, or let in or refuse the person who accepted",
)
def decide(request: HttpRequest, pk: int, move: Literal["withdraw", "let-in", "refuse"]) -> Any:
    """Use `let-in` and `refuse` for people who registered themselves; others join by accepting."""
    invitation = child_or_404(_team(request, "owner").invitations.select_related("user", "team"), pk)
    decided(request, invitation, move)
    invitation.refresh_from_db(fields=["state"])
    return invitation_out(invitation)


@router.get("/team/keys", response=list[KeyOut], summary="List API keys")
def list_keys(request: HttpRequest) -> Any:
    """Lists your keys; an owner sees all members'. The keys themselves are never returned."""
    return [key_out(key) for key in keys_in_reach(_team(request, "viewer"), request.user).order_by("-pk")[:1000]]


@router.delete("/team/keys/{pk}", response={204: None}, summary="Revoke an API key")
def revoke(request: HttpRequest, pk: int) -> Any:
    """Revokes one of your keys; an owner can revoke any member's. A key can revoke itself."""
    revoked_key(request, child_or_404(keys_in_reach(_team(request, "viewer"), request.user), pk))
    return Status(204, None)
