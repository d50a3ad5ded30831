"""The audit trail: a row for each action of consequence, read and exported by owners, with no secret in it."""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from atelier.accounts import members
from atelier.accounts.models import APIKey, Invitation, Project, Role, User
from atelier.audit import retention, trail
from atelier.audit.models import AuditAction, AuditEntry
from atelier.jobs import queue
from curation.models import Dataset, Export, Import
from inference.models import Comparison
from tests.conftest import signed_in

PASSWORD = "a-long-password"
CANARY = "CANARY-5f2c"


@pytest.fixture
def root(db) -> User:
    return User.objects.create_user("root", password=PASSWORD, is_superuser=True, is_vouched=True)


@pytest.fixture
def alice_api(team, alice) -> Client:
    _, key = APIKey.issue(team, alice, "alice's")
    return Client(headers={"Authorization": f"Bearer {key}"})


def actions(**filters) -> list[str]:
    return list(AuditEntry.objects.filter(**filters).order_by("pk").values_list("action", flat=True))


def last(action: AuditAction) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")


def sign_in(name: str, password: str = PASSWORD, address: str = "203.0.113.7") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post("/sign-in", {"username": name, "password": password})
    return client


# --- what is noted ---


def test_signing_in_and_out_and_a_new_password_are_noted_with_person_and_address(alice):
    client = sign_in("alice")
    client.post("/sign-out")
    client = sign_in("alice")
    form = {"old_password": PASSWORD, "new_password1": "another-long-one", "new_password2": "another-long-one"}
    client.post("/account", form)
    assert actions(actor=alice, address="203.0.113.7") == ["signed_in", "signed_out", "signed_in", "password_changed"]


def test_failed_sign_ins_of_one_hour_are_one_row_and_an_unknown_name_is_not_kept(alice):
    for _ in range(4):
        sign_in("alice", "wrong")
    sign_in("alice", "wrong", "2001:db8::1")
    for name in (f"{CANARY}1", f"{CANARY}2"):  # people type their password where their name belongs
        sign_in(name, "wrong", "198.51.100.1")
    rows = AuditEntry.objects.order_by("pk").values_list("action", "actor_name", "address", "count")
    assert list(rows) == [
        ("sign_in_failed", "alice", "203.0.113.7", 4),
        ("sign_in_failed", "alice", "2001:db8::1", 1),
        ("sign_in_failed", "", "198.51.100.1", 2),
    ]
    AuditEntry.objects.update(at=timezone.now() - timedelta(hours=2))
    sign_in("alice", "wrong")
    assert AuditEntry.objects.count() == 4


def test_guessing_from_many_addresses_fills_no_disk(alice, monkeypatch):
    monkeypatch.setattr(trail, "MOST_FAILED", 5)
    for n in range(12):
        sign_in("alice", "wrong", f"198.51.100.{n}")
    assert AuditEntry.objects.count() == 6
    assert AuditEntry.objects.get(object_name="from many addresses").count == 7


def test_accounts_teams_members_and_keys_are_noted(root, team, alice, as_alice, as_bob, bob):
    client = signed_in(root)
    client.post("/installation", {"username": "eve"})
    client.post("/teams/new", {"name": "Ours"})
    client.post("/installation/owners", {"person": alice.pk, "move": "add"})
    client.post("/installation/owners", {"person": alice.pk, "move": "remove"})
    eve = User.objects.get(username="eve")
    for move in ("decline", "accept"):
        as_alice.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "viewer"})
        signed_in(eve).post(f"/teams/{team.pk}/invitations/{Invitation.objects.get().pk}/{move}")
    member = eve.memberships.get()
    as_alice.post(f"/teams/{team.pk}/members/{member.pk}", {"role": "editor"})
    as_alice.post(f"/teams/{team.pk}/members/{member.pk}", {"role": "editor"})  # nothing changes
    as_alice.post(f"/teams/{team.pk}/members/{member.pk}", {"role": "remove"})
    as_bob.post(f"/teams/{team.pk}/keys", {"name": "script"})
    as_alice.post(f"/teams/{team.pk}/keys/{APIKey.objects.get().pk}/revoke")
    as_alice.post(f"/teams/{team.pk}/keys/{APIKey.objects.get().pk}/revoke")  # it is revoked already
    assert actions() == [
        "account_created", "team_created", "installation_owner_added", "installation_owner_removed",
        "invitation_sent", "invitation_declined", "invitation_sent", "invitation_accepted",
        "role_changed", "member_removed", "key_created", "key_revoked",
    ]  # fmt: skip
    assert last(AuditAction.ROLE_CHANGED).detail == {"before": "viewer", "role": "editor"}
    assert last(AuditAction.KEY_REVOKED).detail["person"] == "bob"
    assert last(AuditAction.INVITATION_ACCEPTED).actor_name == "eve"


