"""People are invited to teams, and accept; a name alone opens nothing, and nobody learns which names exist."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from atelier.accounts import invitations, members, names
from atelier.accounts.models import APIKey, Invitation, Membership, Role, Team, User
from tests.conftest import signed_in

PASSWORD = "a-long-password"
OWN = "alice's"


@pytest.fixture
def root(db) -> User:
    """An owner of the installation, in no team of this test."""
    return User.objects.create_user("root", password=PASSWORD, is_superuser=True, is_vouched=True)


@pytest.fixture
def zoe(db) -> User:
    """A user in no team, whose account an owner of the installation created."""
    return User.objects.create_user("zoë", password=PASSWORD, made_by="root", is_vouched=True)


@pytest.fixture
def self_made(db) -> User:
    """A user who registered themselves."""
    return User.objects.create_user("ceo_of_team_a", password=PASSWORD, made_by="ceo_of_team_a")


def invite(client: Client, team: Team, name: str, role: str = "annotator"):
    return client.post(f"/teams/{team.pk}/members", {"username": name, "role": role}, follow=True)


def answer(client: Client, found: Invitation, move: str = "accept"):
    return client.post(f"/teams/{found.team_id}/invitations/{found.pk}/{move}", follow=True)


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# --- making teams and accounts ---


def test_with_registration_closed_only_owners_of_the_installation_make_teams(as_vic, as_alice, root):
    """Attack S5: a viewer makes a team, and with it accounts."""
    for client in (as_vic, as_alice):
        assert client.get("/teams/new").status_code == 403
        assert client.post("/teams/new", {"name": "Mine"}).status_code == 403
        assert "New team" not in client.get("/?all").content.decode()
    assert not Team.objects.filter(name="Mine").exists()
    assert signed_in(root).post("/teams/new", {"name": "Ours"}).status_code == 302
    assert Team.objects.get(name="Ours").memberships.get().user == root


def test_with_registration_open_everybody_makes_teams(as_vic, settings):
    settings.REGISTRATION_OPEN = True
    assert as_vic.post("/teams/new", {"name": "Mine"}).status_code == 302


def test_the_owner_of_a_team_makes_no_account(team, as_alice):
    answered = as_alice.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "viewer", "make": "1"})
    assert answered.status_code == 403
    assert "Only owners of the installation can create accounts." in text(answered)
    assert "Create a new account" not in text(as_alice.get(f"/teams/{team.pk}"))
    assert not User.objects.filter(username="eve").exists()
    with pytest.raises(PermissionDenied):
        members.make_account("eve", User.objects.get(username="alice"))


def test_the_installations_page_is_its_owners_alone(as_alice, as_charlie, root):
    for client in (as_alice, as_charlie):
        for path in ("/installation", "/installation/audit", "/installation/audit.csv", "/installation/audit.jsonl"):
            assert client.get(path).status_code == 404
        assert client.post("/installation", {"username": "eve"}).status_code == 404
        assert client.post("/installation/owners", {"person": "1", "move": "add"}).status_code == 404
        assert 'href="/installation"' not in text(client.get("/?all"))
    client = signed_in(root)
    for query in ("q=" + "x" * 2000, "after=²", "q=%ED%A0%80"):
        assert client.get(f"/installation?{query}").status_code == 200
    assert "alice" in text(client.get("/installation?q=ALI"))
    assert 'href="/installation"' in text(client.get("/?all"))
    made = client.post("/installation", {"username": "eve"})
    assert "Temporary password for eve" in text(made)
    assert User.objects.get(username="eve").is_vouched
    again = client.post("/installation", {"username": "Eve"})
    assert again.status_code == 422
    assert "eve already exists (since" in text(again)
    assert "created by root" in text(again)


def test_owners_of_the_installation_make_others_and_one_always_stays(root, alice, as_alice):
    client = signed_in(root)

    def change(person: object, move: str) -> str:
        return text(client.post("/installation/owners", {"person": str(person), "move": move}, follow=True))

    assert "The installation needs an owner." in change(root.pk, "remove")
    assert "alice is now an owner of the installation." in change(alice.pk, "add")
    assert as_alice.get("/installation").status_code == 200
    change(root.pk, "remove")
    assert client.get("/installation").status_code == 404
    for person in ("", "x", "²", "9" * 30, "-1", "0"):
        assert as_alice.post("/installation/owners", {"person": person, "move": "add"}).status_code == 404


def test_a_command_makes_owners_of_the_installation_too(root, alice, capsys):
    call_command("installation_owners", "--add", "ALICE")
    assert capsys.readouterr().out.splitlines() == ["alice", "root"]
    call_command("installation_owners", "--remove", "root")
    with pytest.raises(CommandError, match="needs an owner"):
        call_command("installation_owners", "--remove", "alice")
    with pytest.raises(CommandError, match="No account is called nobody"):
        call_command("installation_owners", "--add", "nobody")


# --- inviting ---


def test_a_person_sees_an_invitation_accepts_and_is_in_the_team(team, as_alice, zoe):
    invite(as_alice, team, "zoë", "editor")
    assert not zoe.memberships.exists()
    client, found = signed_in(zoe), Invitation.objects.get()
    assert client.get(f"/teams/{team.pk}").status_code == 404
    for path in ("/", "/account"):
        assert "Plain Desk" in text(client.get(path))
    assert "You joined Plain Desk." in text(answer(client, found))
    assert zoe.memberships.get().role == Role.EDITOR
    assert "created by root" in text(as_alice.get(f"/teams/{team.pk}"))
    assert answer(client, found).status_code == 404


def test_somebody_with_one_project_sees_the_invitation_before_it(team, project, as_alice, charlie, as_charlie):
    charlie.teams.get().projects.create(name="Theirs")
    assert as_charlie.get("/").status_code == 302
    invite(as_alice, team, "charlie")
    assert "Invited by" in text(as_charlie.get("/"))


def test_a_person_who_declines_stays_out_and_the_owner_sees_it(team, as_alice, zoe):
    invite(as_alice, team, "zoë")
    answer(signed_in(zoe), Invitation.objects.get(), "decline")
    assert not zoe.memberships.exists()
    assert "Declined" in text(as_alice.get(f"/teams/{team.pk}"))


def test_known_and_unknown_names_are_answered_alike(team, as_alice, charlie):
    """Attack S5: telling by the answer whether a name exists. Also in what the team's page and REST show afterwards."""
    _, key = APIKey.issue(team, User.objects.get(username="alice"), "t")
    api = Client(headers={"Authorization": f"Bearer {key}"})
    api.get("/api/me")  # so that the page says of the key that it was used

    def told(name: str) -> tuple[list[str], dict]:
        page = invite(as_alice, team, name)
        again = as_alice.get(f"/teams/{team.pk}")
        parts = [text(one).replace(name, "NAME") for one in (page, again)]
        sent = api.post("/api/team/invitations", {"name": name}, content_type="application/json").json()
        listed = api.get("/api/team/invitations").json()
        api.post(f"/api/team/invitations/{sent['id']}/withdraw")
        Invitation.objects.all().delete()
        facts = [
            {k: v for k, v in one.items() if k not in {"id", "created_at", "expires_at"}} for one in (sent, *listed)
        ]
        changing = r'invitations/\d+/|[A-Za-z0-9]{64}|datetime="[^"]*"'
        cleaned = [re.sub(changing, "", part) for part in parts]
        return cleaned, str(facts).replace(name, "NAME")

    assert told("charlie") == told("nobody1")


