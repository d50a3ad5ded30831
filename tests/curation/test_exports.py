"""Exports: a file of a filtered set or a version, made by a job, with what it could not hold counted and named."""

import csv
import io
from datetime import timedelta

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from atelier.jobs.claims import LostClaim
from curation import exports
from curation.datasets import settings as dataset_settings
from curation.formats import WRITERS
from curation.imports import drafts
from curation.models import Dataset, Export, Record
from curation.records import changes
from curation.tasks import export, freeze
from curation.versions import freezes
from tests.curation.imports.test_job import begun, chat, done

SAME = ("fields", "messages", "tools", "chosen", "rejected", "metadata", "key", "source_group", "content_hash")


@pytest.fixture
def chats(project, alice) -> Dataset:
    dataset = dataset_settings.create(project, alice, "Chats")
    rows = [chat(f"number {n}", id=f"k{n}", group="even" if n % 2 == 0 else "", topic=n) for n in range(7)]
    done(begun(dataset, *rows))
    return dataset


def exported(dataset: Dataset, form: str, **chosen) -> tuple[Export, bytes]:
    job = exports.begin(dataset, None, form, **chosen)
    export(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error) == ("done", "")
    return job, b"".join(exports.pieces(job))


def content(dataset: Dataset) -> list[tuple]:
    return sorted(
        (tuple(orjson.dumps(getattr(r, name), option=orjson.OPT_SORT_KEYS) for name in SAME))
        for r in dataset.records.all()
    )


@pytest.mark.parametrize(
    "form", sorted(name for name, w in WRITERS.items() if w.mapping and "conversations" in w.kinds)
)
def test_an_import_of_an_export_gives_the_same_records(project, chats, form):
    job, data = exported(chats, form)
    assert job.line == "7 of 7 records exported."
    other = dataset_settings.create(project, None, "Again")
    again = drafts.begin(other, None, file=ContentFile(data, name="file"), any_kind=True)
    drafts.confirm(again, drafts.suggested(again)[0])
    assert done(again).line == "7 of 7 rows imported."
    assert content(other) == content(chats)


def test_status_split_and_labels_go_along(chats, bob):
    record = chats.records.get(key="k3")
    changes.review(record, bob, "accept")
    Record.objects.filter(pk=record.pk).update(labels=["good"])
    _, data = exported(chats, "chat", filters={"status": "accepted"})
    row = orjson.loads(data)
    assert (row["id"], row["atelier_status"], row["atelier_labels"]) == ("k3", "accepted", ["good"])
    assert row["atelier_split"] == record.split


def test_what_a_format_cannot_hold_is_counted_and_named(chats):
    done(begun(chats, {"messages": [{"role": "user", "content": "Hi"}]}))
    odd = chats.records.get(key="")
    job, data = exported(chats, "alpaca")
    assert (job.done, job.skipped, data.count(b"\n")) == (8, 1, 7)
    assert job.line == "7 of 8 records exported, 1 left out."
    why = "Alpaca has only alternating questions and answers."
    assert job.skipped_why == [{"reason": why, "count": 1, "records": [odd.pk]}]


def test_a_version_is_exported_whole_or_by_split(chats):
    version = freezes.create(chats, None, filters={}, shares={"train": 0.5, "validation": 0.5, "test": 0})
    freeze(version.pk)
    version.refresh_from_db()
    _, data = exported(chats, "completion", version=version)
    assert sorted(orjson.loads(line)["completion"] for line in data.splitlines()) == [f"number {n}" for n in range(7)]
    _, data = exported(chats, "csv", version=version, split="train")
    assert len(list(csv.DictReader(io.StringIO(data.decode(), newline="")))) == version.counts()["train"]


def test_a_killed_export_is_made_anew_and_leaves_one_file(chats, monkeypatch, settings):
    job = exports.begin(chats, None, "chat")
    monkeypatch.setattr(exports, "BATCH", 2)
    whole, seen = exports._draft, []

    def dying(*row):
        seen.append(row)
        if len(seen) == 3:
            raise SystemExit
        return whole(*row)

    monkeypatch.setattr(exports, "_draft", dying)
    with pytest.raises(SystemExit):
        export(job.pk)
    job.refresh_from_db()
    assert (job.status, job.file) == ("queued", "")
    export(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, b"".join(exports.pieces(job)).count(b"\n")) == ("done", 7, 7)
    assert len(list((settings.MEDIA_ROOT / "exports").iterdir())) == 1
    assert not list((settings.DATA_DIR / "tmp").glob("export-*"))