def test_what_owners_decide_about_invitations_is_noted(team, as_alice, charlie, as_charlie):
    def invited() -> str:
        as_alice.post(f"/teams/{team.pk}/members", {"username": "charlie", "role": "viewer"})
        return f"/teams/{team.pk}/invitations/{Invitation.objects.get().pk}"

    as_alice.post(f"{invited()}/withdraw")
    as_charlie.post(f"{invited()}/accept")
    as_alice.post(f"{invited()}/refuse")
    as_charlie.post(f"{invited()}/accept")
    as_alice.post(f"/teams/{team.pk}/invitations/{Invitation.objects.get().pk}/let-in")
    wanted = [
        "invitation_withdrawn",
        "invitation_accepted",
        "invitation_refused",
        "invitation_accepted",
        "member_added",
    ]
    assert [one for one in actions(team=team) if one != "invitation_sent"] == wanted


def test_a_registration_is_noted(db, settings):
    settings.REGISTRATION_OPEN = True
    words = {"username": "dora", "email": "", "password1": "quite-a-long-one", "password2": "quite-a-long-one"}
    Client().post("/register", words)
    assert actions(actor_name="dora") == ["account_created", "signed_in"]


def test_projects_endpoints_and_webhooks_are_noted_by_host_without_their_secrets(team, as_alice, project, alice_api):
    """With a canary in every secret: keys, passwords, paths and queries of webhooks."""
    as_alice.post(f"/teams/{team.pk}/projects/new", {"name": "Letters"})
    as_alice.post(f"/projects/{project.pk}/settings", {"name": "Briefs", "guidelines": f"Be short. {CANARY}"})
    as_alice.post(f"/projects/{project.pk}/settings", {"name": "Briefs", "guidelines": f"Be short. {CANARY}"})
    home = f"/projects/{project.pk}/settings"
    facts = {"name": "Large", "url": f"https://user:{CANARY}@93.184.216.34/v1", "model": "large", "key": CANARY}
    as_alice.post(f"{home}/endpoints/new/openai", facts | {"url": "https://93.184.216.34/v1"})
    endpoint = project.endpoints.get().pk
    as_alice.post(f"{home}/endpoints/{endpoint}", facts | {"url": "https://93.184.216.34/v2", "key": f"{CANARY}2"})
    as_alice.post(f"{home}/endpoints/{endpoint}/archive")
    as_alice.post(f"{home}/endpoints/{endpoint}/restore")
    url = f"https://93.184.216.34:443/hooks/{CANARY}?token={CANARY}"
    secret = re.search(
        r"whsec_[\w+/=-]+", as_alice.post(f"{home}/webhooks/", {"url": url, "events": ["frozen"]}).content.decode()
    )[0]
    hook = project.webhooks.get().pk
    as_alice.post(f"{home}/webhooks/{hook}", {"url": url + "1", "events": ["frozen"], "is_active": "on"})
    as_alice.post(f"{home}/webhooks/{hook}/secret")
    as_alice.post(f"{home}/webhooks/{hook}/delete")
    key = re.search(r"atl_[0-9a-f]{40}", as_alice.post(f"/teams/{team.pk}/keys", {"name": "script"}).content.decode())[
        0
    ]
    made = [
        "project_created", "project_changed", "endpoint_created", "endpoint_changed", "endpoint_archived",
        "endpoint_restored", "webhook_created", "webhook_changed", "webhook_secret_renewed", "deleted", "key_created",
    ]  # fmt: skip
    assert actions() == made
    assert last(AuditAction.ENDPOINT_CHANGED).detail["host"] == "93.184.216.34"
    assert last(AuditAction.WEBHOOK_CREATED).object_name == "93.184.216.34:443"
    assert last(AuditAction.PROJECT_CHANGED).detail["changed"] == ["guidelines"]
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    for form in ("", ".csv", ".jsonl"):
        everything += body(as_alice.get(f"/teams/{team.pk}/audit{form}"))
    for hidden in (CANARY, secret, key, key[10:], PASSWORD):
        assert hidden not in everything


