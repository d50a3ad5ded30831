"""kill -9 in the middle of everything: the job goes on after a restart, nothing is lost, nothing appears twice."""

import json
import time
from pathlib import Path

import pytest

from tests.fakes import tiny_model
from tests.speed import patient
from tests.system.conftest import (
    DISTIL,
    DOCUMENTS,
    chat_file,
    count,
    in_the_middle,
    new_project,
    nothing_left,
    start_import,
)
from tests.system.installation import running

pytestmark = pytest.mark.slow
ROWS = 20_000


def test_a_killed_import_goes_on_and_every_line_is_there_once(tmp_path):
    path = chat_file(tmp_path / "rows.jsonl", ROWS)
    with running(tmp_path / "data", "redis", "worker") as installation:
        _, dataset = new_project(installation)
        pk = start_import(installation, dataset, path)
        for least in (1, ROWS // 2):
            in_the_middle(installation, "curation_import", pk, least, ROWS)
            installation.kill("worker")
            nothing_left(installation)
            installation.start("worker")
        job = installation.wait_over("curation_import", pk, 90)
        assert (job["status"], job["ok"], job["failed"], job["skipped"]) == ("done", ROWS, 0, 0), job["error"]
        assert job["done"] == ROWS
        assert count(installation, "curation_record WHERE imported_by_id = ?", pk) == ROWS
        lines = installation.rows(
            "SELECT count(DISTINCT import_line) n, min(import_line) a, max(import_line) z FROM curation_record"
        )
        assert lines == [{"n": ROWS, "a": 1, "z": ROWS}]
        assert count(installation, "(SELECT DISTINCT content_hash FROM curation_record)") == ROWS
        assert installation.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert installation.rows("PRAGMA foreign_key_check") == []


def test_a_killed_distillation_pays_again_only_for_what_was_in_flight(tmp_path, teacher):
    rows, concurrency, kills = 400, 8, 2
    master = teacher(0.1)
    with running(tmp_path / "data", "redis", "worker") as installation:
        _, dataset = new_project(installation)
        installation.run(DOCUMENTS, dataset=dataset, rows=rows)
        pk = installation.run(DISTIL, dataset=dataset, url=master.url, concurrency=concurrency)
        for least in (20, 200):
            in_the_middle(installation, "curation_distillation", pk, least, rows)
            installation.kill("worker")
            nothing_left(installation)
            installation.start("worker")
        job = installation.wait_over("curation_distillation", pk, 120)
        assert (job["status"], job["ok"], job["failed"], job["skipped"]) == ("done", rows, 0, 0), job["error"]
        ledger = "curation_generation WHERE distillation_id = ?"
        assert count(installation, ledger, pk) == rows
        assert count(installation, ledger + " AND outcome = 'ok' AND result_id IS NOT NULL", pk) == rows
        assert count(installation, f"(SELECT DISTINCT record_id FROM {ledger})", pk) == rows
        assert count(installation, "curation_record WHERE dataset_id = ?", job["target_id"]) == rows
        asked = master.asked()
        assert len(set(asked)) == rows
        assert rows <= len(asked) <= rows + kills * concurrency
        sums = installation.rows(f"SELECT sum(prompt_tokens) p, sum(completion_tokens) c FROM {ledger}", pk)[0]
        assert (job["prompt_tokens"], job["completion_tokens"]) == (sums["p"], sums["c"])


RUN = """
from atelier.jobs import queue
from curation.models import Dataset, Version
from tests.training.conftest import conversation, stored
from training.runs import control
dataset = Dataset.objects.get(pk=dataset)
numbers = {"train": range(64), "validation": range(100, 104), "test": []}
files = {split: stored([conversation(n) for n in found]) for split, found in numbers.items()}
version = Version.objects.create(
    project=dataset.project, dataset=dataset, number=1, status="done", content_hash="ab" * 32, files=files, rows=68
)
run = control.start(version, base, control.recipe_for(base, recipe), dataset.project.created_by)
queue.wake(run)
result = run.pk
"""


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path):
    steps, base = 600, "smollm2-135m-instruct"
    tiny_model.ensure(tmp_path / "data" / "models" / base)
    recipe = {
        "epochs": 60,
        "max_steps": steps,
        "batch_size": 2,
        "rank": 4,
        "alpha": 8,
        "max_length": 256,
        "save_every": 20,
        "eval_every": 200,
    }
    with running(tmp_path / "data", "redis", "trainer") as installation:
        _, dataset = new_project(installation)
        pk = installation.run(RUN, dataset=dataset, base=base, recipe=recipe)
        for least in (25, 200):
            in_the_middle(installation, "training_run", pk, least, steps, seconds=120)
            installation.kill("trainer")
            nothing_left(installation)
            installation.start("trainer")
        job = installation.wait_over("training_run", pk, 180)
        assert (job["status"], job["done"], job["total"]) == ("done", steps, steps), job["error"]
        assert json.loads(job["summary"])["resumed_from"] >= 200 - 20
        folder = tmp_path / "data" / "runs" / str(pk)
        told = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert told == list(range(1, steps + 1))
        assert count(installation, "training_adapter WHERE run_id = ?", pk) == 1
        installation.kill("trainer")
        nothing_left(installation)


def test_jobs_queued_while_redis_died_all_run(tmp_path):
    """Redis is killed with messages in it, and more jobs are made while it is away: the rows are the truth."""
    few = chat_file(tmp_path / "rows.jsonl", 5)
    with running(tmp_path / "data", "redis") as installation:
        _, dataset = new_project(installation)
        pks = [start_import(installation, dataset, few) for _ in range(2)]
        installation.kill("redis")
        began = time.monotonic()
        pks.append(start_import(installation, dataset, few))
        assert time.monotonic() - began < patient(20), "publishing without a broker must not hang"
        assert {installation.row("curation_import", pk)["status"] for pk in pks} == {"queued"}
        installation.start("worker")
        time.sleep(2)  # a worker that begins without its broker waits for it
        installation.start("redis")
        for pk in pks:
            job = installation.wait_over("curation_import", pk, 60)
            assert (job["status"], job["done"]) == ("done", 5), job["error"]
        assert count(installation, "curation_record") == 5  # the same rows thrice: duplicates are skipped


def test_redis_emptied_loses_no_job(tmp_path):
    """The append-only file is gone too: the reaper wakes what only the database knows."""
    few = chat_file(tmp_path / "rows.jsonl", 5)
    with running(tmp_path / "data", "redis") as installation:
        _, dataset = new_project(installation)
        pk = start_import(installation, dataset, few)
        installation.kill("redis")
        for path in Path(tmp_path / "data" / "redis").rglob("*aof*"):
            if path.is_file():
                path.unlink()
        installation.start("redis", "worker")
        assert installation.wait_over("curation_import", pk, 60)["status"] == "done"
