"""The account of an import: it tallies however the import ends, and names every column and every guess."""

import json

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from curation.datasets import settings
from curation.imports import account, drafts
from curation.imports import rows as import_rows
from curation.models import Dataset, Import
from curation.tasks import import_file


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def chat(text: str, **more) -> dict:
    return {"messages": [{"role": "user", "content": f"Say {text}"}, {"role": "assistant", "content": text}], **more}


def lines(*rows: dict | str) -> ContentFile:
    return ContentFile(
        b"\n".join(row.encode() if isinstance(row, str) else orjson.dumps(row) for row in rows), name="rows.jsonl"
    )


def begun(dataset: Dataset, *rows: dict | str, **options) -> Import:
    job = drafts.begin(dataset, None, file=lines(*rows))
    mapping, _ = drafts.suggested(job)
    if "id" in job.source["columns"]:  # where it repeats, nobody but a person takes it for one
        mapping.key, mapping.metadata = "id", [name for name in mapping.metadata if name != "id"]
    drafts.confirm(job, mapping, **options)
    return job


def done(job: Import) -> Import:
    import_file(job.pk)
    job.refresh_from_db()
    return job


def told(job: Import) -> dict:
    found = account.of(job)
    assert found["tallies"], found
    sums = ("created", "updated", "unchanged", "skipped", "failed")
    assert found["read"] == sum(found[name] for name in sums) == job.done
    assert found["created"] == job.records.count()
    return found


def column(found: dict, name: str) -> dict:
    [one] = [each for each in found["columns"] if each["name"] == name]
    return {key: value for key, value in one.items() if key != "name"}


def test_refused_and_repeated_rows_are_in_the_sum(chats, as_bob):
    rows = [
        chat("one", id="a"),
        "{broken",
        chat("two", id="b"),
        chat("one", id="c"),
        {"id": "d"},
        chat("three", id="a"),
    ]
    found = told(done(begun(chats, *rows)))
    assert (found["read"], found["created"], found["failed"], found["skipped"]) == (6, 3, 2, 1)
    assert found["repeated_ids"] == {"in_file": 1, "in_dataset": 0, "first": [{"id": "a", "line": 6}]}
    assert column(found, "id") == {"use": "key", "rows": 5}
    assert column(found, "messages") == {"use": "messages", "rows": 4}
    sheet = as_bob.get(reverse("curation:import_issues_file", args=[chats.project_id, chats.imports.get().pk, "csv"]))
    assert b"".join(sheet).startswith(b"\xef\xbb\xbfline,outcome,")


def test_rows_that_update_records_are_in_the_sum(chats):
    done(begun(chats, chat("one", id="a"), chat("two", id="b"), chat("three", id="c")))
    rows = [chat("one", id="a"), chat("changed", id="b"), chat("new", id="d"), chat("newer", id="d"), "[]"]
    job = done(begun(chats, *rows, update_by_key=True))
    found = account.of(job)
    assert found["tallies"]
    parts = [found[name] for name in ("read", "created", "updated", "unchanged", "failed", "skipped")]
    assert parts == [5, 1, 2, 1, 1, 0]
    assert found["repeated_ids"] == {"in_file": 1, "in_dataset": 2, "first": [{"id": "d", "line": 4}]}