def test_rest_is_noted_with_the_key_that_asked(project, bob_api, bob):
    root = f"/api/projects/{project.pk}"
    made = bob_api.post("/api/projects", {"name": "Letters"}, content_type="application/json")
    assert made.status_code == 201
    facts = {"name": "Large", "kind": "openai", "url": "https://93.184.216.34/v1", "model": "large", "key": CANARY}
    endpoint = bob_api.post(f"{root}/endpoints", facts, content_type="application/json").json()["id"]
    bob_api.patch(f"{root}/endpoints/{endpoint}", {"model": "small"}, content_type="application/json")
    bob_api.post(f"{root}/endpoints/{endpoint}/archive")
    hook = {"url": "https://93.184.216.34/x", "events": ["frozen"]}
    twice = [
        bob_api.post(f"{root}/webhooks", hook, content_type="application/json", headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    pk = twice[0].json()["id"]
    bob_api.put(f"{root}/webhooks/{pk}", hook, content_type="application/json")
    bob_api.post(f"{root}/webhooks/{pk}/secret")
    bob_api.delete(f"{root}/webhooks/{pk}")
    assert actions() == [
        "project_created", "endpoint_created", "endpoint_changed", "endpoint_archived", "webhook_created",
        "webhook_changed", "webhook_secret_renewed", "deleted",
    ]  # fmt: skip
    assert {entry.detail["by_key"].partition(" ")[0] for entry in AuditEntry.objects.all()} == {"test"}
    assert set(AuditEntry.objects.values_list("actor", "team")) == {(bob.pk, project.team_id)}
    assert CANARY not in json.dumps(list(AuditEntry.objects.values()), default=str)


@pytest.fixture
def dataset(project, alice) -> Dataset:
    return Dataset.objects.create(project=project, name="Mail")


def test_deletions_are_noted_by_page_and_by_rest(project, dataset, as_alice, bob_api):
    here, api = f"/projects/{project.pk}", f"/api/projects/{project.pk}"
    inner = f"{api}/datasets/{dataset.pk}"

    def post(path: str, body: dict) -> int:
        answer = bob_api.post(path, body, content_type="application/json")
        assert answer.status_code < 300, answer.content
        return answer.json()["id"]

    question = {"title": "Desk?", "name": "desk", "kind": "label", "options": {"labels": ["News", "Sport"]}}
    saved = {"name": "Sport", "filters": {"q": "sport"}}
    for n, client in enumerate((as_alice, bob_api)):
        q = post(f"{inner}/questions", question | {"name": f"desk{n}", "title": f"Desk {n}?"})
        f = post(f"{inner}/filters", saved | {"name": f"Sport {n}"})
        if client is as_alice:
            client.post(f"{here}/data/{dataset.pk}/questions/{q}/delete")
            client.post(f"{here}/data/{dataset.pk}/filters/{f}/delete")
        else:
            client.delete(f"{inner}/questions/{q}")
            client.delete(f"{inner}/filters/{f}")
    as_alice.post(f"{here}/data/{dataset.pk}/change", {"action": "delete", "everything": "1"})
    post(f"{inner}/bulk", {"action": "delete", "filters": {}})
    comparison = Comparison.objects.create(project=project, name="Side by side")
    as_alice.post(f"{here}/compare/{comparison.pk}/delete")
    as_alice.post(f"{here}/data/{dataset.pk}/delete")
    other = Dataset.objects.create(project=project, name="Other")
    bob_api.delete(f"{api}/datasets/{other.pk}")
    as_alice.post(f"{here}/settings/delete", {"name": "Briefs"})
    rows = (
        AuditEntry.objects.filter(action="deleted")
        .order_by("pk")
        .values_list("actor_name", "object_kind", "object_name")
    )
    assert [(who, kind) for who, kind, _ in rows] == [
        ("alice", "question"), ("alice", "saved filter"), ("bob", "question"), ("bob", "saved filter"),
        ("alice", "records"), ("bob", "records"), ("alice", "comparison"), ("alice", "dataset"), ("bob", "dataset"), ("alice", "project"),
    ]  # fmt: skip
    assert [name for *_, name in rows][-3:] == ["Mail", "Other", "Briefs"]
    assert not Project.objects.filter(pk=project.pk).exists()


def test_exports_and_every_download_are_noted(project, dataset, as_alice, bob_api, monkeypatch):
    monkeypatch.setattr(queue, "wake", lambda job: None)
    root = f"/api/projects/{project.pk}"
    as_alice.post(f"/projects/{project.pk}/data/{dataset.pk}/export", {"format": "chat"})
    wish, key = {"dataset": dataset.pk, "format": "chat"}, {"Idempotency-Key": "nightly"}
    for _ in range(2):
        made = bob_api.post(f"{root}/exports", wish, content_type="application/json", headers=key).json()["id"]
    assert actions() == ["export_started", "export_started"]
    assert last(AuditAction.EXPORT_STARTED).detail["format"] == "chat"
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    name = default_storage.save("exports/x.jsonl", ContentFile(b"{}\n"))
    Export.objects.filter(pk=made).update(status="done", file=name, name="export-x.jsonl")
    for answer in (
        bob_api.get(f"{root}/exports/{made}/file"),
        as_alice.get(f"/projects/{project.pk}/data/exports/{made}/file"),
    ):
        assert body(answer) == "{}\n"
    rows = AuditEntry.objects.filter(action="downloaded").values_list("actor_name", "object_name", "team")
    assert list(rows) == [("bob", "export-x.jsonl", project.team_id), ("alice", "export-x.jsonl", project.team_id)]
    bob_api.delete(f"{root}/exports/{made}")
    assert last(AuditAction.DELETED).object_kind == "export"


def test_a_download_of_a_page_that_knows_nothing_of_the_trail_is_noted(as_bob, project, dataset):
    job = Import.objects.create(project=project, dataset=dataset)
    for form in ("csv", "jsonl"):
        as_bob.get(f"/projects/{project.pk}/data/imports/{job.pk}/issues.{form}")
        assert last(AuditAction.DOWNLOADED).object_name.endswith(f".{form}")
        assert last(AuditAction.DOWNLOADED).team == project.team


def test_nothing_happens_when_it_cannot_be_noted(team, as_alice, as_bob, bob, monkeypatch, project):
    """The row is written in the action's own transaction, so there is no action without its row."""

    def broken(*args, **values):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(AuditEntry.objects, "create", broken)
    as_alice.raise_request_exception = as_bob.raise_request_exception = False
    as_bob.post(f"/teams/{team.pk}/keys", {"name": "script"})
    as_alice.post(f"/teams/{team.pk}/members/{bob.memberships.get().pk}", {"role": "owner"})
    as_alice.post(f"/teams/{team.pk}/members", {"username": "eve", "role": "viewer"})
    as_alice.post(f"/projects/{project.pk}/settings/delete", {"name": "Briefs"})
    as_alice.post(f"/projects/{project.pk}/settings", {"name": "Another"})
    assert not APIKey.objects.exists()
    assert not Invitation.objects.exists()
    assert bob.memberships.get().role == Role.EDITOR
    assert Project.objects.get().name == "Briefs"


def test_every_action_is_noted_somewhere():
    """A member of the list that nothing writes would be a promise."""
    from pathlib import Path

    code = "\n".join(
        path.read_text()
        for app in ("atelier", "curation", "training", "inference")
        for path in Path(app).rglob("*.py")
        if path.name != "models.py"
    )
    assert [action.name for action in AuditAction if f"AuditAction.{action.name}" not in code] == []


# --- who reads it ---


def body(answer) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


@pytest.fixture
def noted(team, alice, bob, ann, vic, charlie, root) -> None:
    """Note sign-ins of three people, and something in each of two teams."""
    for name in ("alice", "charlie", "root"):
        sign_in(name)
    trail.note(None, AuditAction.PROJECT_CREATED, team=team, actor=bob, kind="project", name="Ours")
    trail.note(
        None, AuditAction.PROJECT_CREATED, team=charlie.teams.get(), actor=charlie, kind="project", name="Theirs"
    )


def test_owners_read_their_own_team_and_the_sign_ins_of_its_members(noted, team, as_alice, as_bob, as_charlie, root):
    page = as_alice.get(f"/teams/{team.pk}/audit").content.decode()
    assert "Ours" in page
    assert "203.0.113.7" in page
    assert "Theirs" not in page
    assert [f"<td class=\"any-break\" data-label=\"Person\">{name}<" in page for name in ("alice", "charlie", "root")] == [
        True, False, False,
    ]  # fmt: skip
    assert f'href="/teams/{team.pk}/audit"' in as_alice.get(f"/teams/{team.pk}").content.decode()
    assert as_bob.get(f"/teams/{team.pk}/audit").status_code == 403
    assert as_charlie.get(f"/teams/{team.pk}/audit").status_code == 404
    everything = signed_in(root).get("/installation/audit").content.decode()
    assert all(word in everything for word in ("Ours", "Theirs", "root", "charlie"))


def test_it_is_narrowed_by_person_action_and_time(noted, team, as_alice):
    def found(query: str) -> list[str]:
        lines = body(as_alice.get(f"/teams/{team.pk}/audit.jsonl?{query}")).splitlines()
        AuditEntry.objects.filter(action="downloaded").delete()
        return [action for line in lines if (action := json.loads(line)["action"]) != "downloaded"]

    today = timezone.now().date()
    assert found("") == ["project_created", "signed_in"]
    assert found("person=alice") == ["signed_in"]
    assert found("person=nobody") == []
    assert found("action=project_created") == ["project_created"]
    assert found(f"since={today}&until={today}") == ["project_created", "signed_in"]
    assert found(f"since={today + timedelta(days=1)}") == []
    assert found(f"until={today - timedelta(days=1)}") == []


@pytest.mark.parametrize(
    "query", ["action=x", "since=x", "until=2026-13-01", "since=0001-01-01", "until=9999-12-31", "since=²"]
)
def test_a_filter_that_cannot_be_is_refused_and_never_gives_the_whole_instead(noted, team, as_alice, alice_api, query):
    page = as_alice.get(f"/teams/{team.pk}/audit?{query}")
    assert page.status_code == 422
    assert "Ours" not in page.content.decode()
    assert as_alice.get(f"/teams/{team.pk}/audit.csv?{query}").status_code == 400
    assert alice_api.get(f"/api/team/audit?{query}").status_code == 422
    assert alice_api.get(f"/api/team/audit/file?{query}").status_code == 422


@pytest.mark.parametrize("before", ["x", "²", "-1", "9" * 5000, "", "0"])
def test_odd_places_in_the_list_are_no_error(noted, team, as_alice, before):
    assert as_alice.get(f"/teams/{team.pk}/audit?before={before}").status_code == 200


def test_it_comes_by_page_without_gap_or_repetition(team, alice, as_alice, alice_api):
    for n in range(120):
        trail.note(None, AuditAction.PROJECT_CREATED, team=team, actor=alice, kind="project", name=f"P{n:03}")
    url, names = f"/teams/{team.pk}/audit?person=alice", []
    while url:
        page = as_alice.get(url).content.decode()
        names += re.findall(r"P\d{3}", page)
        link = re.search(r'href="([^"]*)" rel="next"', page)
        url = link[1].replace("&amp;", "&") if link else ""
    assert names == [f"P{n:03}" for n in reversed(range(120))]
    before, listed = "", []
    while before is not None:
        answer = alice_api.get(f"/api/team/audit?limit=50{f'&before={before}' if before else ''}").json()
        listed += [one["object"] for one in answer["items"]]
        before = answer["next"]
    assert listed == names


def test_the_files_hold_everything_and_are_safe_in_a_spreadsheet(team, alice, as_alice):
    odd = ["=1+1", "@x", " -2", "＝x", 'a"b', "a\nb", "é", "<script>alert(1)</script>"]
    for name in odd:
        trail.note(None, AuditAction.PROJECT_CREATED, team=team, actor=alice, kind="project", name=name)
    lines = [json.loads(line) for line in body(as_alice.get(f"/teams/{team.pk}/audit.jsonl")).splitlines()]
    assert lines.pop(0)["action"] == "downloaded"  # the file knows of itself
    assert [one["object"] for one in lines] == odd[::-1]
    rows = list(csv.DictReader(io.StringIO(body(as_alice.get(f"/teams/{team.pk}/audit.csv?action=project_created")))))
    assert [row["object"].removeprefix("'") for row in rows] == odd[::-1]
    assert not [
        cell for row in rows for cell in row.values() if cell.lstrip(" ").startswith(("=", "+", "-", "@", "＝"))
    ]
    assert list(rows[0]) == list(lines[0])
    assert "<script>alert(1)" not in as_alice.get(f"/teams/{team.pk}/audit").content.decode()
    assert last(AuditAction.DOWNLOADED).object_name == f"audit-team-{team.pk}.csv"


def test_names_stay_when_accounts_go(team, bob, as_alice):
    trail.note(None, AuditAction.PROJECT_CREATED, team=team, actor=bob, kind="project", name="Ours")
    bob.delete()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name) == (None, "bob")
    assert "bob" in as_alice.get(f"/teams/{team.pk}/audit").content.decode()


def test_whoever_leaves_takes_their_sign_ins_out_of_the_teams_sight(noted, team, alice, as_alice):
    members.add(team, User.objects.create_user("olga"), Role.OWNER)
    members.set_role(alice.memberships.get(), None)
    olga = signed_in(User.objects.get(username="olga"))
    assert "203.0.113.7" not in olga.get(f"/teams/{team.pk}/audit").content.decode()


def test_it_ends_after_the_days_that_are_set(noted, settings, monkeypatch):
    settings.AUDIT_DAYS = 30
    AuditEntry.objects.filter(action="signed_in").update(at=timezone.now() - timedelta(days=31))
    monkeypatch.setattr(retention, "_last", [])
    assert retention.sweep() == 0
    assert set(actions()) == {"project_created"}
    AuditEntry.objects.update(at=timezone.now() - timedelta(days=31))
    retention.sweep()  # once an hour is enough
    assert actions()


def test_there_is_no_address_that_changes_or_deletes_entries(noted, team, as_alice, alice_api):
    before = list(AuditEntry.objects.values())
    for method in ("post", "put", "patch", "delete"):
        for path in (f"/teams/{team.pk}/audit", f"/teams/{team.pk}/audit.csv"):
            assert getattr(as_alice, method)(path).status_code == 405
        assert getattr(alice_api, method)("/api/team/audit").status_code == 405
    assert list(AuditEntry.objects.values()) == before
