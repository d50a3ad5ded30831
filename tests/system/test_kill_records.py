"""kill -9 in the middle of what changes, writes out or takes away a whole dataset."""

import json
from typing import Any

import pytest

from tests.system.conftest import count, in_the_middle, new_project, nothing_left
from tests.system.installation import Installation, running

pytestmark = pytest.mark.slow

RECORDS = """
from curation.records import derived
from curation.models import Dataset, Record
dataset = Dataset.objects.get(pk=dataset)
made = [
    Record(dataset=dataset, key=f"row-{n}", metadata={"padding": "x" * padding} if padding else {}, messages=[
        {"role": "user", "content": f"Which colour has number {n}?"},
        {"role": "assistant", "content": f"The colour of number {n} is colour {n % 7}."},
    ])
    for n in range(rows)
]
derived.complete_all(made, dataset)
Record.objects.bulk_create(made, batch_size=500)
"""
REPLACE = """
from atelier.jobs import queue
from curation import bulk
from curation.search.filters import Filters
from curation.models import Dataset
dataset = Dataset.objects.get(pk=dataset)
options = {"find": "colour", "replace": "hue", "regex": False, "case": False, "words": True, "pieces": "assistant"}
job = bulk.begin(dataset, dataset.project.created_by, "replace", Filters(q="number"), options=options)
queue.wake(job)
result = job.pk
"""
UNDO = """
from atelier.jobs import queue
from curation import bulk
from curation.models import BulkAction
job = bulk.begin_undo(BulkAction.objects.get(pk=job), None)
queue.wake(job)
result = job.pk
"""
EXPORT = """
from atelier.jobs import queue
from curation import exports
from curation.models import Dataset
dataset = Dataset.objects.get(pk=dataset)
job = exports.begin(dataset, dataset.project.created_by, "chat")
queue.wake(job)
result = job.pk
"""
HISTORY = """
from curation.models import Change, Dataset
dataset = Dataset.objects.get(pk=dataset)
pks = dataset.records.values_list("pk", flat=True)
Change.objects.bulk_create([
    Change(record_id=pk, dataset=dataset, actor="owner", action="edit", revision=2) for pk in pks
], batch_size=500)
"""
DELETE = """
from atelier.jobs import queue
from curation.datasets import deletion
from curation.models import Dataset
job = deletion.begin(Dataset.objects.get(pk=dataset), None)
queue.wake(job)
result = job.pk
"""
NEIGHBOUR = """
from curation.models import Dataset
project = Dataset.objects.get(pk=dataset).project
result = Dataset.objects.create(project=project, name="Neighbour", kind="conversations").pk
"""
SEARCH = """
from curation.search.filters import Filters
from curation.models import Dataset
dataset = Dataset.objects.get(pk=dataset)
result = {word: Filters(q=word).records(dataset).count() for word in words}
"""


