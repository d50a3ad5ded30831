"""REST and the command of checks: the same verbs as the pages."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from atelier.accounts.models import APIKey
from curation.datasets import settings
from curation.models import Check, Dataset, Import, Record
from curation.quality import jobs
from curation.tasks import check, import_file
from tests.curation.quality.test_jobs import COPIES, LONG, chat, make, run


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


@pytest.fixture
def root(project) -> str:
    return f"/api/projects/{project.pk}"


def post(client, path, body=None, **headers):
    return client.post(path, json.dumps(body or {}), content_type="application/json", headers=headers)


def test_a_check_is_started_once_for_one_key_and_tells_what_it_found(root, chats, bob_api):
    make(chats, "<p>x a@b.example</p>")
    path = f"{root}/datasets/{chats.pk}/checks"
    first = post(bob_api, path, {"part": "texts"}, **{"Idempotency-Key": "k"})
    again = post(bob_api, path, {"part": "texts"}, **{"Idempotency-Key": "k"})
    assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
    check(first.json()["id"])
    job = bob_api.get(f"{root}/checks/{first.json()['id']}").json()
    assert (job["status"], job["found"]["with_problems"]) == ("done", 1)
    assert [row["id"] for row in bob_api.get(f"{root}/checks").json()] == [job["id"]]
    found = bob_api.get(f"{root}/datasets/{chats.pk}/problems").json()
    assert found["unchecked"] == 0
    assert found["items"][0] | {"example": ""} == {
        "code": "html", "title": "Leftover HTML", "severity": "warning", "count": 1, "fixable": True, "example": "",
        "query": "problem:html",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body", [{}, {"part": "maps"}, {"part": "texts", "x": 1}, {"part": "duplicates", "threshold": 0.1}]
)
def test_what_is_no_check_is_refused(root, chats, bob_api, body):
    assert post(bob_api, f"{root}/datasets/{chats.pk}/checks", body).status_code == 422
    assert not Check.objects.exists()


def test_pairs_and_groups_come_in_pages(root, chats, bob_api):
    rows = make(chats, *COPIES[:3])
    Record.objects.filter(pk=rows[0].pk).update(split="test")
    Record.objects.filter(pk__in=[rows[1].pk, rows[2].pk]).update(split="train")
    run(chats, "duplicates")
    path = f"{root}/datasets/{chats.pk}"
    page = bob_api.get(f"{path}/duplicates", {"limit": 2}).json()
    rest = bob_api.get(f"{path}/duplicates", {"limit": 2, "after": page["next"]}).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    crossing = bob_api.get(f"{path}/duplicates", {"crossing": True}).json()["items"]
    assert [sorted(pair["splits"]) for pair in crossing] == [["test", "train"]] * 2
    [group] = bob_api.get(f"{path}/clusters").json()["items"]
    assert (group["cluster"], group["size"], group["splits"]) == (rows[0].pk, 3, 2)


def test_an_import_is_checked_without_being_asked(root, chats, bob_api):
    rows = [{"messages": chat("<p>x</p>")}, {"messages": chat("y")}]
    import_file(post(bob_api, f"{root}/datasets/{chats.pk}/imports", {"rows": rows}).json()["id"])
    assert Import.objects.get().ok == 2
    assert list(Check.objects.order_by("pk").values_list("part", "status")) == [
        ("texts", "queued"), ("duplicates", "queued"),
    ]  # fmt: skip
    for job in Check.objects.all():
        check(job.pk)
    assert not chats.records.filter(is_checked=False).exists()
    assert chats.records.filter(problem_count=1).count() == 1


def test_a_fix_by_rest_leaves_no_problem_behind(root, chats, bob_api):
    make(chats, "<p>x</p>")
    run(chats)
    body = {"action": "fix", "filters": {"q": "problem:html"}, "options": {"codes": ["html"]}}
    assert post(bob_api, f"{root}/datasets/{chats.pk}/bulk", body).json()["changed"] == 1
    assert bob_api.get(f"{root}/datasets/{chats.pk}/problems").json()["items"] == []


def test_small_roles_read_and_strangers_find_nothing(root, chats, team, vic, ann, charlie, client):
    job = jobs.begin(chats, None, "texts")
    keys = {
        "vic": APIKey.issue(team, vic, "v")[1], "ann": APIKey.issue(team, ann, "a")[1],
        "charlie": APIKey.issue(charlie.memberships.get().team, charlie, "c")[1],
    }  # fmt: skip
    base = f"{root}/datasets/{chats.pk}"
    reads = [f"{root}/checks", f"{root}/checks/{job.pk}", f"{base}/problems", f"{base}/duplicates", f"{base}/clusters"]
    writes = [(f"{base}/checks", {"part": "texts"}), (f"{root}/checks/{job.pk}/cancel", {})]
    for name, key in keys.items():
        person = Client(headers={"Authorization": f"Bearer {key}"})
        for path in reads:
            assert person.get(path).status_code == (404 if name == "charlie" else 200), path
        for path, body in writes:
            assert post(person, path, body).status_code == (404 if name == "charlie" else 403), path
    assert client.get(reads[0]).status_code == 401


def test_an_owner_and_an_editor_may_cancel(root, chats, team, alice, bob_api):
    job = jobs.begin(chats, None, "texts")
    assert post(bob_api, f"{root}/checks/{job.pk}/dance").status_code == 422
    assert post(bob_api, f"{root}/checks/{job.pk}/cancel").json()["status"] == "cancelled"
    owner = Client(headers={"Authorization": f"Bearer {APIKey.issue(team, alice, 'o')[1]}"})
    assert post(owner, f"{root}/checks/{job.pk}/resume").json()["status"] == "queued"


@pytest.mark.django_db(transaction=True)
def test_the_command_checks_and_says_what_it_found(project, chats, capsys):
    make(chats, "<p>x</p>", LONG, LONG + " Really.")
    call_command("check_records", "Chats", "--here")
    out = capsys.readouterr().out
    assert "1 of 3 records has warnings" in out
    assert "warning" in out
    assert "Leftover HTML" in out
    call_command("check_records", "Chats", "--duplicates", "--here", "--json")
    assert json.loads(capsys.readouterr().out)["found"]["pairs"] == 1
    Record.objects.filter(dataset=chats).update(messages=chat("Why?")[:1], is_checked=False)
    with pytest.raises(CommandError, match="prevent training") as error:
        call_command("check_records", "Chats", "--here", "--strict")
    assert error.value.returncode == 4
    with pytest.raises(CommandError, match="threshold"):
        call_command("check_records", "Chats", "--duplicates", "--threshold", "0.1")
