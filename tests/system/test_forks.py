"""Pool children that are replaced all the time: none may hang, for a child is forked from a process without a database."""

import time
from pathlib import Path

import pytest
import redis

from atelier import environment
from tests.speed import patient
from tests.system.installation import running
from tests.system.processes import wait_for

pytestmark = pytest.mark.slow
WAKE_UPS = 12_000
HUNG_SECONDS = 20
QUICK_REAPER = {"ATELIER_JOB_REAP": "1"}  # the database is in use much of the time
REPLACED = ["--max-tasks-per-child", "100"]  # a hundred and twenty forks, which cost more than the tasks
WAKE = """
from celery import current_app
for _ in range(times):
    current_app.send_task("curation.tasks.import_file", args=[0], queue="default")
"""


def drained(client: "redis.Redis[bytes]", prefix: str = "atelier:") -> None:
    """Wait for an empty queue; fail as soon as nothing was taken for a while."""
    moved, before = time.monotonic(), -1
    while waiting := int(client.llen(f"{prefix}default")):
        now = time.monotonic()
        if waiting != before:
            before, moved = waiting, now
        assert now - moved < patient(HUNG_SECONDS), f"{waiting} of {WAKE_UPS} wake-ups are not taken: the children hang"
        time.sleep(0.5)


def files_of(pid: int) -> list[str]:
    """Return what a process has open."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found


def ports_of(pid: int) -> set[int]:
    """Return the far ports of its TCP connections."""
    held = set(files_of(pid))
    lines = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {int(words[2].rpartition(":")[2], 16) for words in lines if f"socket:[{words[9]}]" in held}


def threads_of(pid: int) -> list[str]:
    """Return the names of its threads, but for the one of Arrow's memory allocator, which can be forked."""
    names = [(entry / "comm").read_text().strip() for entry in Path(f"/proc/{pid}/task").iterdir()]
    return [name for name in names if name != "jemalloc_bg_thd"]


def test_twelve_thousand_wake_ups_hang_no_child(tmp_path):
    with running(tmp_path / "data", "redis", **QUICK_REAPER) as installation:
        installation.more["worker"] = REPLACED
        installation.run(WAKE, times=WAKE_UPS)
        installation.start("worker")
        main = installation.processes["worker"].pid
        wait_for(lambda: "ready" in installation.log("worker"), 60, "the worker")
        assert len(threads_of(main)) == 1, "a process that forks has one thread"
        drained(redis.Redis(unix_socket_path=str(environment.redis_socket(installation.folder))))
        taken = installation.log("worker").count("succeeded in")
        assert taken >= WAKE_UPS - 4, "what is in hand at the end may not have been logged yet"
        assert not [name for name in files_of(main) if "sqlite" in name], (
            "the worker's main process opened the database"
        )
