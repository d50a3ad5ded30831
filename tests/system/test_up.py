"""`manage.py up` itself: it comes up, and nothing of it stays when it goes, however it goes."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from atelier.processes.supervisor import free_port
from tests.system.conftest import DISTIL, DOCUMENTS, new_project
from tests.system.installation import ROOT, Installation
from tests.system.processes import alive, descendants, of_folder, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def up(tmp_path):
    """Run `manage.py up` with a data folder of its own, and provide the installation to look into it."""
    installation = Installation(tmp_path / "data", free_port("127.0.0.1", 18_400 + os.getpid() % 2000), {})
    with (tmp_path / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=installation.environment, stdout=log,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    installation.processes["up"] = process
    try:
        wait_for(lambda: "Ctrl-C stops everything" in (tmp_path / "up.log").read_text(), 90, "the greeting")
        wait_for(
            lambda: "ready" in installation.log("worker") and "ready" in installation.log("trainer"), 60, "the workers"
        )
        yield installation
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pid, _ in of_folder(installation.folder):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def said(tmp_path: Path) -> str:
    return (tmp_path / "up.log").read_text()


def names(installation: Installation) -> str:
    return "\n".join(words for _, words in of_folder(installation.folder))


def test_one_interrupt_stops_every_process(up, tmp_path):
    process = up.processes["up"]
    below = descendants(process.pid)
    assert len(below) >= 5
    assert up.answers()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Everything is stopped." in said(tmp_path)
    assert [pid for pid in below if alive(pid)] == []
    assert of_folder(up.folder) == []


def test_a_killed_up_leaves_nothing_behind(up):
    process = up.processes["up"]
    below = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in below), 25, names(up))
    assert of_folder(up.folder) == []


def test_a_killed_up_takes_even_a_busy_worker_with_it(up, teacher):
    """Asked by TERM, a worker would first end its job, which here takes longer than anybody waits."""
    _, dataset = new_project(up)
    up.run(DOCUMENTS, dataset=dataset, rows=50)
    pk = up.run(DISTIL, dataset=dataset, url=teacher(60.0).url, concurrency=2)
    wait_for(lambda: up.row("curation_distillation", pk)["resumed_at"], 60, "the first calls")
    process = up.processes["up"]
    below = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(pid) for pid in below), 30, names(up))
    assert of_folder(up.folder) == []


def test_a_killed_worker_is_started_again(up):
    process = up.processes["up"]
    first = next(pid for pid, words in of_folder(up.folder) if "worker@" in words and pid in children(process.pid))
    os.killpg(first, signal.SIGKILL)
    wait_for(
        lambda: [p for p, w in of_folder(up.folder) if "worker@" in w and p in children(process.pid) and p != first],
        15, "another worker",
    )  # fmt: skip


def test_a_second_up_says_that_one_is_running(up):
    done = up.manage("up", timeout=600)
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_login_signs_in(up):
    name, password = up.login()
    assert name == "owner"
    assert len(password) > 12
    assert (up.folder / "first-login.txt").stat().st_mode & 0o777 == 0o600
    with urllib.request.urlopen(up.base_url + "/sign-in") as page:
        assert page.status == 200


def children(pid: int) -> list[int]:
    return [
        child
        for child in descendants(pid)
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1] == str(pid)
    ]
