"""Importing again with a key: rows change the records that they name, and their history says so."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from curation import tasks
from curation.datasets import settings
from curation.erasures import requests
from curation.formats import Mapping
from curation.imports import drafts
from curation.imports import rows as import_rows
from curation.models import Change, Dataset, Import, Record
from curation.records import changes
from curation.search.filters import Filters
from tests.curation.imports.test_job import chat, done, lines

MAPPING = Mapping.from_json(
    {"style": "chat", "messages": "messages", "metadata": ["topic"], "key": "id", "group": "group"}
)


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def imported(dataset: Dataset, *rows: dict | str, user=None, **choices) -> Import:
    job = drafts.begin(dataset, user, file=lines(*rows))
    drafts.confirm(job, MAPPING, **{"update_by_key": True} | choices)
    return done(job)


def test_a_row_with_a_known_key_changes_its_record_and_the_others_are_added_or_left(chats, bob):
    imported(chats, chat("one", id="a", topic="x"), chat("two", id="b", topic="x"), chat("three", id="c"))
    before = {record.key: record for record in chats.records.all()}
    job = imported(
        chats, chat("one", id="a", topic="x"), chat("more", id="b", topic="x"), chat("four", id="d"), user=bob
    )
    assert job.line == "1 added, 1 updated, 1 unchanged of 3 rows."
    assert (job.ok, job.updated, job.skipped, job.failed, job.done) == (2, 1, 1, 0, 3)
    assert chats.records.count() == 4
    after = chats.records.get(key="b")
    assert (after.pk, after.revision, after.preview) == (before["b"].pk, 2, "Say more")
    assert (after.split, after.source_group) == (before["b"].split, before["b"].source_group)
    change = after.changes.get()
    assert (change.user, change.action, change.revision) == (bob, "import", 2)
    assert change.before["messages"] == before["b"].messages
    assert change.after["messages"] == after.messages
    assert job.issues.get().code == "unchanged"
    assert chats.records.get(key="a").revision == 1


def test_the_history_and_the_import_say_what_a_file_changed(chats, bob, as_bob):
    imported(chats, chat("one", id="a"), chat("two", id="b"))
    job = imported(chats, chat("other", id="a"), user=bob)
    record = chats.records.get(key="a")
    page = as_bob.get(reverse("curation:record", args=[chats.project_id, chats.pk, record.pk])).text
    assert "updated by importing" in page
    assert reverse("curation:import", args=[chats.project_id, job.pk]) in page
    same = imported(chats, chat("other", id="a"), user=bob)
    page = as_bob.get(reverse("curation:import", args=[chats.project_id, same.pk])).text
    assert "Rows without changes" in page
    assert "not taken" not in page


def test_a_review_stands_only_while_the_words_are_the_same(chats, bob):
    imported(chats, chat("one", id="a", topic="x"), chat("two", id="b", topic="x"))
    for record in chats.records.all():
        changes.review(record, bob, "accept")
    imported(chats, chat("one", id="a", topic="y"), chat("other", id="b", topic="x"))
    relabelled, rewritten = chats.records.get(key="a"), chats.records.get(key="b")
    assert (relabelled.status, relabelled.reviewed_by, relabelled.metadata) == ("accepted", bob, {"topic": "y"})
    assert (rewritten.status, rewritten.reviewed_by) == ("new", None)
    change = rewritten.changes.first()
    assert change is not None
    assert change.before["status"] == "accepted"
    changes.restore(rewritten, bob, change)
    rewritten.refresh_from_db()
    assert (rewritten.preview, rewritten.status) == ("Say two", "accepted")


def test_a_key_that_stands_twice_in_the_file_ends_with_its_last_row(chats):
    rows = (chat("one", id="a"), chat("two", id="a"), chat("three", id="a"), chat("three", id="a"))
    job = imported(chats, *rows)
    assert job.line == "1 added, 2 updated, 1 unchanged of 4 rows."
    record = chats.records.get()
    assert (record.preview, record.revision) == ("Say three", 3)
    assert [c.revision for c in record.changes.order_by("pk")] == [2, 3]
    again = imported(chats, *rows)
    assert (again.updated, again.ok, chats.records.count()) == (3, 3, 1)
    assert chats.records.get().preview == "Say three"


def test_rows_without_a_key_are_added_and_twins_skipped(chats):
    job = imported(chats, chat("one"), chat("one"), chat("two", id="a"), chat("two", id="b"), chat("new", id="b"))
    assert (job.ok, job.updated, job.skipped) == (2, 0, 3)
    assert set(job.issues.values_list("line", flat=True)) == {2, 4, 5}


def test_an_update_that_was_killed_changes_each_record_once(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "UPDATES", 10)
    imported(chats, *(chat(f"number {n}", id=str(n)) for n in range(35)))
    whole, writes = import_rows.RowBatch.write, []

    def dying(batch):
        whole(batch)
        writes.append(1)
        if len(writes) == 3:
            raise MemoryError  # after the rows, before the commit: the worst moment

    monkeypatch.setattr(import_rows.RowBatch, "write", dying)
    job = imported(chats, *(chat(f"changed {n}", id=str(n)) for n in range(40)))
    assert (job.status, job.done, Change.objects.count()) == ("failed", 20, 20)
    job.enqueue()
    assert done(job).line == "5 added, 35 updated, 0 unchanged of 40 rows."
    assert (chats.records.count(), Change.objects.count()) == (40, 35)
    assert set(Record.objects.exclude(changes=None).values_list("revision", flat=True)) == {2}


def test_the_search_follows_an_update(chats):
    imported(chats, chat("walnut", id="a"))
    imported(chats, chat("hazel", id="a"))
    assert not Filters(q="walnut").records(chats).exists()
    assert Filters(q="hazel").records(chats).count() == 1


def test_updating_needs_a_column_with_the_key(chats):
    job = drafts.begin(chats, None, file=lines(chat("one")))
    with pytest.raises(ValidationError, match="choose the column with the ID"):
        drafts.confirm(job, drafts.suggested(job)[0], update_by_key=True)


def test_a_deleted_record_is_not_brought_back(chats):
    imported(chats, chat("one", id="a"))
    chats.records.update(deleted_at="2026-01-01T00:00Z")
    job = imported(chats, chat("two", id="a"))
    assert (job.ok, job.updated, chats.records.count()) == (1, 0, 2)


def test_a_row_does_not_give_a_record_the_content_that_was_erased(chats):
    imported(chats, chat("one", id="a"), chat("two", id="b"))
    tasks.erase(requests.begin(chats, None, [chats.records.get(key="a").pk], "Request").pk)
    job = imported(chats, chat("one", id="b"))
    assert (job.updated, job.skipped, job.issues.get().code) == (0, 1, "erased")
    assert chats.records.get(key="b").revision == 1
