"""Roles are changed by what is true under the lock."""

import pytest
from django.core.exceptions import ValidationError

from atelier.accounts import members
from atelier.accounts.models import Membership, Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora() -> User:
    return User.objects.create_user("dora", password="a-long-password")


def test_a_role_that_changed_before_the_lock_counts_as_it_is_now(team, alice, dora):
    owner = Membership.objects.get(team=team, user=alice)
    stale = members.add(team, dora, Role.EDITOR)
    Membership.objects.filter(pk=stale.pk).update(role=Role.OWNER)
    Membership.objects.filter(pk=owner.pk).update(role=Role.EDITOR)
    with pytest.raises(ValidationError, match="needs an owner"):
        members.set_role(stale, Role.VIEWER)


def test_who_left_in_the_meantime_is_not_put_back(team, dora):
    stale = members.add(team, dora, Role.EDITOR)
    Membership.objects.filter(pk=stale.pk).delete()
    for role in (Role.OWNER, None):
        with pytest.raises(ValidationError, match="no longer in the team"):
            members.set_role(stale, role)