def test_a_file_that_was_stored_just_before_a_kill_does_not_lie_there_for_ever(chats, monkeypatch, settings):
    """The worker dies between storing the file and saying so."""
    job = exports.begin(chats, None, "chat")
    finish = exports._finish

    def killed(*_args):
        raise LostClaim  # nothing more is written by this attempt

    monkeypatch.setattr(exports, "_finish", killed)
    export(job.pk)
    folder = settings.MEDIA_ROOT / "exports"
    assert [path.name for path in folder.iterdir()] == [f"{job.pk}-1.jsonl"]
    Export.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert Export.release_expired() == 1
    monkeypatch.setattr(exports, "_finish", finish)
    export(job.pk)
    job.refresh_from_db()
    assert job.status == "done"
    assert [f"exports/{path.name}" for path in folder.iterdir()] == [job.file]


def test_a_format_without_place_for_the_kind_is_refused(chats):
    with pytest.raises(ValidationError, match="Conversations cannot be exported as 'preference'"):
        exports.begin(chats, None, "preference")
    with pytest.raises(ValidationError, match="No filter"):
        exports.begin(chats, None, "chat", filters={"password": "x"})


def test_the_same_key_gives_the_same_export(chats, bob_api):
    address = f"/api/projects/{chats.project_id}/exports"
    body = {"dataset": chats.pk, "format": "sharegpt"}
    answers = [
        bob_api.post(address, body, content_type="application/json", headers={"Idempotency-Key": "once"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    job = Export.objects.get()
    export(job.pk)
    assert bob_api.get(f"{address}/{job.pk}").json()["line"] == "7 of 7 records exported."
    answer = bob_api.get(f"{address}/{job.pk}/file")
    assert answer["Content-Disposition"] == f'attachment; filename="export-{job.pk}-sharegpt.jsonl"'
    assert bob_api.delete(f"{address}/{job.pk}").status_code == 204
    assert not Export.objects.exists()


def test_each_role_at_each_address(chats, as_alice, as_bob, as_ann, as_vic, as_charlie):
    job, _ = exported(chats, "chat")
    args = [chats.project_id, job.pk]
    for name in ("export", "export_progress"):
        for client, status in ((as_alice, {200, 286}), (as_ann, {200, 286}), (as_vic, {200, 286}), (as_charlie, {404})):
            assert client.get(reverse(f"curation:{name}", args=args)).status_code in status
    for address in (
        reverse("curation:export_file", args=args), reverse("curation:delete_export", args=args),
        reverse("curation:new_export", args=[chats.project_id, chats.pk]),
    ):  # fmt: skip
        for client, status in ((as_alice, 200), (as_bob, 200), (as_ann, 403), (as_vic, 403), (as_charlie, 404)):
            assert client.get(address).status_code == status, address
    for client, status in ((as_vic, 403), (as_ann, 403), (as_charlie, 404), (as_bob, 302)):
        assert client.post(reverse("curation:export_move", args=[*args, "cancel"])).status_code == status
    assert as_vic.get(reverse("curation:exports", args=args[:1])).status_code == 200
    assert as_charlie.get(reverse("curation:exports", args=args[:1])).status_code == 404


def test_the_page_exports_what_the_list_shows(chats, as_bob, bob):
    changes.review(chats.records.get(key="k1"), bob, "accept")
    address = reverse("curation:new_export", args=[chats.project_id, chats.pk]) + "?status=accepted&sort=longest"
    assert "accepted" in as_bob.get(address).content.decode()
    answer = as_bob.post(address, {"format": "csv_safe"})
    job = Export.objects.get()
    assert answer.url == reverse("curation:export", args=[chats.project_id, job.pk])
    export(job.pk)
    job.refresh_from_db()
    assert (job.done, job.created_by) == (1, bob)
    assert "export_file" not in as_bob.post(address, {"format": "nonsense"}).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_command_writes_a_file_and_says_what_was_left_out(chats, tmp_path):
    out, said = tmp_path / "chats.csv", io.StringIO()
    call_command("export_records", "Chats", "--format", "csv", "--output", str(out), "--here", stdout=said)
    assert len(out.read_bytes().splitlines()) == 8
    assert "7 of 7 records exported." in said.getvalue()
    done(begun(chats, {"messages": [{"role": "user", "content": "Hi"}]}))
    with pytest.raises(CommandError) as left:
        call_command("export_records", "Chats", "--format", "alpaca", "--here", "--strict", stdout=io.StringIO())
    assert (str(left.value), left.value.returncode) == ("1 records were left out.", 4)


def test_the_command_refuses_what_it_cannot_do(chats, tmp_path):
    out = tmp_path / "there"
    out.touch()
    for arguments, words in (
        (["Chats", "--output", str(out)], "already exists"),
        (["Chats", "--format", "preference"], "cannot be exported as"),
        (["Chats", "--filters", "[]"], "a JSON object"),
        ([], "Give either"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("export_records", *arguments)