def test_known_and_unknown_names_cost_the_same_queries(team, as_alice, charlie, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def asked(name: str) -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as found:
            as_alice.post(f"/teams/{team.pk}/members", {"username": name, "role": "viewer"})
        return [re.sub(r"'[^']*'|\d+", "?", one["sql"]) for one in found.captured_queries]

    assert asked("charlie") == asked("nobody1")


def test_a_name_taken_in_advance_gives_no_access(team, as_alice, self_made):
    """Attack S5: who registered the name of somebody accepts, and waits until an owner has looked at the account."""
    invite(as_alice, team, "ceo_of_team_a", "owner")
    thief, found = signed_in(self_made), Invitation.objects.get()
    assert "An owner of Plain Desk has to let you in." in text(answer(thief, found))
    assert not self_made.memberships.exists()
    assert thief.get(f"/teams/{team.pk}").status_code == 404
    page = text(as_alice.get(f"/teams/{team.pk}"))
    assert "self-registered" in page
    assert "Let in" in page
    as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/refuse")
    assert not self_made.memberships.exists()
    as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/let-in")
    assert not self_made.memberships.exists()


def test_an_owner_lets_in_whom_they_know(team, as_alice, self_made):
    invite(as_alice, team, "ceo_of_team_a", "viewer")
    found = Invitation.objects.get()
    assert as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/let-in", follow=True).status_code == 200
    assert not self_made.memberships.exists()  # nobody has accepted yet
    answer(signed_in(self_made), found)
    as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/let-in")
    assert self_made.memberships.get().role == Role.VIEWER


def test_an_account_from_before_is_looked_at_as_well(team, as_alice, charlie, as_charlie):
    invite(as_alice, team, "charlie")
    answer(as_charlie, Invitation.objects.get())
    assert not charlie.memberships.filter(team=team).exists()
    assert "before Atelier recorded who creates accounts" in text(as_alice.get(f"/teams/{team.pk}"))


def test_nobody_answers_or_sees_the_invitation_of_another(team, as_alice, zoe, as_charlie, as_vic, as_bob):
    invite(as_alice, team, "zoë")
    found = Invitation.objects.get()
    for client in (as_charlie, as_vic, as_bob, as_alice):
        for move in ("accept", "decline"):
            assert answer(client, found, move).status_code == 404
    assert "zoë" not in text(as_vic.get(f"/teams/{team.pk}"))
    for client, status in ((as_bob, 403), (as_vic, 403), (as_charlie, 404), (signed_in(zoe), 404)):
        for move in ("withdraw", "let-in", "refuse"):
            assert client.post(f"/teams/{team.pk}/invitations/{found.pk}/{move}").status_code == status
    found.refresh_from_db()
    assert found.state == "pending"


def test_an_invitation_of_another_team_is_not_decided_by_an_owner_elsewhere(team, as_alice, as_charlie, charlie, zoe):
    theirs = charlie.teams.get()
    invite(as_alice, team, "zoë")
    found = Invitation.objects.get()
    assert as_charlie.post(f"/teams/{theirs.pk}/invitations/{found.pk}/withdraw").status_code == 404
    assert signed_in(zoe).post(f"/teams/{theirs.pk}/invitations/{found.pk}/accept").status_code == 404


# --- odd cases ---


def test_a_withdrawn_an_expired_and_an_inviterless_invitation_are_no_longer_valid(team, alice, as_alice, zoe):
    client = signed_in(zoe)
    invite(as_alice, team, "zoë")
    found = Invitation.objects.get()
    as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/withdraw")
    assert answer(client, found).status_code == 404
    invite(as_alice, team, "zoë")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert answer(client, found).status_code == 404
    assert "Expired" in text(as_alice.get(f"/teams/{team.pk}"))
    invite(as_alice, team, "zoë")  # again: the row is renewed
    Membership.objects.filter(user=alice).update(role=Role.EDITOR)
    assert answer(client, found).status_code == 404
    Membership.objects.filter(user=alice).update(role=Role.OWNER)
    assert answer(client, found).status_code == 200
    assert Invitation.objects.count() == 1


def test_an_invitation_whose_inviter_or_team_is_gone(team, alice, as_alice, zoe):
    invite(as_alice, team, "zoë")
    found = Invitation.objects.get()
    alice.delete()
    assert answer(signed_in(zoe), found).status_code == 404
    team.delete()
    assert not Invitation.objects.exists()
    assert signed_in(zoe).get("/").status_code == 200


def test_inviting_again_replaces_and_the_last_role_counts(team, as_alice, zoe):
    for role in ("viewer", "editor"):
        invite(as_alice, team, "zoë", role)
    invite(as_alice, team, "ZOË", "annotator")
    answer(signed_in(zoe), Invitation.objects.get())
    assert zoe.memberships.get().role == Role.ANNOTATOR


def test_oneself_and_members_are_not_invited(team, as_alice, bob):
    for name in ("alice", "Alice", "bob", "ＢＯＢ"):
        answered = invite(as_alice, team, name)
        assert answered.status_code == 422
        assert "is already in the team." in text(answered)
    assert not Invitation.objects.exists()


def test_who_became_a_member_meanwhile_keeps_that_role(team, as_alice, zoe):
    invite(as_alice, team, "zoë", "viewer")
    members.add(team, zoe, Role.EDITOR)
    answer(signed_in(zoe), Invitation.objects.get())
    assert zoe.memberships.get().role == Role.EDITOR


def test_who_accepted_and_waits_is_decided_before_another_invitation(team, as_alice, self_made):
    invite(as_alice, team, "ceo_of_team_a")
    answer(signed_in(self_made), Invitation.objects.get())
    assert "has already accepted. Let them in or refuse them below." in text(
        invite(as_alice, team, "ceo_of_team_a", "owner")
    )


def test_an_account_that_is_gone_cannot_be_let_in(team, as_alice, self_made):
    invite(as_alice, team, "ceo_of_team_a")
    found = Invitation.objects.get()
    answer(signed_in(self_made), found)
    self_made.delete()
    page = text(as_alice.post(f"/teams/{team.pk}/invitations/{found.pk}/let-in", follow=True))
    assert "No account is waiting to be let in here." in page


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "x" * 151, "<b>", "ﷺ" * 150, "a\nb"])
def test_a_name_that_no_account_can_have_is_refused_with_a_sentence(team, as_alice, name):
    answered = invite(as_alice, team, name)
    assert answered.status_code == 422
    assert not Invitation.objects.exists()