def killed_twice(installation: Installation, table: str, pk: int, rows: int) -> dict[str, Any]:
    """Kill the worker soon after the start and again past the half; return the job once it has ended."""
    for least in (1, rows // 2):
        in_the_middle(installation, table, pk, least, rows)
        installation.kill("worker")
        nothing_left(installation)
        installation.start("worker")
    job = installation.wait_over(table, pk, 180)
    assert job["status"] == "done", job["error"]
    assert job["fence"] >= 3, "it was never interrupted"
    return job


def contents(installation: Installation) -> list[dict[str, Any]]:
    names = "key, messages, content_hash, tokens, answer_tokens, words, preview, problems, status, split"
    return installation.rows(f"SELECT {names} FROM curation_record ORDER BY id")


def sound(installation: Installation) -> None:
    assert installation.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert installation.rows("PRAGMA foreign_key_check") == []


def test_a_killed_bulk_action_and_its_killed_undo_do_everything_once(tmp_path):
    rows = 4_000
    with running(tmp_path / "data", "redis", "worker") as installation:
        _, dataset = new_project(installation)
        installation.run(RECORDS, dataset=dataset, rows=rows, padding=0)
        before = contents(installation)

        pk = installation.run(REPLACE, dataset=dataset)
        job = killed_twice(installation, "curation_bulkaction", pk, rows)
        assert (job["done"], job["total"], job["changed"], job["left"]) == (rows, rows, rows, 0)
        history = "curation_change WHERE bulk_id = ?"
        assert count(installation, history, pk) == rows
        assert count(installation, f"(SELECT DISTINCT record_id FROM {history})", pk) == rows
        assert count(installation, "curation_record WHERE revision = 2") == rows
        answers = [json.loads(row["messages"])[1]["content"] for row in contents(installation)]
        assert answers == [f"The hue of number {n} is hue {n % 7}." for n in range(rows)]
        words = ["hue", "colour", "nothing"]
        assert installation.run(SEARCH, dataset=dataset, words=words) == {"hue": rows, "colour": rows, "nothing": 0}

        undo = installation.run(UNDO, job=pk)
        job = killed_twice(installation, "curation_bulkaction", undo, rows)
        assert (job["done"], job["changed"], job["left"]) == (rows, rows, 0)
        assert count(installation, history, undo) == rows
        assert count(installation, f"(SELECT DISTINCT record_id FROM {history})", undo) == rows
        assert count(installation, "curation_record WHERE revision = 3") == rows
        assert contents(installation) == before
        assert installation.run(SEARCH, dataset=dataset, words=words) == {"hue": 0, "colour": rows, "nothing": 0}
        assert count(installation, "curation_change") == 2 * rows
        sound(installation)


def test_a_killed_export_holds_each_record_once_and_leaves_no_other_file(tmp_path):
    rows = 25_000
    with running(tmp_path / "data", "redis") as installation:
        _, dataset = new_project(installation)
        # Long enough that it cannot be through between two looks.
        installation.run(RECORDS, dataset=dataset, rows=rows, padding=4_000)
        pk = installation.run(EXPORT, dataset=dataset)
        installation.start("worker")
        job = killed_twice(installation, "curation_export", pk, rows)
        assert (job["done"], job["total"], job["skipped"]) == (rows, rows, 0)
        files = [path for path in (installation.folder / "files" / "exports").rglob("*") if path.is_file()]
        assert [path.name for path in files] == [job["file"].rpartition("/")[2]]
        assert files[0].stat().st_size == job["size"]
        keys = [json.loads(line)["id"] for line in files[0].read_text().splitlines()]
        assert keys == [f"row-{n}" for n in range(rows)]
        assert list((installation.folder / "tmp").glob("export-*")) == []


def test_a_killed_deletion_takes_everything_of_the_dataset_and_nothing_else(tmp_path):
    rows, kept = 8_000, 300
    with running(tmp_path / "data", "redis", "worker") as installation:
        _, dataset = new_project(installation)
        neighbour = installation.run(NEIGHBOUR, dataset=dataset)
        for which, number in ((dataset, rows), (neighbour, kept)):
            installation.run(RECORDS, dataset=which, rows=number, padding=0)
            installation.run(HISTORY, dataset=which)
        export = installation.run(EXPORT, dataset=dataset)
        name = installation.wait_over("curation_export", export, 60)["file"]
        assert (installation.folder / "files" / name).is_file()

        pk = installation.run(DELETE, dataset=dataset)
        job = killed_twice(installation, "curation_deletion", pk, rows)
        assert (job["done"], job["total"], job["dataset_id"]) == (rows, rows, None)
        assert [row["id"] for row in installation.rows("SELECT id FROM curation_dataset")] == [neighbour]
        for table in ("curation_record", "curation_change"):
            assert count(installation, f"{table} WHERE dataset_id = ?", neighbour) == kept
            assert count(installation, table) == kept
        assert count(installation, "curation_export") == 0
        assert not (installation.folder / "files" / name).exists()
        tallied = "SELECT sum(count) n FROM curation_tally WHERE facet = 'status'"
        assert installation.rows(tallied) == [{"n": kept}]
        assert installation.run(SEARCH, dataset=neighbour, words=["colour"]) == {"colour": kept}
        sound(installation)
