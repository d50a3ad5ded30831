"""Signing in, teams, roles, keys and projects, as people use them."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from atelier.accounts import members, throttle
from atelier.accounts.models import APIKey, Membership, Project, Role, User


def test_the_first_start_makes_one_owner_with_a_random_password(db):
    user, password = members.first_owner()
    assert len(password) >= 12
    assert Client().login(username=user.username, password=password)
    assert user.memberships.get().role == Role.OWNER
    assert members.first_owner() is None


def test_alice_signs_in_and_lands_where_she_wanted(alice, project):
    answer = Client().post(
        f"/sign-in?next=/projects/{project.pk}/", {"username": "alice", "password": "a-long-password"}
    )
    assert answer["Location"] == f"/projects/{project.pk}/"


def test_the_way_after_signing_in_never_leads_to_another_site(alice):
    answer = Client().post("/sign-in?next=https://evil.example/", {"username": "alice", "password": "a-long-password"})
    assert answer["Location"] == "/"


def test_guessing_passwords_is_slowed_down_and_says_so(alice):
    client = Client()
    for _ in range(throttle.PER_NAME):
        assert client.post("/sign-in", {"username": "alice", "password": "wrong"}).status_code == 200
    answer = client.post("/sign-in", {"username": "alice", "password": "a-long-password"})
    assert answer.status_code == 429
    assert "Wait a quarter of an hour" in answer.content.decode()


def test_registration_is_closed_by_default(db):
    assert Client().get("/register").status_code == 404


def test_with_registration_open_a_new_user_owns_a_team(db, settings):
    settings.REGISTRATION_OPEN = True
    form = {
        "username": "dora",
        "email": "d@example.org",
        "password1": "quite-a-long-one",
        "password2": "quite-a-long-one",
    }
    assert Client().post("/register", form).status_code == 302
    assert User.objects.get(username="dora").memberships.get().role == Role.OWNER


def test_an_owner_adds_a_new_person_and_sees_the_password_once(team, as_alice):
    answer = as_alice.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "annotator"})
    password = re.search(r'id="new-password"[^>]*><code>([^<]+)<', answer.content.decode())[1].strip()
    assert Client().login(username="eve", password=password)
    assert Membership.objects.get(user__username="eve").role == Role.ANNOTATOR


def test_a_name_in_other_letters_is_the_same_person(team, as_alice, bob, charlie):
    again = as_alice.post(f"/teams/{team.pk}/members", {"username": "BOB", "role": "viewer"})
    assert "bob is in the team already" in again.content.decode()
    as_alice.post(f"/teams/{team.pk}/members", {"username": "Charlie", "role": "viewer"})
    assert charlie.memberships.filter(team=team, role=Role.VIEWER).exists()
    assert User.objects.filter(username__iexact="charlie").count() == 1


def test_an_owner_who_leaves_comes_to_their_own_start(team, alice, as_alice):
    members.add(team, "olga", Role.OWNER)
    answer = as_alice.post(f"/teams/{team.pk}/members/{alice.memberships.get().pk}", {"role": "remove"}, follow=True)
    assert answer.status_code == 200
    assert "You have left Plain Desk." in answer.content.decode()
    assert not alice.memberships.exists()


@pytest.mark.parametrize("role", ["editor", "annotator", "viewer"])
def test_only_an_owner_changes_members(team, bob, ann, vic, role, request):
    client = request.getfixturevalue({"editor": "as_bob", "annotator": "as_ann", "viewer": "as_vic"}[role])
    answer = client.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "owner"})
    assert answer.status_code == 403
    assert "needs the role owner" in answer.content.decode()
    assert not User.objects.filter(username="eve").exists()


def test_the_last_owner_can_neither_leave_nor_step_down(team, alice):
    membership = alice.memberships.get()
    for role in ("editor", None):
        with pytest.raises(ValidationError, match="needs an owner"):
            members.set_role(membership, role)
    assert Membership.objects.get(pk=membership.pk).role == Role.OWNER


def test_a_key_is_shown_once_works_and_can_be_revoked(team, as_bob, bob):
    page = as_bob.post(f"/teams/{team.pk}/keys", {"name": "script"}).content.decode()
    plain = re.search(r"atl_[0-9a-f]{40}", page)[0]
    assert plain not in as_bob.get(f"/teams/{team.pk}").content.decode()
    client = Client(headers={"Authorization": f"Bearer {plain}"})
    assert client.get("/api/me").json()["username"] == "bob"
    key = APIKey.objects.get()
    assert plain not in key.digest
    as_bob.post(f"/teams/{team.pk}/keys/{key.pk}/revoke")
    assert client.get("/api/me").status_code == 401


def test_nobody_revokes_the_key_of_another(team, as_alice, bob):
    key, _ = APIKey.issue(team, bob, "his")
    assert as_alice.post(f"/teams/{team.pk}/keys/{key.pk}/revoke").status_code == 404


def test_a_member_who_was_removed_sees_nothing_from_the_next_request_on(team, bob, as_bob, project):
    assert as_bob.get(f"/projects/{project.pk}/").status_code == 200
    _, key = APIKey.issue(team, bob, "his")
    members.set_role(bob.memberships.get(), None)
    assert as_bob.get(f"/projects/{project.pk}/").status_code == 404
    assert Client(headers={"Authorization": f"Bearer {key}"}).get("/api/projects").status_code == 401


def test_a_viewer_reads_the_settings_and_cannot_change_them(project, as_vic):
    path = f"/projects/{project.pk}/settings"
    assert as_vic.get(path).status_code == 200
    assert as_vic.post(path, {"name": "Mine"}).status_code == 403


def test_two_projects_of_a_team_cannot_share_a_name(project, team, as_bob):
    answer = as_bob.post(f"/teams/{team.pk}/projects/new", {"name": "Briefs"})
    assert "already: choose another name" in answer.content.decode()
    assert Project.objects.count() == 1


def test_deleting_a_project_asks_for_its_name(project, as_alice):
    path = f"/projects/{project.pk}/settings/delete"
    as_alice.post(path, {"name": "briefs"})
    assert Project.objects.exists()
    as_alice.post(path, {"name": "Briefs"})
    assert not Project.objects.exists()


def test_guidelines_are_shown_as_text_never_as_markup(project, as_vic):
    Project.objects.update(guidelines="<script>alert(1)</script>")
    page = as_vic.get(f"/projects/{project.pk}/settings").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_api_makes_a_project_and_refuses_unknown_keys(bob_api, team):
    made = bob_api.post("/api/projects", {"name": "Letters"}, content_type="application/json")
    assert made.status_code == 201
    assert Project.objects.get(pk=made.json()["id"]).team == team
    extra = bob_api.post("/api/projects", {"name": "X", "team_id": 99}, content_type="application/json")
    assert extra.status_code == 422


def test_rules_that_cannot_be_read_are_refused_before_an_evaluation_meets_them(project, as_bob):
    form = {"name": "Briefs", "rules": '[[rule]]\nid = "1"\ntitle = "x"\nkind = "nonsense"'}
    answer = as_bob.post(f"/projects/{project.pk}/settings", form)
    assert "unknown kind" in answer.content.decode()
    project.refresh_from_db()
    assert project.rules == ""