def test_a_role_that_does_not_exist_is_refused(team, as_alice):
    assert invite(as_alice, team, "zoë", "god").status_code == 422


def test_names_are_compared_in_one_form_and_look_alikes_are_refused(root, settings):
    assert names.compared("ＶＥＲＡ ") == names.compared("vera")
    assert names.compared("Straße") == names.compared("STRASSE")
    assert names.compared("É") == names.compared("e\u0301")
    assert len(names.compared("ΐ" * 10_000)) <= 450
    members.make_account("vera", root)
    for name in ("VERA", "ｖｅｒａ", "Vera"):
        with pytest.raises(ValidationError, match="vera already exists"):
            members.make_account(name, root)
    with pytest.raises(ValidationError, match="Cyrillic and Latin letters, which look alike"):
        members.make_account("vеra", root)  # with a Cyrillic е
    members.make_account("вера", root)
    settings.REGISTRATION_OPEN = True
    form = {"email": "", "password1": "quite-a-long-one", "password2": "quite-a-long-one"}
    for name in ("VERA", "ｖｅｒａ", "vеra", "ВЕРА"):
        assert Client().post("/register", form | {"username": name}).status_code == 200
    assert User.objects.count() == 3
    assert Client().post("/register", form | {"username": "dora"}).status_code == 302
    assert not User.objects.get(username="dora").is_vouched


