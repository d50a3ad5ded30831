"""A whole installation for a test: real processes with a data folder, a port and a Redis of their own.

It starts the very commands that `manage.py up` starts, kills them as a test wants, and ends all of them afterwards.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atelier import embedded_redis, environment
from atelier import installation as shipped
from atelier.processes.supervisor import free_port
from tests.fakes.loopback import EVERY_PORT_TEXT
from tests.speed import patient
from tests.system.processes import alive, of_folder, wait_for

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
QUICK = {"ATELIER_JOB_LEASE": "3", "ATELIER_JOB_REAP": "1", "ATELIER_LOG_LEVEL": "INFO",
         "ATELIER_PRIVATE_HOSTS": EVERY_PORT_TEXT}  # fmt: skip


class Installation:
    """Processes by their names in `up`: redis, web, reaper, worker, trainer, webhooks, server."""

    def __init__(self, folder: Path, port: int, extra: dict[str, str]) -> None:
        self.folder, self.port, self.extra = folder, port, extra
        self.base_url = f"http://127.0.0.1:{port}"
        self.more: dict[str, list[str]] = {}  # further words of a process's command
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.seen: set[int] = set()  # every session that was started here
        (folder / "log").mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in FOREIGN and not k.startswith("ATELIER_")}
        own = {"ATELIER_DATA": str(self.folder), "ATELIER_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        return kept | QUICK | own | self.extra

    # --- processes ---

    def command(self, name: str) -> list[str]:
        if name == "redis":
            return embedded_redis.command(environment.redis_socket(self.folder), self.folder / "redis")
        found = {child.name: child.argv for child in shipped.children(self.port)}
        return found[name] + self.more.get(name, [])

    def start(self, *names: str) -> None:
        """Start processes, each in a session of its own; returns when Redis and web answer. Workers bring the reaper along."""
        if {"worker", "trainer", "webhooks"} & set(names) and "reaper" not in self.processes:
            names = (*names, "reaper")
        for name in dict.fromkeys(names):
            with (self.folder / "log" / f"{name}.log").open("ab") as log:
                process = subprocess.Popen(
                    self.command(name), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                    cwd=ROOT, env=self.environment, start_new_session=True,
                )  # fmt: skip
            self.processes[name] = process
            self.seen.add(process.pid)
            if name == "redis":
                embedded_redis.wait_ready(environment.redis_socket(self.folder), process)
            if name == "web":
                wait_for(self.answers, 60, "the web process")

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.base_url + "/health", timeout=20) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self, name: str) -> None:
        """SIGKILL the process and its whole group, as a machine out of memory would."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        """Stop everything, whatever happened."""
        for name in list(self.processes):
            try:
                self.kill(name)
            except ProcessLookupError:
                self.processes.pop(name, None)
        deadline = time.monotonic() + patient(
            15
        )  # the guard of a trainer needs a moment to see that its worker is gone
        while self.leftovers() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid, _ in self.leftovers():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def leftovers(self) -> list[tuple[int, str]]:
        """Return living processes of this installation that are none of its present ones, nor below them."""
        mine = {process.pid for process in self.processes.values()}
        return [
            (pid, words) for pid, words in of_folder(self.folder)
            if pid != os.getpid() and not mine & {pid, session_of(pid)} and not mine & ancestors(pid)
        ]  # fmt: skip

    # --- what it holds ---

    def run(self, code: str, **values: Any) -> Any:
        """Run Python with Django set up in a process of its own; `values` are its names, `result` is returned."""
        program = (
            "import json, sys, django\ndjango.setup()\nglobals().update(json.loads(sys.stdin.read()))\n"
            f"{code}\nprint('\\n' + json.dumps(globals().get('result'), default=str))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], input=json.dumps(values), capture_output=True, text=True, cwd=ROOT,
            env=self.environment | {"DJANGO_SETTINGS_MODULE": "atelier.settings"}, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.rstrip().rpartition("\n")[2])

    def manage(self, *words: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout
        )  # fmt: skip

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Query the database from outside, without Django."""
        connection = sqlite3.connect(f"file:{self.folder / 'db.sqlite3'}?mode=ro", uri=True, timeout=20)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def row(self, table: str, pk: int) -> dict[str, Any]:
        return self.rows(f"SELECT * FROM {table} WHERE id = ?", pk)[0]

    def wait_over(self, table: str, pk: int, seconds: float) -> dict[str, Any]:
        """Return the job's row once it has ended; fail early, with the job's own words, when it failed."""

        def over() -> dict[str, Any] | None:
            row = self.row(table, pk)
            return row if row["status"] in ("done", "failed", "cancelled") else None

        return wait_for(over, seconds, f"the end of {table} {pk}: {self.row(table, pk)['line']}")

    def log(self, name: str) -> str:
        return (self.folder / "log" / f"{name}.log").read_text(errors="replace")

    def login(self) -> tuple[str, str]:
        """Return name and password of the first owner."""
        name, password = (self.folder / "first-login.txt").read_text().splitlines()[:2]
        return name, password


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def ancestors(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.add(pid)
    return found


@contextmanager
def running(folder: Path, *names: str, **extra: str) -> Iterator[Installation]:
    """Run a prepared installation (database, first owner) with these processes; all of them are ended afterwards."""
    installation = Installation(folder, free_port("127.0.0.1", 18_400 + os.getpid() % 2000), extra)
    done = installation.manage("prepare")
    assert done.returncode == 0, done.stderr
    try:
        installation.start(*names)
        yield installation
    finally:
        installation.end()
