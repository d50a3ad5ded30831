"""Signing in, teams, roles, keys and projects, as people use them."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from atelier.accounts import members
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


def test_an_owner_of_the_installation_makes_an_account_and_sees_its_password_once(team, alice, as_alice):
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    form = {"username": "eve", "role": "annotator", "make": "1"}
    answer = as_alice.post(f"/teams/{team.pk}/members", form)
    password = re.search(r'id="new-password"[^>]*><code>([^<]+)<', answer.content.decode())[1].strip()
    assert answer["Cache-Control"] == "no-store"
    assert password not in as_alice.get(f"/teams/{team.pk}").content.decode()
    assert Client().login(username="eve", password=password)
    assert Membership.objects.get(user__username="eve").role == Role.ANNOTATOR
    again = as_alice.post(f"/teams/{team.pk}/members", form | {"username": "EVE"}).content.decode()
    assert "eve already exists (since" in again
    assert "created by alice" in again


def test_an_owner_who_leaves_comes_to_their_own_start(team, alice, as_alice):
    members.add(team, User.objects.create_user("olga"), Role.OWNER)
    answer = as_alice.post(f"/teams/{team.pk}/members/{alice.memberships.get().pk}", {"role": "remove"}, follow=True)
    assert answer.status_code == 200
    assert "You left Plain Desk." in answer.content.decode()
    assert not alice.memberships.exists()


def test_anybody_leaves_a_team_but_its_last_owner(team, as_alice, alice, as_vic, vic):
    assert "You left Plain Desk." in as_vic.post(f"/teams/{team.pk}/leave", follow=True).content.decode()
    assert not vic.memberships.exists()
    assert "The team needs an owner." in as_alice.post(f"/teams/{team.pk}/leave", follow=True).content.decode()
    assert alice.memberships.exists()


@pytest.mark.parametrize("role", ["editor", "annotator", "viewer"])
def test_only_an_owner_changes_members(team, bob, ann, vic, role, request):
    client = request.getfixturevalue({"editor": "as_bob", "annotator": "as_ann", "viewer": "as_vic"}[role])
    answer = client.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "owner"})
    assert answer.status_code == 403
    assert "need the role owner" in answer.content.decode()
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


def test_an_owner_sees_and_revokes_the_keys_of_all_and_nobody_else_does(team, as_alice, bob, as_bob, ann, as_charlie):
    key, plain = APIKey.issue(team, bob, "his script")
    hers, _ = APIKey.issue(team, ann, "hers")
    page = as_alice.get(f"/teams/{team.pk}").content.decode()
    assert "his script" in page
    assert key.digest not in page
    assert plain not in page
    assert "hers" not in as_bob.get(f"/teams/{team.pk}").content.decode()
    for client in (as_bob, as_charlie):
        assert client.post(f"/teams/{team.pk}/keys/{hers.pk}/revoke").status_code == 404
    as_alice.post(f"/teams/{team.pk}/keys/{key.pk}/revoke")
    assert Client(headers={"Authorization": f"Bearer {plain}"}).get("/api/me").status_code == 401


NEW = {"old_password": "a-long-password", "new_password1": "another-long-one", "new_password2": "another-long-one"}


@pytest.mark.parametrize(("revoke", "status"), [("on", 401), ("", 200)])
def test_a_new_password_ends_other_sessions_and_the_keys_unless_they_are_kept(team, bob, as_bob, revoke, status):
    elsewhere = Client()
    elsewhere.force_login(bob)
    _, plain = APIKey.issue(team, bob, "his")
    assert 'name="revoke_keys"' in as_bob.get("/account").content.decode()
    assert as_bob.post("/account", NEW | ({"revoke_keys": revoke} if revoke else {})).status_code == 302
    assert as_bob.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert Client(headers={"Authorization": f"Bearer {plain}"}).get("/api/me").status_code == status


def test_a_key_ends_with_the_membership_however_that_ended(team, bob):
    _, plain = APIKey.issue(team, bob, "his")
    bob.memberships.all().delete()
    assert Client(headers={"Authorization": f"Bearer {plain}"}).get("/api/me").status_code == 401


def test_what_shows_a_secret_is_stored_nowhere_and_pages_only_by_their_reader(team, as_bob, bob_api, as_alice, project):
    def kept(answer) -> str:
        return answer["Cache-Control"]

    assert kept(as_bob.post(f"/teams/{team.pk}/keys", {"name": "script"})) == "no-store"
    hook = {"url": "https://93.184.216.34/x", "events": ["frozen"]}
    assert "whsec_" in (made := as_bob.post(f"/projects/{project.pk}/settings/webhooks/", hook)).content.decode()
    assert kept(made) == "no-store"
    assert (
        kept(bob_api.post(f"/api/projects/{project.pk}/webhooks", hook, content_type="application/json")) == "no-store"
    )
    assert kept(bob_api.get("/api/me")) == "no-store"
    for path in (f"/teams/{team.pk}", "/", "/account"):
        assert kept(as_bob.get(path)) == "private, no-cache"
    assert kept(Client().get("/sign-in")) == "private, no-cache"


def test_files_of_our_own_keep_their_time(db):
    assert "no-store" not in Client().get("/static/js/app.js")["Cache-Control"]
    assert "private" not in Client().get("/static/js/app.js")["Cache-Control"]


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
    assert "already has a project called Briefs" in answer.content.decode()
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
