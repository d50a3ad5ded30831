"""Real workers on PostgreSQL and Redis: what one machine's SQLite cannot show. Run by `make services`."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.core.files import File
from django.db import connection, connections
from django.test import Client

from atelier import installation
from atelier.accounts.models import APIKey
from atelier.jobs.models import Status
from curation.imports import drafts
from curation.models import Dataset, Import, Record
from tests.system.conftest import chat_file
from tests.system.installation import ROOT
from tests.system.processes import wait_for
from tests.system.test_forks import REPLACED, drained, ports_of, threads_of

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
REDIS = os.environ.get("REDIS_URL", "")


def database_url() -> str:
    """Return the URL of the test's own database, for processes that are not the test."""
    at = connection.settings_dict
    login = quote(at["USER"]) + (":" + quote(at["PASSWORD"]) if at["PASSWORD"] else "")
    return f"postgres://{login}@{at['HOST']}:{at['PORT'] or 5432}/{at['NAME']}"


@pytest.fixture
def prefix() -> Iterator[str]:
    """Provide a prefix for the keys of this test alone in the shared Redis."""
    mine = f"atelier-test-{uuid.uuid4().hex[:8]}:"
    yield mine
    client = redis.Redis.from_url(REDIS)
    for key in client.scan_iter(mine + "*"):
        client.delete(key)


@contextmanager
def processes(
    folder: Path, prefix: str, *names: str, more: list[str] | None = None, **extra: str
) -> Iterator[list[Any]]:
    """Run processes of `up` by their names, on the test's own database; `more` are further words for each."""
    commands = {child.name: child.argv for child in installation.children(0)}
    environment = {
        **os.environ, "DATABASE_URL": database_url(), "REDIS_URL": REDIS, "ATELIER_REDIS_PREFIX": prefix,
        "ATELIER_DATA": str(folder), "ATELIER_JOB_LEASE": "3", "ATELIER_JOB_REAP": "1", **extra,
    }  # fmt: skip
    started = []
    try:
        for name in names:
            with (folder / f"{name}.log").open("ab") as log:
                started.append(
                    subprocess.Popen(
                        [*commands[name], *(more or [])], cwd=ROOT, env=environment, stdout=log,
                        stderr=subprocess.STDOUT, start_new_session=True,
                    )
                )  # fmt: skip
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def worker(folder: Path, prefix: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker, and the reaper that wakes it."""
    with processes(folder, prefix, "worker", "reaper") as started:
        yield started[0]


@pytest.fixture
def job(project, alice, tmp_path) -> Import:
    """Return an import of 10,000 conversations that waits for a worker: none was notified."""
    dataset = Dataset.objects.create(project=project, name="Rows", kind="conversations")
    with chat_file(tmp_path / "rows.jsonl", 10_000).open("rb") as file:
        found = drafts.begin(dataset, alice, file=File(file), name="rows.jsonl")
    drafts.confirm(found, drafts.mapping_from(found.mapping))
    found.refresh_from_db()
    return found


def look(job: Import) -> Import:
    job.refresh_from_db()
    return job


def test_a_killed_worker_loses_and_doubles_nothing_on_postgresql(job, tmp_path, prefix):
    with worker(tmp_path, prefix) as first:
        wait_for(lambda: look(job).done > 0, 60, "the first rows")
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert look(job).status == Status.RUNNING
    with worker(tmp_path, prefix):
        wait_for(lambda: look(job).is_over, 90, "the end of the import")
    assert (job.status, job.ok, job.failed, job.skipped) == (Status.DONE, 10_000, 0, 0), job.error
    assert Record.objects.filter(imported_by=job).values("import_line").distinct().count() == 10_000


def test_two_workers_share_without_doubling(job, tmp_path, prefix):
    with worker(tmp_path, prefix), worker(tmp_path, prefix):
        wait_for(lambda: look(job).is_over, 120, "the end of the import")
    assert (job.status, job.ok) == (Status.DONE, 10_000), job.error
    assert Record.objects.filter(imported_by=job).count() == 10_000


def test_fifty_equal_requests_make_one_job(project, team, bob):
    """A client that tries again, impatiently: the same idempotency key is the same project's same job."""
    dataset = Dataset.objects.create(project=project, name="Rows", kind="conversations")
    rows = [{"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]}]
    _, key = APIKey.issue(team, bob, "many")
    made, barrier = [], threading.Barrier(10)

    def ask() -> None:
        barrier.wait()
        for _ in range(5):
            answer = Client(headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "once"}).post(
                f"/api/projects/{project.pk}/datasets/{dataset.pk}/imports",
                {"rows": rows},
                content_type="application/json",
            )
            made.append((answer.status_code, answer.json().get("id")))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 50
    assert {status for status, _ in made} == {202}
    assert len({pk for _, pk in made}) == 1
    assert Import.objects.filter(project=project).count() == 1


def test_messages_travel_as_json_under_our_prefix(job, tmp_path, prefix):
    """What waits in the broker names a task and a number: no row's text, no secret, nothing pickled."""
    program = (
        "import django; django.setup()\nfrom atelier.jobs import queue\nfrom curation.models import Import\n"
        f"queue.send(Import, {job.pk})"
    )
    environment = {
        **os.environ, "DATABASE_URL": database_url(), "REDIS_URL": REDIS, "ATELIER_REDIS_PREFIX": prefix,
        "ATELIER_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "atelier.settings",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True, timeout=600)
    client = redis.Redis.from_url(REDIS)
    (message,) = client.lrange(prefix + "default", 0, -1)
    assert b"application/json" in message
    assert b"curation.tasks.import_file" in message
    assert b"rows.jsonl" not in message


def test_twelve_thousand_wake_ups_hang_no_child_on_postgresql(job, tmp_path, prefix):
    """As on SQLite, where a child that was forked beside a thread inherited a lock for ever."""
    times = 12_000
    with processes(tmp_path, prefix, "reaper", ATELIER_JOB_REAP="1"):
        program = "from celery import current_app\nimport atelier\nfor _ in range(int(sys.argv[1])):\n"
        program += "    current_app.send_task('curation.tasks.import_file', args=[0], queue='default')\n"
        environment = {
            **os.environ, "REDIS_URL": REDIS, "ATELIER_REDIS_PREFIX": prefix, "ATELIER_DATA": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "atelier.settings",
        }  # fmt: skip
        command = [sys.executable, "-c", "import sys\n" + program, str(times)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=600)
        with processes(tmp_path, prefix, "worker", more=REPLACED) as started:
            wait_for(lambda: "ready" in (tmp_path / "worker.log").read_text(), 60, "the worker")
            assert len(threads_of(started[0].pid)) == 1
            drained(redis.Redis.from_url(REDIS), prefix)
            far = ports_of(started[0].pid)
            assert far, "its connections to Redis"
            assert int(connection.settings_dict["PORT"] or 5432) not in far, "the main process opened the database"
            wait_for(lambda: look(job).is_over, 60, "the import that waited among them")
    assert (tmp_path / "worker.log").read_text().count("import_file[") >= 2 * times - 8
