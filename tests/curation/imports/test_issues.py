"""Rows that were refused are fixed in the browser and come in under their line, once."""

import orjson
import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from curation.datasets import settings
from curation.imports import drafts, issues
from curation.models import Dataset, Import
from tests.curation.imports.test_job import begun, chat, done


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def address(job: Import, line: int) -> str:
    return reverse("curation:fix_issue", args=[job.project_id, job.pk, job.issues.get(line=line).pk])


def test_a_row_is_fixed_as_json_and_the_sums_follow(chats, as_bob):
    job = done(begun(chats, chat("one"), '{"messages": broken', '{"text": "none"}'))
    page = as_bob.get(address(job, 2))
    assert "This is not valid JSON" in page.content.decode()
    again = as_bob.post(address(job, 2), {"text": '{"messages": []}'})
    assert again.status_code == 422
    assert "The list of messages in “messages” is empty" in again.content.decode()
    answer = as_bob.post(address(job, 2), {"text": '{"messages": [{"role": "user", "content": "Hi"}]}'})
    assert answer.url == address(job, 3)
    job.refresh_from_db()
    assert (job.ok, job.failed, job.done) == (2, 1, 3)
    assert job.line == "2 of 3 rows imported, 1 failed."
    issue = job.issues.get(line=2)
    assert (issue.record.preview, issue.record.import_line) == ("Hi", 2)
    assert "Fixed" in as_bob.get(reverse("curation:import", args=[job.project_id, job.pk])).content.decode()


def test_a_row_comes_in_once_however_often_it_is_sent(chats, as_bob):
    job = done(begun(chats, chat("one"), "[1]"))
    text = '{"messages": [{"role": "user", "content": "Hi"}]}'
    assert as_bob.post(address(job, 2), {"text": text}).status_code == 302
    assert as_bob.post(address(job, 2), {"text": text.replace("Hi", "Ho")}).status_code == 422
    assert chats.records.count() == 2
    job.refresh_from_db()
    assert (job.ok, job.failed) == (2, 0)


def test_a_fixed_row_that_the_dataset_has_already_is_still_refused(chats):
    job = done(begun(chats, chat("one"), "[1]"))
    problem = issues.take(job.issues.get(), chat("one"))
    assert problem is not None
    assert problem.code == "duplicate"
    job.refresh_from_db()
    assert (job.ok, job.failed, job.skipped, chats.records.count(), job.issues.count()) == (1, 1, 0, 1, 1)


def test_a_row_of_a_table_is_fixed_by_its_columns(project, alice, as_bob):
    notes = settings.create(project, alice, "Notes", Dataset.Kind.DOCUMENTS)
    table = ContentFile(b"id,text,topic\n1,one,x\n2,two, or three,y\n3,four,z\n", name="notes.csv")
    job = drafts.begin(notes, None, file=table)
    drafts.confirm(job, drafts.suggested(job)[0])
    assert done(job).failed == 1
    issue = job.issues.get()
    assert issues.columns_of(issue) == [("id", "2"), ("text", "two"), ("topic", " or three,y")]
    assert 'name="column.2"' in as_bob.get(address(job, 3)).content.decode()
    values = {"column.0": "2", "column.1": "two, or three", "column.2": "y"}
    assert as_bob.post(address(job, 3), values).status_code == 302
    issue.refresh_from_db()
    assert issue.record.fields == {"text": "two, or three"}
    assert (issue.record.key, issue.record.metadata) == ("2", {"topic": "y"})


def test_a_row_of_a_table_that_was_read_well_is_fixed_by_its_columns_too(project, alice, as_bob):
    dataset = settings.create(project, alice, "Questions")
    table = ContentFile(b'question,answer\n"Why?",Because.\n,"Nobody\nasked, ""really"""\n', name="questions.csv")
    job = drafts.begin(dataset, None, file=table)
    drafts.confirm(job, drafts.suggested(job)[0])
    assert done(job).failed == 1
    issue = job.issues.get()
    assert issues.columns_of(issue) == [("question", ""), ("answer", 'Nobody\nasked, "really"')]
    values = {"column.0": "Who asked?", "column.1": "Nobody."}
    assert as_bob.post(address(job, issue.line), values).status_code == 302
    issue.refresh_from_db()
    assert issue.record.messages[0]["content"] == "Who asked?"


def test_rows_wait_while_the_import_runs(chats):
    job = done(begun(chats, chat("one"), "[1]"))
    Import.objects.filter(pk=job.pk).update(status="running")
    problem = issues.take(job.issues.get(), chat("two"))
    assert problem is not None
    assert problem.code == "busy"


def test_a_fixed_row_updates_the_record_with_its_key(chats):
    rows = [chat("one", id="a"), {"messages": 1, "id": "a"}]
    done(begun(chats, chat("zero", id="a")))
    job = begun(chats, *rows, update_by_key=True)
    assert done(job).line == "0 added, 1 updated, 0 unchanged of 2 rows, 1 failed."
    assert issues.take(job.issues.get(), chat("two", id="a")) is None
    record = chats.records.get()
    assert (record.preview, record.revision) == ("Say two", 3)
    assert job.issues.get().record == record


def test_the_whole_row_is_kept_up_to_a_bound(chats):
    job = done(begun(chats, chat("one"), '{"broken": "' + "x" * 150_000))
    assert len(job.issues.get().raw) == 100_000


def test_only_editors_fix(chats, as_alice, as_ann, as_vic, as_charlie):
    job = done(begun(chats, chat("one"), "[1]"))
    for client, status in ((as_alice, 200), (as_ann, 403), (as_vic, 403), (as_charlie, 404)):
        assert client.get(address(job, 2)).status_code == status
    for client, status in ((as_ann, 403), (as_vic, 403), (as_charlie, 404)):
        assert client.post(address(job, 2), {"text": "{}"}).status_code == status


def test_a_file_of_a_zip_that_cannot_be_read_is_no_row_to_fix(chats, as_bob):
    files = [
        ContentFile(b'{"messages": broken\n', name="a.jsonl"),
        ContentFile(b"\x89PNG\r\n\x1a\n" + bytes(200), name="b.png"),
        ContentFile(orjson.dumps(chat("one")), name="c.jsonl"),
    ]
    job = drafts.begin(chats, None, files=files)
    drafts.confirm_unseen(job, None)
    job = done(job)
    picture = job.issues.get(code="file")
    assert (picture.file, picture.raw) == ("b.png", "")
    page = as_bob.get(reverse("curation:import", args=[job.project_id, job.pk])).content.decode()
    assert address(job, 1) in page
    assert address(job, picture.line) not in page
    assert "Next row" not in as_bob.get(address(job, 1)).content.decode()
    assert "Import row" not in as_bob.get(address(job, picture.line)).content.decode()
    assert as_bob.post(address(job, picture.line), {"text": '{"messages": []}'}).status_code == 422
    assert "not a row" in issues.take(picture, chat("two")).message