def test_ids_that_come_again_in_another_batch_are_counted(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH", 4)
    monkeypatch.setattr(import_rows, "UPDATES", 4)
    rows = [chat(f"number {n}", id=str(n % 7)) for n in range(20)]
    assert told(done(begun(chats, *rows)))["repeated_ids"]["in_file"] == 13
    more = [chat(f"other {n}", id=str(n % 7)) for n in range(20)]
    found = account.of(done(begun(chats, *more, update_by_key=True)))
    assert found["tallies"]
    assert (found["repeated_ids"]["in_file"], found["repeated_ids"]["in_dataset"]) == (13, 7)


def test_a_cancelled_import_says_how_many_rows_it_did_not_read(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH", 10)
    job = begun(chats, *(chat(f"number {n}", topic=n) for n in range(35)))
    whole, writes = import_rows.RowBatch.write, []

    def cancelling(batch, **more):
        whole(batch, **more)
        writes.append(1)
        if len(writes) == 2:
            Import.objects.filter(pk=job.pk).update(cancel_wanted=True)

    monkeypatch.setattr(import_rows.RowBatch, "write", cancelling)
    assert done(job).status == "cancelled"
    found = told(job)
    assert (found["read"], found["created"], found["unread"]) == (20, 20, 15)
    assert column(found, "topic") == {"use": "metadata", "rows": 20}


def test_an_import_that_was_killed_and_resumed_counts_nothing_twice(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH", 10)
    rows = [
        chat(f"number {n}", id=str(n // 2), **({"tools": []} if n > 25 else {}), **({"mood": "x"} if n > 27 else {}))
        for n in range(60)
    ]
    rows[3], rows[33] = "{broken", "{broken"
    rows = [chat(f"first {n}", id=f"f{n}") for n in range(50)] + rows
    job = begun(chats, *rows)
    whole, writes = import_rows.RowBatch.write, []

    def dying(batch, **more):
        whole(batch, **more)
        writes.append(1)
        if len(writes) in (3, 9):
            raise MemoryError  # after the rows, before the commit: the worst moment

    monkeypatch.setattr(import_rows.RowBatch, "write", dying)
    assert done(job).status == "failed"
    assert told(job)["read"] == 20
    assert job.enqueue()
    assert done(job).status == "failed"
    assert told(job)["read"] == 70
    assert job.enqueue()
    assert done(job).status == "done"
    found = told(job)
    assert (found["read"], found["created"], found["failed"], found["unread"]) == (110, 108, 2, 0)
    assert column(found, "tools") == {"use": "tools", "rows": 33, "line": 77}
    assert column(found, "mood") == {"use": "metadata", "rows": 31, "line": 79}
    assert found["repeated_ids"]["in_file"] == 28
    assert chats.records.filter(metadata__mood="x").count() == 31


def test_a_row_that_is_fixed_moves_from_refused_to_created(chats):
    from curation.imports import issues

    job = done(begun(chats, chat("one"), '{"messages": broken', chat("two")))
    assert issues.take(job.issues.get(), chat("three")) is None
    job.refresh_from_db()
    assert (told(job)["created"], told(job)["failed"]) == (3, 0)


TABLE = "id;frage;antwort;notiz;leer\n1;Wie groß?;So groß wie ein Haus.;neu;\n2;Wie alt?;Älter als ich.;;\n"


@pytest.mark.django_db(transaction=True)
def test_command_rest_and_page_give_the_same_account(project, bob, as_bob, api_of_alice, tmp_path, capsys):
    file = tmp_path / "fragen.csv"
    file.write_bytes(TABLE.encode("cp1252"))
    mapping = json.dumps(
        {"kind": "conversations", "roles": {"frage": "user", "antwort": "assistant"}, "metadata": ["notiz"]}
    )
    options = {"project": str(project.pk), "dataset": "Fragen", "mapping": mapping, "here": True}
    call_command("import_records", str(file), **options, json=True)
    printed = json.loads(capsys.readouterr().out)
    job = Import.objects.get(pk=printed["id"])
    found = printed["account"]
    assert found == told(job) == api_of_alice.get(f"/api/projects/{project.pk}/imports/{job.pk}").json()["account"]
    uses = {each["name"]: (each["use"], each["rows"]) for each in found["columns"]}
    assert uses == {
        "id": ("", 2), "frage": ("role:user", 2), "antwort": ("role:assistant", 2), "notiz": ("metadata", 1), "leer": ("", 0),
    }  # fmt: skip
    guesses = {each["what"]: (each["value"], each["chosen"]) for each in found["guesses"]}
    assert guesses["encoding"] == ("cp1252", False)
    assert guesses["delimiter"] == (";", False)
    assert guesses["mapping"] == ("", True)
    call_command("import_records", str(file), **options | {"dataset": "Nochmal"})
    text = capsys.readouterr().out
    assert "Rows read: 2 = 2 created + 0 failed + 0 skipped." in text
    assert "Columns used: frage (user message, 2 rows), antwort (assistant message, 2 rows)." in text
    assert "Kept as metadata: notiz (1 row)." in text
    assert "Not used: id (2 rows), leer (0 rows)." in text
    assert "encoding Western European (Windows-1252, Latin-1) (change: --encoding)" in text
    page = as_bob.get(reverse("curation:import", args=[project.pk, job.pk])).content.decode()
    for words in ("frage", "User message", "Kept as metadata", "Not used", "Western European", "Read again"):
        assert words in page
    shown = page[page.index('id="read-as"') :]
    assert "Not imported" not in shown  # the table of columns says that, and the list has the guesses
    assert shown.count("Western European") == 1


def test_a_column_with_a_long_name_stands_once_with_its_rows(chats):
    long = "n" * 300
    found = told(done(begun(chats, chat("one", **{long: 1}), chat("two", **{long: 2}))))
    assert column(found, long[:200]) == {"use": "metadata", "rows": 2}
    assert [each["name"] for each in found["columns"]] == ["messages", long[:200]]


def test_a_file_that_was_removed_cannot_be_read_again_and_the_reason_is_said(chats):
    job = done(begun(chats, chat("one")))
    Import.objects.filter(pk=job.pk).update(file="")
    job.refresh_from_db()
    with pytest.raises(ValidationError, match="because a record in it was erased"):
        drafts.again(job, None)


def test_ids_are_looked_up_by_their_index(chats):
    """Any other index is the whole dataset, walked for each batch."""
    job = begun(chats, chat("one", id="a"), chat("two", id="b"), update_by_key=True)
    with CaptureQueriesContext(connection) as seen:
        done(job)
    looks = [
        query["sql"] for query in seen if query["sql"] and "SELECT" in query["sql"] and '"key" IN (' in query["sql"]
    ]
    assert len(looks) >= 2
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for look in looks:
                cursor.execute(f"EXPLAIN QUERY PLAN {look}")
                assert "record_by_key (dataset_id=? AND key=?)" in str(cursor.fetchall())


def test_a_file_is_read_again_once_for_a_key(chats, bob_api):
    job = done(begun(chats, chat("one", id="a")))
    address = f"/api/projects/{chats.project_id}/imports/{job.pk}/again"
    answers = [
        bob_api.post(address, b"{}", content_type="application/json", headers={"Idempotency-Key": key})
        for key in ("k", "k", "other")
    ]
    assert [answer.status_code for answer in answers] == [202] * 3, answers[1].content
    first, repeated, other = (answer.json()["id"] for answer in answers)
    assert first == repeated != other
    assert done(Import.objects.get(pk=first)).skipped == 1
