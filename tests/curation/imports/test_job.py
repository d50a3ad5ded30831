"""Importing: every row ends as a record or as an issue; run again, it does only what is missing."""

import http.server
import io
import threading

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from atelier.jobs import claims
from atelier.jobs.models import Status
from curation.datasets import settings
from curation.formats import Mapping
from curation.forms import mapping as mapping_forms
from curation.imports import drafts
from curation.imports import job as import_job
from curation.imports import rows as import_rows
from curation.models import Dataset, Import
from curation.search.filters import Filters
from curation.tasks import import_file
from tests.fakes.loopback import EVERY_PORT


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
    drafts.confirm(job, mapping, **options)
    return job


def done(job: Import) -> Import:
    import_file(job.pk)
    job.refresh_from_db()
    return job


def test_every_row_ends_as_a_record_or_an_issue_and_the_sums_tally(chats):
    job = done(
        begun(chats, chat("one"), '{"messages": broken', chat("two"), "[1]", chat("one"), {"text": "no messages"})
    )
    assert (job.status, job.error) == ("done", "")
    assert (job.ok, job.failed, job.skipped, job.done) == (2, 3, 1, 6)
    assert list(job.issues.values_list("line", "outcome")) == [
        (2, "failed"),
        (4, "failed"),
        (5, "skipped"),
        (6, "failed"),
    ]
    assert job.issues.get(line=5).message == "Skipped: same content as line 1 of this file."
    assert job.issues.get(line=2).raw.startswith('{"messages"')
    record = chats.records.get(import_line=1)
    assert (record.preview, record.words, record.status, record.problems) == ("Say one", 3, "new", [])
    assert record.split in ("train", "validation", "test")


def test_a_duplicate_of_the_dataset_is_skipped_with_the_record_it_repeats(chats):
    done(begun(chats, chat("one")))
    first = chats.records.get()
    job = done(begun(chats, chat("one"), chat("two")))
    assert job.issues.get().message == f"Skipped: same content as record {first.pk}."
    job = done(begun(chats, chat("one"), skip_duplicates=False))
    assert (job.ok, job.skipped) == (1, 0)


def test_the_look_for_duplicates_uses_the_index_of_contents(chats):
    """Any other index is the whole dataset, walked for each batch."""
    job = begun(chats, chat("one"), chat("two"))
    with CaptureQueriesContext(connection) as seen:
        done(job)
    looks = [
        query["sql"]
        for query in seen
        if query["sql"]  # None for several statements that psycopg sent in one go
        and "SELECT" in query["sql"]
        and '"curation_record"."content_hash" IN (' in query["sql"]
    ]
    assert len(looks) == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {looks[0]}")
            assert "record_by_content (dataset_id=? AND content_hash=?)" in str(cursor.fetchall())