def test_of_older_accounts_that_differ_in_case_only_the_one_written_so_is_invited(team, as_alice, zoe):
    other = User.objects.create_user("Zoë", password=PASSWORD, is_vouched=True)
    invite(as_alice, team, "Zoë")
    found = Invitation.objects.get()
    assert answer(signed_in(zoe), found).status_code == 404
    answer(signed_in(other), found)
    assert other.memberships.exists()


def test_a_team_has_a_limited_number_of_open_invitations(team, alice, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_OPEN", 3)
    for n in range(3):
        invitations.invite(team, alice, f"name{n}", "viewer")
    with pytest.raises(ValidationError, match="at most 3 open invitations"):
        invitations.invite(team, alice, "another", "viewer")


def test_closed_invitations_are_few(team, alice, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_CLOSED", 3)
    for n in range(8):
        invitations.withdraw(invitations.invite(team, alice, f"name{n}", "viewer"))
    invitations.invite(team, alice, "last", "viewer")
    assert team.invitations.count() == 4


def test_of_two_answers_one_counts(team, alice, zoe):
    found = invitations.invite(team, alice, "zoë", "viewer")
    stale = Invitation.objects.get()
    invitations.withdraw(found)
    with pytest.raises(ValidationError, match="no longer valid"):
        invitations.accept(stale, zoe)
    with pytest.raises(ValidationError, match="has changed"):
        invitations.withdraw(stale)
    assert not zoe.memberships.exists()


# --- REST ---


@pytest.fixture
def alice_api(team, alice) -> Client:
    _, key = APIKey.issue(team, alice, "alice's")
    return Client(headers={"Authorization": f"Bearer {key}"})


def test_rest_does_the_same(team, alice_api, bob_api, bob, zoe):
    sent = alice_api.post("/api/team/invitations", {"name": "zoë", "role": "editor"}, content_type="application/json")
    assert sent.status_code == 201
    answer(signed_in(zoe), Invitation.objects.get())
    listed = {one["username"]: one for one in alice_api.get("/api/team/members").json()}
    assert set(listed) == {"alice", "bob", "zoë"}
    assert "created by root" in listed["zoë"]["account"]
    assert {one["account"] for one in bob_api.get("/api/team/members").json()} == {""}
    member = f"/api/team/members/{listed['zoë']['id']}"
    changed = alice_api.patch(member, {"role": "viewer"}, content_type="application/json")
    assert changed.json()["role"] == "viewer"
    assert bob_api.delete(member).status_code == 403
    assert alice_api.delete(member).status_code == 204
    assert not zoe.memberships.exists()
    alone = next(one["id"] for one in listed.values() if one["username"] == "alice")
    assert alice_api.delete(f"/api/team/members/{alone}").status_code == 422


def test_rest_lists_and_revokes_keys(team, alice_api, bob_api, bob, ann):
    APIKey.issue(team, ann, "hers")
    keys = {one["name"]: one for one in alice_api.get("/api/team/keys").json()}
    assert set(keys) == {"alice's", "test", "hers"}
    assert set(keys["test"]) == {"id", "name", "prefix", "username", "created_at", "last_used_at", "revoked_at"}
    assert [one["name"] for one in bob_api.get("/api/team/keys").json()] == ["test"]
    assert bob_api.delete(f"/api/team/keys/{keys['hers']['id']}").status_code == 404
    assert alice_api.delete(f"/api/team/keys/{keys['test']['id']}").status_code == 204
    assert bob_api.get("/api/me").status_code == 401
    assert alice_api.delete(f"/api/team/keys/{keys[OWN]['id']}").status_code == 204
    assert alice_api.get("/api/me").status_code == 401
