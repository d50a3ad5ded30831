"""A worker that takes nothing is noticed, told, and ended, so that it is started again; a busy one is left alone."""

import json
import os
import signal
import urllib.request

import pytest

from tests.system.conftest import DISTIL, DOCUMENTS, chat_file, in_the_middle, new_project, start_import
from tests.system.installation import Installation, running
from tests.system.processes import alive, descendants, wait_for

pytestmark = pytest.mark.slow
PATIENCE = {"ATELIER_WORKER_PATIENCE": "4"}


def states(installation: Installation) -> dict[str, str]:
    return {row["queue"]: row["state"] for row in installation.rows("SELECT queue, state FROM jobs_queuestate")}


def health(installation: Installation) -> dict:
    with urllib.request.urlopen(installation.base_url + "/health", timeout=30) as answer:
        assert answer.status == 200
        return json.load(answer)


def test_a_worker_whose_children_hang_is_told_and_ends_itself_and_the_next_one_runs_the_job(tmp_path):
    few = chat_file(tmp_path / "rows.jsonl", 5)
    with running(tmp_path / "data", "redis", "web", "worker", **PATIENCE) as installation:
        _, dataset = new_project(installation)
        wait_for(lambda: "ready" in installation.log("worker"), 60, "the worker")
        worker = installation.processes["worker"]
        children = descendants(worker.pid)
        assert children
        for child in children:
            os.kill(child, signal.SIGSTOP)  # as one that waits for a lock which nobody will ever open
        pks = [start_import(installation, dataset, few) for _ in range(3)]
        wait_for(lambda: states(installation)["default"] == "stuck", 90, "the watch to see it")
        assert "The worker isn't accepting work" in json.dumps(health(installation)["workers"]["troubles"])
        wait_for(lambda: worker.poll() is not None, 60, "the worker to end itself")
        wait_for(lambda: not any(alive(pid) for pid in children), 10, "the end of its children")
        assert "takes no work" in installation.log("reaper")
        assert "takes no work" in installation.log("worker")
        installation.start("worker")  # as `up`, systemd and Docker do
        for pk in pks:
            assert installation.wait_over("curation_import", pk, 90)["status"] == "done"
        wait_for(lambda: health(installation)["workers"]["queues"]["default"] == "ok", 30, "all to be well again")


def test_a_worker_whose_main_process_stands_still_is_told_and_its_jobs_are_not_lost(tmp_path):
    with running(tmp_path / "data", "redis", "worker") as installation:
        wait_for(lambda: states(installation).get("default") == "ok", 60, "the worker's report")
        wait_for(lambda: "ready" in installation.log("worker"), 60, "the worker")
        os.kill(installation.processes["worker"].pid, signal.SIGSTOP)
        wait_for(lambda: states(installation)["default"] == "away", 90, "the watch to miss it")


def test_a_worker_that_is_busy_is_left_alone(tmp_path, teacher):
    with running(tmp_path / "data", "redis", **PATIENCE) as installation:
        installation.more["worker"] = ["-c", "2"]
        installation.start("worker")
        _, dataset = new_project(installation)
        installation.run(DOCUMENTS, dataset=dataset, rows=300)
        pks = []
        for name in ("One", "Two", "Three"):
            code = DISTIL.replace('"Answers"', f'"{name}"').replace('"Fake"', f'"{name}"')
            pks.append(installation.run(code, dataset=dataset, url=teacher(0.5).url, concurrency=2))
        for pk in pks[:2]:
            in_the_middle(installation, "curation_distillation", pk, 1, 300)
        first = installation.processes["worker"].pid
        reached = installation.row("curation_distillation", pks[0])["done"]
        in_the_middle(installation, "curation_distillation", pks[0], reached + 40, 300)
        assert states(installation)["default"] == "busy"
        assert installation.processes["worker"].poll() is None
        assert alive(first)
        assert installation.row("curation_distillation", pks[2])["line"].startswith(
            "Waiting for its turn: your team has"
        )
        assert "takes no work" not in installation.log("reaper")
