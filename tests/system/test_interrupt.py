"""Ctrl-C on a command that waits for its job."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.conftest import chat_file, count, new_project
from tests.system.installation import ROOT, Installation, running
from tests.system.processes import wait_for

pytestmark = pytest.mark.slow
ROWS = 20_000


def interrupted(installation: Installation, path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run an import by the command, which gets a SIGINT in the middle of it."""
    words = [sys.executable, "manage.py", "import_records", str(path), "--dataset", "Interrupted", *options]
    process = subprocess.Popen(
        words, cwd=ROOT, env=installation.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in a shell's background are deaf to it
    )  # fmt: skip
    wait_for(lambda: count(installation, "curation_import WHERE done > 0"), 60, "the import to get going")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert "Traceback" not in err
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def test_work_in_the_commands_own_process_pauses_and_can_go_on(tmp_path):
    path = chat_file(tmp_path / "rows.jsonl", ROWS)
    with running(tmp_path / "data", "redis") as installation:
        new_project(installation)
        ended = interrupted(installation, path, "--here")
        assert ended.returncode == 130
        assert "paused: you can resume it on its page." in ended.stderr
        row = installation.row("curation_import", 1)
        assert row["status"] == "paused"
        assert 0 < count(installation, "curation_record") == row["done"] < ROWS
        resumed = "from curation.models import Import\nImport.objects.get(pk=1).enqueue()"
        installation.run(resumed)
        installation.start("worker")
        assert installation.wait_over("curation_import", 1, 90)["status"] == "done"
        assert count(installation, "curation_record") == ROWS


def test_work_of_a_worker_goes_on_without_the_command(tmp_path):
    path = chat_file(tmp_path / "rows.jsonl", ROWS)
    with running(tmp_path / "data", "redis", "worker") as installation:
        new_project(installation)
        ended = interrupted(installation, path)
        assert ended.returncode == 130
        assert "continues in the background" in ended.stderr
        assert installation.wait_over("curation_import", 1, 90)["status"] == "done"
        assert count(installation, "curation_record") == ROWS
