"""Large imports, read by a process of their own: the same rows, the same errors, and no process that stays behind."""

import os
import subprocess
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from atelier.jobs.models import Status
from curation import import_ahead, import_rows
from curation.models import Import
from tests.curation.test_importing import begun, chat, chats, done

pytestmark = pytest.mark.django_db
__all__ = ["chats"]


@pytest.fixture
def children(monkeypatch) -> list[subprocess.Popen]:
    """Every file counts as large; the processes that were started to read."""
    monkeypatch.setattr(import_ahead, "LARGE", 0)
    started, begin = [], subprocess.Popen

    def kept(*given, **options):
        started.append(begin(*given, **options))
        return started[-1]

    monkeypatch.setattr(import_ahead.subprocess, "Popen", kept)
    return started


def test_a_large_import_has_the_records_and_issues_of_a_small_one(chats, children, monkeypatch):
    rows = [*(chat(f"number {n}") for n in range(900)), "no JSON", chat("number 3"), {"messages": 5}]
    columns = (
        "preview",
        "content_hash",
        "source_group",
        "split",
        "words",
        "messages",
        "metadata",
        "problems",
        "import_line",
    )
    large = done(begun(chats, *rows))
    assert (large.status, large.ok, large.failed, large.skipped) == ("done", 900, 2, 1)
    found, said = (
        list(chats.records.order_by("pk").values(*columns)),
        list(large.issues.values("line", "code", "raw")),
    )
    chats.records.all().delete()
    monkeypatch.setattr(import_ahead, "LARGE", 1 << 30)
    small = done(begun(chats, *rows))
    assert len(children) == 1
    assert list(chats.records.order_by("pk").values(*columns)) == found
    assert list(small.issues.values("line", "code", "raw")) == said
    assert children[0].poll() is not None


def test_a_cancelled_import_ends_its_reader(chats, children, monkeypatch):
    job, whole = begun(chats, *(chat(f"number {n}") for n in range(2000))), import_rows.Batch.write

    def cancelling(batch):
        whole(batch)
        Import.objects.filter(pk=job.pk).update(cancel_wanted=True)

    monkeypatch.setattr(import_rows.Batch, "write", cancelling)
    assert done(job).status == Status.CANCELLED
    assert job.ok == chats.records.count() == import_rows.BATCH
    assert children[0].poll() is not None


def test_an_import_whose_reader_was_killed_goes_on_where_its_ledger_ends(chats, children, monkeypatch):
    job, whole = begun(chats, *(chat(f"number {n}") for n in range(4000))), import_rows.Batch.write

    def killing(batch):
        whole(batch)
        children[0].kill()
        children[0].wait()

    monkeypatch.setattr(import_rows.Batch, "write", killing)
    assert done(job).status == Status.FAILED
    assert "The process that reads the file ended with code -9: resume the import." in job.error
    assert 0 < job.done == chats.records.count() < 4000
    monkeypatch.setattr(import_rows.Batch, "write", whole)
    assert job.enqueue()
    assert done(job).status == "done"
    assert sorted(chats.records.values_list("import_line", flat=True)) == list(range(1, 4001))


def test_a_reader_ends_when_its_worker_is_gone(chats, children):
    job = begun(chats, *(chat(f"number {n}") for n in range(4000)))
    job.dataset = chats  # goes along, for the reader asks no database
    batches = import_ahead.batches(job, _path(chats))
    assert len(next(batches)[0]) == import_rows.BATCH
    children[0].stdout.close()  # as the system does for a worker that was killed
    assert children[0].wait(20) == 1
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def _path(dataset):
    return Path(default_storage.path(dataset.imports.get().file))


def test_a_file_that_is_gone_is_said_to_be_gone(chats, children):
    job = begun(chats, chat("one"))
    os.remove(_path(chats))
    assert done(job).status == Status.FAILED
    assert "is gone from the storage" in job.error
