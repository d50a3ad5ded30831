"""Erasing by page, REST and command; who may, and what the pages of what is left say."""

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from atelier.audit.models import AuditEntry
from curation import tasks
from curation.erasures import requests
from curation.models import Erasure, Import
from tests.curation.erasures.erasing import SECRET, about, person
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen as freeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def briefs(project):
    dataset = conversations(project, 20)
    about(dataset.records.order_by("pk")[3])
    return dataset


def asked(client, page: str) -> str:
    """Return the ids that the question's form holds."""
    return re.search(r'name="records" value="([\d,]*)"', client.get(page).content.decode())[1]


def erase_page(record) -> str:
    return reverse("curation:erase_record", args=[record.dataset.project_id, record.dataset_id, record.pk])


def test_an_editor_erases_a_record_by_its_page(project, briefs, as_bob, as_vic):
    version, record = freeze(briefs), person(briefs)
    copy = briefs.records.order_by("pk").last()
    copy.source = record
    copy.save()
    record_page = reverse("curation:record", args=[project.pk, briefs.pk, record.pk])
    assert erase_page(record) in as_bob.get(record_page).content.decode()
    assert erase_page(record) not in as_vic.get(record_page).content.decode()
    question = as_bob.get(erase_page(record)).content.decode()
    assert "1 record made from it, its row in 1 frozen version" in question
    answer = as_bob.post(erase_page(record), {"reason": "Request of 3 May"})
    job = Erasure.objects.get()
    assert answer.url == reverse("curation:erasure", args=[project.pk, job.pk])
    tasks.erase(job.pk)
    page = as_vic.get(answer.url).content.decode()
    assert "Request of 3 May" in page
    assert SECRET not in page
    for shown in (record_page, reverse("curation:version", args=[project.pk, version.pk])):
        text = as_vic.get(shown).content.decode()
        assert "Request of 3 May" in text
        assert SECRET not in text
    assert as_bob.get(erase_page(record)).url == answer.url


def test_no_reason_and_nothing_is_erased(briefs, as_bob):
    record = person(briefs)
    assert as_bob.post(erase_page(record), {"reason": " "}).status_code == 422
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("who", ["as_vic", "as_ann"])
def test_below_an_editor_nobody_may(request, briefs, who):
    client = request.getfixturevalue(who)
    record = person(briefs)
    assert client.get(erase_page(record)).status_code == 403
    assert client.post(erase_page(record), {"reason": "x"}).status_code == 403
    assert not Erasure.objects.exists()


def test_a_stranger_finds_nothing(briefs, as_charlie):
    assert as_charlie.post(erase_page(person(briefs)), {"reason": "x"}).status_code == 404