def test_an_import_that_was_killed_goes_on_where_its_ledger_ends(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH", 10)
    job = begun(chats, *(chat(f"number {n}") for n in range(35)))
    whole, writes = import_rows.RowBatch.write, []

    def dying(batch):
        whole(batch)
        writes.append(1)
        if len(writes) == 3:
            raise MemoryError  # after the rows, before the commit: the worst moment

    monkeypatch.setattr(import_rows.RowBatch, "write", dying)
    assert done(job).status == "failed"
    assert (job.done, chats.records.count()) == (20, 20)
    monkeypatch.setattr(import_rows.RowBatch, "write", whole)
    assert job.enqueue()
    assert done(job).status == "done"
    assert (job.ok, job.done, chats.records.count()) == (35, 35, 35)
    assert sorted(chats.records.values_list("import_line", flat=True)) == list(range(1, 36))


def test_a_message_that_comes_twice_imports_once(chats):
    job = done(begun(chats, chat("one")))
    assert done(job).ok == 1
    assert chats.records.count() == 1


def test_a_cancelled_import_keeps_what_came_in(chats, monkeypatch):
    monkeypatch.setattr(import_rows, "BATCH", 5)
    job = begun(chats, *(chat(f"number {n}") for n in range(20)))
    whole = import_rows.RowBatch.write

    def cancelling(batch):
        whole(batch)
        Import.objects.filter(pk=job.pk).update(cancel_wanted=True)

    monkeypatch.setattr(import_rows.RowBatch, "write", cancelling)
    assert done(job).status == Status.CANCELLED
    assert (job.ok, chats.records.count()) == (5, 5)


def test_what_no_database_can_hold_is_a_bad_row_with_a_sentence(chats):
    job = done(begun(chats, chat("nul \x00 inside"), chat("a literal \\u0000 is fine"), chat("ok", **{"m\x00": 1})))
    assert (job.ok, job.failed) == (1, 2) if job.failed == 2 else (2, 1)
    assert "NUL" in job.issues.first().message


def test_records_with_problems_come_in_with_sentences(chats):
    done(begun(chats, {"messages": [{"role": "assistant", "content": "Hello"}]}, chat("fine")))
    bad = chats.records.get(problem_count__gt=0)
    assert bad.problems[0]["message"].endswith(".")


def test_a_mapping_for_another_kind_is_refused_once_there_are_records(chats):
    done(begun(chats, chat("one")))
    job = drafts.begin(chats, None, file=lines({"text": "a document"}))
    with pytest.raises(ValidationError, match="holds conversations"):
        drafts.confirm(job, Mapping(kind="documents", fields=["text"]))


def test_a_new_dataset_takes_the_kind_the_file_looks_like(project):
    dataset = settings.create(project, None, "New")
    job = drafts.begin(dataset, None, file=lines({"text": "First document."}, {"text": "Second."}), any_kind=True)
    drafts.confirm(job, drafts.suggested(job)[0])
    assert done(job).ok == 2
    dataset.refresh_from_db()
    assert dataset.kind == "documents"


def test_the_same_key_gives_the_same_import(chats):
    first = drafts.begin(chats, None, file=lines(chat("one")), key="k")
    assert drafts.begin(chats, None, file=lines(chat("one")), key="k").pk == first.pk


@pytest.mark.django_db(transaction=True)
def test_an_import_into_a_dataset_that_went_in_the_meantime_is_no_other_import(chats, monkeypatch):
    first = begun(chats, chat("a"))
    assert first.idempotency_key is None
    gone = Dataset.objects.create(project=chats.project, name="Gone", kind="conversations")
    monkeypatch.setattr(drafts, "inspect", lambda job: Dataset.objects.filter(name="Gone").delete())
    with pytest.raises(ValidationError, match="Gone was deleted in the meantime"):
        drafts.begin(gone, None, text='{"messages": []}')
    with pytest.raises(ValidationError, match="Gone was deleted in the meantime"):
        drafts.begin(gone, None, text='{"messages": []}', key="k")


def test_the_search_finds_what_was_imported_and_edited_and_deleted(chats):
    done(begun(chats, chat("Zebra über Köln"), chat("lion")))
    assert [r.words for r in Filters(q="zebra köl").records(chats)] == [7]
    chats.records.all().delete()
    done(begun(chats, chat("tiger")))
    assert not Filters(q="zebra").records(chats).exists()
    assert Filters(q="tiger").records(chats).count() == 1


def test_choices_of_the_form_and_mappings_say_the_same():
    columns = ["id", "question", "answer", "topic", "junk"]
    choices = dict(zip(columns, ["key", "role:user", "role:assistant", "metadata", ""], strict=True))
    mapping = mapping_forms.read("conversations", choices)
    assert mapping_forms.of(mapping, columns) == choices
    draft = mapping.apply({"id": "7", "question": "Q", "answer": "A", "topic": "t", "junk": "x"})
    assert [m["content"] for m in draft.messages] == ["Q", "A"]
    assert (draft.key, draft.metadata) == ("7", {"topic": "t"})


@pytest.fixture
def site():
    """A small web site with one file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = lines(chat("fetched")).read()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_is_fetched_by_the_job_and_then_waits_for_the_mapping(chats, site):
    job = Import.objects.create(
        project=chats.project, dataset=chats, url=f"http://127.0.0.1:{site}/rows.jsonl", original_name="rows.jsonl"
    )
    claims.execute(Import, job.pk, lambda claim: import_job.run(claim, private_hosts=EVERY_PORT))
    job.refresh_from_db()
    assert (job.status, job.confirmed, job.line) == ("paused", False, import_job.WAITS)
    drafts.confirm(job, drafts.suggested(job)[0])
    assert done(job).ok == 1


def test_an_inner_address_is_refused_by_the_job_too(chats, site):
    job = Import.objects.create(
        project=chats.project, dataset=chats, url=f"http://localhost:{site}/rows.jsonl", original_name="x"
    )
    assert done(job).status == "failed"
    assert job.error.endswith(".")


def command(*args: str, **options) -> dict:
    """Run the command up to the queue, then what a worker does."""
    out = io.StringIO()
    call_command("import_records", *args, "--json", "--no-wait", stdout=out, **options)
    result = orjson.loads(out.getvalue())
    import_file(result["id"])
    return result


def test_the_command_imports_into_a_dataset_of_the_files_name(project, tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_bytes(lines(chat("one"), "[]").read())
    job = Import.objects.get(pk=command(str(path), "--reviewed-by", "the sample")["id"])
    assert (job.status, job.ok, job.failed, job.dataset.name) == ("done", 1, 1, "chats")
    record = job.records.get()
    assert (record.status, record.reviewed_note) == ("accepted", "the sample")
    documents = Import.objects.get(
        pk=command(
            str(path),
            "--dataset",
            "raw",
            "--kind",
            "documents",
            "--mapping",
            '{"kind": "documents", "fields": ["messages"]}',
        )["id"]
    )
    assert (documents.ok, documents.dataset.kind) == (1, "documents")


def test_the_command_says_what_is_wrong_and_makes_no_dataset(project, tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_bytes(lines(chat("one")).read())
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import_records", str(tmp_path / "missing"))
    with pytest.raises(CommandError, match="kind must be one of"):
        call_command("import_records", str(path), "--mapping", '{"kind": "poems"}')
    with pytest.raises(CommandError, match="neither JSON nor a JSON file"):
        call_command("import_records", str(path), "--mapping", "{")
    assert not Dataset.objects.exists()


def test_a_column_that_a_table_does_not_have_is_refused_before_anything_starts(project, tmp_path):
    path = tmp_path / "briefs.csv"
    path.write_text("id,text\n1,A brief.\n")
    with pytest.raises(CommandError, match=r"no column “txt”\. Choose from id, text"):
        command(str(path), "--mapping", '{"kind": "documents", "fields": ["txt"], "key": "id"}')
    assert not Dataset.objects.exists()


def test_rows_of_json_may_have_columns_that_the_first_ones_lack(project, tmp_path):
    path = tmp_path / "briefs.jsonl"
    path.write_text('{"text": "One."}\n' * 30 + '{"text": "Two.", "note": "late"}\n')
    mapping = '{"kind": "documents", "fields": ["text"], "metadata": ["note"]}'
    job = Import.objects.get(pk=command(str(path), "--mapping", mapping, "--keep-duplicates")["id"])
    assert (job.ok, job.records.order_by("import_line").last().metadata) == (31, {"note": "late"})


@pytest.mark.django_db(transaction=True)
def test_the_command_does_not_end_well_when_no_row_came_in(project, tmp_path):
    path = tmp_path / "briefs.csv"
    path.write_text("id,text\n1,\n2,\n")
    mapping = '{"kind": "documents", "fields": ["text"]}'
    with pytest.raises(CommandError, match="2 of 2 rows failed") as ended:
        call_command("import_records", str(path), "--mapping", mapping, "--here", stdout=io.StringIO())
    assert ended.value.returncode == 4


def test_the_command_gives_the_first_rows_reason_when_none_can_be_read(project, tmp_path):
    path = tmp_path / "printed.jsonl"
    path.write_text("{'messages': [{'role': 'user', 'content': 'Hi'}]}\n" * 3)
    with pytest.raises(CommandError, match=r"None of the first rows could be read\. Line 1: .*single ones"):
        call_command("import_records", str(path), "--project", str(project.pk))
    assert not project.datasets.exists()


def test_the_command_reads_as_it_is_told_and_notes_on_rows_are_counted(project, tmp_path):
    path = tmp_path / "said.csv"
    path.write_bytes("1;Łódź\n2;żółw\n3;gęś\n".encode("iso8859_2"))
    out = io.StringIO()
    options = {"encoding": "iso8859_2", "delimiter": ";", "quoting": "none", "header": "0"}
    call_command(
        "import_records", str(path), "--project", str(project.pk), "--json", "--no-wait", stdout=out, **options
    )
    job = Import.objects.get(pk=orjson.loads(out.getvalue())["id"])
    assert (job.source["chosen"], job.source["columns"]) == (["quoting"], ["column 1", "column 2"])
    assert "Central European" in job.source["notes"][0]
    rows = "\n".join(f'{{"id": {2**70 + n}, "text": "Letter {n}"}}' for n in range(3))
    counted = drafts.begin(
        settings.create(project, None, "Long", "documents"), None, file=ContentFile(rows.encode(), name="a.jsonl")
    )
    drafts.confirm(counted, Mapping(kind="documents", fields=("text",), key="id"))
    assert done(counted).ok == 3
    assert counted.source["row_notes"] == [
        "Whole numbers beyond 64 bits were kept as text, digit by digit. (3 rows, the first in line 1.)"
    ]
    assert set(counted.dataset.records.values_list("key", flat=True)) == {str(2**70 + n) for n in range(3)}
