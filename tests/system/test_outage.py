"""Redis away for a while, a webhook whose receiver is dead, and work that comes meanwhile: all of it runs soon after.

ATELIER_TEST_OUTAGE says how many seconds Redis is away; 45 is what was promised, the gate takes less.
"""

import os
import threading
import time

import pytest
import redis

from atelier import environment
from tests.system.conftest import IMPORT, chat_file, count, new_project
from tests.system.installation import Installation, running
from tests.system.processes import wait_for

pytestmark = pytest.mark.slow
OUTAGE = float(os.environ.get("ATELIER_TEST_OUTAGE", "12"))
IMPORTS, DELIVERIES = 33, 60
HOOK = """
from django.utils import timezone
from atelier import secrets
from atelier.accounts.models import Project
from atelier.webhooks import signing
from atelier.webhooks.models import Delivery, Webhook
hook = Webhook.objects.create(
    project=Project.objects.get(pk=project), url="http://127.0.0.1:9/", events=["imported"],
    sealed_secret=secrets.seal(signing.new_secret()),
)
Delivery.objects.bulk_create([
    Delivery(webhook=hook, event="imported", body={}, due_at=timezone.now()) for _ in range(deliveries)
])
"""
MANY = "result = []\nfor _ in range(imports):\n" + "".join(
    f"    {line}\n" for line in IMPORT.replace("result = job.pk", "result.append(job.pk)").splitlines()
).replace("    dataset = Dataset.objects.get(pk=dataset)\n", "    dataset = Dataset.objects.get(name='Rows')\n")


class Counter:
    """Records the most messages that were ever seen in a queue, looked at all the time."""

    def __init__(self, installation: Installation, *queues: str) -> None:
        self.most = dict.fromkeys(queues, 0)
        self.client = redis.Redis(unix_socket_path=str(environment.redis_socket(installation.folder)))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Counter":
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()

    def _run(self) -> None:
        while not self.ended.wait(0.1):
            for name in self.most:
                try:
                    self.most[name] = max(self.most[name], int(self.client.llen(f"atelier:{name}")))
                except redis.RedisError:
                    time.sleep(0.2)  # it is away, as it shall be


def test_after_an_outage_all_imports_run_whatever_webhooks_wait(tmp_path):
    few = chat_file(tmp_path / "rows.jsonl", 5)
    with (
        running(tmp_path / "data", "redis", "reaper") as installation,
        Counter(installation, "default", "webhooks") as seen,
    ):
        project, _ = new_project(installation)
        installation.run(HOOK, project=project, deliveries=DELIVERIES)
        time.sleep(8)  # no worker takes anything, and the reaper looks once a second
        installation.start("worker", "webhooks")
        installation.kill("redis")
        gone = time.monotonic()
        installation.run(MANY, path=str(few), wake=True, imports=IMPORTS)
        time.sleep(max(0.0, OUTAGE - (time.monotonic() - gone)))
        states = installation.rows("SELECT DISTINCT state FROM jobs_queuestate")
        assert [row["state"] for row in states] == ["no_broker"]
        installation.start("redis")
        back = time.monotonic()
        done = "curation_import WHERE status = 'done'"
        wait_for(lambda: count(installation, done) == IMPORTS, 90, f"the imports: {count(installation, done)} are done")
        print(f"all {IMPORTS} imports ran {time.monotonic() - back:.0f} s after Redis was back")
        wait_for(lambda: not count(installation, "webhooks_delivery WHERE tries = '[]'"), 60, "a first try of each")
        assert count(installation, "webhooks_delivery WHERE state = 'waiting'") >= DELIVERIES
        assert 0 < seen.most["webhooks"] <= DELIVERIES + IMPORTS, f"{seen.most} messages"
        assert seen.most["default"] <= 2 * IMPORTS, "imports, and the checks that follow them"