def test_by_rest_with_the_ledger_and_the_audit_trail_without_text(project, briefs, bob_api):
    version, record = freeze(briefs), person(briefs)
    body = {"records": [record.pk], "reason": "Request of 3 May"}
    path = f"/api/projects/{project.pk}/datasets/{briefs.pk}/erasures"
    answer = bob_api.post(path, body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    pk = answer.json()["id"]
    tasks.erase(pk)
    told = bob_api.get(f"/api/projects/{project.pk}/erasures/{pk}").json()
    assert (told["status"], told["by"], told["reason"]) == ("done", "bob", "Request of 3 May")
    assert [row["record"] for row in told["records"]] == [record.pk]
    (file,) = told["files"]
    seen = bob_api.get(f"/api/projects/{project.pk}/versions/{version.pk}").json()
    assert (seen["erased"], seen["rows"], seen["content_hash"]) == (1, 19, file["content_hash_after"])
    assert seen["sha256"][file["split"]] == file["sha256_after"]
    assert bob_api.get(f"/api/projects/{project.pk}/versions/{version.pk}/verify").json() == {
        "intact": True, "broken": [],
    }  # fmt: skip
    assert bob_api.get(f"/api/projects/{project.pk}/erasures").json()[0]["id"] == pk
    entry = AuditEntry.objects.get(action="erased")
    assert (entry.actor_name, entry.detail["records"]) == ("bob", 1)
    assert SECRET not in json.dumps(entry.detail)
    again = bob_api.post(path, body, content_type="application/json")
    assert (again.status_code, "already erased" in again.content.decode()) == (422, True)


@pytest.mark.parametrize("records", [[], [0], ["x"], [10**30], None])
def test_odd_ids_are_refused_by_rest(project, briefs, bob_api, records):
    path = f"/api/projects/{project.pk}/datasets/{briefs.pk}/erasures"
    answer = bob_api.post(path, {"records": records, "reason": "x"}, content_type="application/json")
    assert answer.status_code == 422
    assert not Erasure.objects.exists()


def test_by_command(briefs):
    record, out = person(briefs), StringIO()
    call_command("erase_records", str(briefs.pk), str(record.pk), "--reason", "Request", "--no-wait", stdout=out)
    job = Erasure.objects.get()
    assert (job.roots, job.actor) == ([record.pk], "command line")
    assert AuditEntry.objects.get(action="erased").actor_name == "command line"


def test_ticked_records_are_erased_together(project, briefs, as_bob, as_ann):
    first, second = briefs.records.order_by("pk")[:2]
    change = reverse("curation:change_records", args=[project.pk, briefs.pk])
    ticked = {"action": "erase", "ids": [first.pk, second.pk]}
    assert as_ann.post(change, ticked).status_code == 403
    page = as_bob.post(change, ticked).url
    assert "Erase 2 records everywhere?" in as_bob.get(page).content.decode()
    as_bob.post(page, {"reason": "Request", "records": asked(as_bob, page)})
    assert Erasure.objects.get().roots == [first.pk, second.pk]


def test_all_that_match_a_search_are_erased_and_too_many_refused(project, briefs, as_bob, monkeypatch):
    page = reverse("curation:erase_records", args=[project.pk, briefs.pk])
    found = f"{page}?q=Zephyrine"
    as_bob.post(found, {"reason": "Request", "records": asked(as_bob, found)})
    assert Erasure.objects.get().roots == [person(briefs).pk]
    everything = asked(as_bob, page)
    monkeypatch.setattr("curation.erasures.requests.MOST", 5)
    answer = as_bob.post(page, {"reason": "Request", "records": everything})
    assert (answer.status_code, "At most 5 records can be erased at once" in answer.content.decode()) == (422, True)
    assert "At most 5 records can be erased at once, and 20 match." in as_bob.get(page).content.decode()
    assert "No records match this filter." in as_bob.get(f"{page}?q=nobody").content.decode()
    for odd in ("", "x", "1,", "-1"):
        as_bob.post(page, {"reason": "Request", "records": odd})
    assert as_bob.get(f"{page}?stauts=x").status_code == 302
    assert Erasure.objects.count() == 1


def test_only_what_the_question_was_about_is_erased(project, briefs, as_bob):
    page = reverse("curation:erase_records", args=[project.pk, briefs.pk]) + "?q=Zephyrine"
    records = asked(as_bob, page)
    about(briefs.records.order_by("pk")[9])
    as_bob.post(page, {"reason": "Request", "records": records})
    assert Erasure.objects.get().roots == [briefs.records.order_by("pk")[3].pk]


def test_content_that_was_erased_does_not_come_in_again(project, briefs, bob_api):
    record = person(briefs)
    rows = [
        {"messages": record.messages},
        {"messages": [{"role": "user", "content": "New?"}, {"role": "assistant", "content": "Yes."}]},
    ]
    tasks.erase(requests.begin(briefs, None, [record.pk], "Request").pk)
    path = f"/api/projects/{project.pk}/datasets/{briefs.pk}/imports"
    answer = bob_api.post(path, {"rows": rows, "skip_duplicates": False}, content_type="application/json")
    job = Import.objects.get(pk=answer.json()["id"])
    tasks.import_file(job.pk)
    job.refresh_from_db()
    assert (job.ok, job.skipped, job.status) == (1, 1, "done"), job.error
    issue = job.issues.get()
    assert (issue.code, issue.raw) == ("erased", "")
    assert "was erased on request" in issue.message
