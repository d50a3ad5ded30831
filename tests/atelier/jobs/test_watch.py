"""The watch over workers: one that hangs is told from one that is busy, and people are told the truth."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from atelier import health
from atelier.jobs import broker, watch
from atelier.jobs.broker import BrokerUnavailable, WorkerReport
from atelier.jobs.models import QueueState, Status
from curation.models import BulkAction, Dataset
from tests.speed import patient

pytestmark = pytest.mark.django_db
State = QueueState.State


class FakeBroker:
    """A fake of Redis: reports of workers, lengths of queues, and who was asked to end."""

    def __init__(self, monkeypatch) -> None:
        self.now, self.away = 1000.0, False
        self.reports: dict[str, WorkerReport] = {}
        self.messages: dict[str, int] = {}
        self.ended: list[str] = []
        for name in ("reports", "waiting", "ask_to_end"):
            monkeypatch.setattr(broker, name, getattr(self, f"_{name}"))
        self.watch = watch.WorkerWatch(clock=lambda: self.now)

    def worker(self, queue: str = "default", *, taken: int = 0, slots: int = 2, began: str = "1") -> None:
        self.reports[queue] = WorkerReport(f"{queue}@here", began, (queue,), slots, taken)

    def look(self, seconds: float = 5) -> dict[str, str]:
        self.now += seconds
        self.watch.look()
        return {row.queue: row.state for row in QueueState.objects.all()}

    def _reports(self) -> list[WorkerReport]:
        if self.away:
            raise BrokerUnavailable("away")
        return list(self.reports.values())

    def _waiting(self, name: str) -> int:
        if self.away:
            raise BrokerUnavailable("away")
        return self.messages.get(name, 0)

    def _ask_to_end(self, worker: str) -> None:
        self.ended.append(worker)


@pytest.fixture
def redis(monkeypatch) -> FakeBroker:
    found = FakeBroker(monkeypatch)
    for queue in ("default", "training", "webhooks"):
        found.worker(queue)
    return found


@pytest.fixture
def jobs(project):
    dataset = Dataset.objects.create(project=project, name="Briefs", kind="documents")

    def make(*, running: int = 0, waiting: int = 0) -> None:
        lease = timezone.now() + timedelta(hours=1)
        for status in [Status.RUNNING] * running + [Status.QUEUED] * waiting:
            BulkAction.objects.create(
                project=project, dataset=dataset, action="accept", status=status, lease_until=lease
            )

    return make


def spoken() -> list[str]:
    return watch.troubles(watch.queue_states())


def test_when_all_is_well_nothing_is_said(redis):
    assert redis.look() == {"default": "ok", "training": "ok", "webhooks": "ok"}
    assert spoken() == []


def test_a_worker_that_takes_nothing_although_slots_are_free_is_asked_to_end(redis, jobs, settings, caplog):
    settings.WORKER_PATIENCE_SECONDS = 60
    jobs(waiting=3)
    redis.messages["default"] = 3
    redis.look()
    for _ in range(11):
        assert redis.look()["default"] == "ok"
        assert redis.ended == []
    assert redis.look()["default"] == State.STUCK
    assert redis.ended == ["default@here"]
    assert "default@here takes no work: 3 messages wait in default, and 0 of 2 slots are at work" in caplog.text
    assert spoken() == ["The worker isn't accepting work and is being restarted."]
    redis.worker(began="2")
    assert redis.look()["default"] == "ok", "another worker under its name begins anew"
    assert len(redis.ended) == 1


def test_one_child_that_hangs_beside_a_long_job_is_seen_too(redis, jobs):
    jobs(running=1, waiting=1)
    redis.messages["default"] = 1
    for _ in range(3):
        redis.look()
    assert redis.look(61)["default"] == State.STUCK


def test_a_worker_is_not_hung_at_the_moment_between_the_end_of_a_long_job_and_the_next_claim(redis, jobs):
    jobs(running=2, waiting=5)
    redis.messages["default"] = 5
    for _ in range(20):
        redis.look()
    for _ in range(3):  # each slice of a job that lets others go first is such a moment too
        ended = BulkAction.objects.filter(status=Status.RUNNING).first()
        BulkAction.objects.filter(pk=ended.pk).update(status=Status.QUEUED)
        assert redis.look()["default"] == "ok"
        BulkAction.objects.filter(pk=ended.pk).update(status=Status.RUNNING)
        assert redis.look()["default"] == State.BUSY
    assert redis.ended == []


def test_a_worker_with_long_jobs_in_all_slots_is_busy_for_hours_and_not_hung(redis, jobs):
    jobs(running=2, waiting=5)
    redis.messages["default"] = 5
    for _ in range(100):
        assert redis.look(60)["default"] == State.BUSY
    assert redis.ended == []
    assert spoken() == []


def test_a_worker_of_two_queues_that_is_busy_with_one_is_not_hung(redis, jobs):
    del redis.reports["training"]
    redis.reports["default"] = WorkerReport("default@here", "1", ("default", "training"), 2, 0)
    jobs(running=2)
    redis.messages["training"] = 1
    redis.look()
    redis.look(600)
    assert redis.ended == []


def test_a_worker_that_takes_messages_is_no_worker_that_hangs_however_many_wait(redis, jobs):
    jobs(waiting=5)
    for taken in range(100):
        redis.messages["default"] = 500
        redis.worker(taken=taken)
        assert redis.look(50)["default"] == "ok"


def test_messages_that_come_and_go_do_not_add_up(redis):
    for _ in range(50):
        redis.messages["default"] = 1
        redis.look(40)
        redis.messages["default"] = 0
        assert redis.look(40)["default"] == "ok"


def test_no_worker_is_told_after_the_time_that_one_takes_to_come_up(redis, jobs):
    del redis.reports["default"], redis.reports["training"]
    assert redis.look(5)["default"] == "ok"
    assert redis.look(30)["default"] == "ok"
    assert redis.look(6)["default"] == State.AWAY
    assert spoken() == ["No worker is running, so new jobs wait until one starts."]
    redis.worker()
    redis.look()
    assert spoken() == [], "nobody trains here, and nothing waits for it"


def test_a_lost_broker_is_one_sentence_and_heals(redis):
    redis.look()
    redis.away = True
    assert set(redis.look().values()) == {State.NO_BROKER}
    assert spoken() == ["Redis does not answer. New jobs wait and run when Redis is back."]
    redis.away = False
    redis.look()
    assert spoken() == []


def test_right_after_the_start_nobody_is_missed(monkeypatch):
    monkeypatch.setattr(watch, "_started", time.monotonic())
    assert spoken() == []
    monkeypatch.setattr(watch, "_started", time.monotonic() - watch.QUIET_SECONDS - 1)
    assert spoken() == ["The reaper isn't running, so new jobs may wait."]


def test_a_reaper_that_writes_no_more_is_told(redis, monkeypatch):
    monkeypatch.setattr(watch, "_started", time.monotonic() - 3600)
    redis.look()
    QueueState.objects.update(seen_at=timezone.now() - timedelta(seconds=61))
    assert spoken() == ["The reaper isn't running, so new jobs may wait."]
    redis.look()
    assert spoken() == []


def test_the_strip_of_every_page_says_it(redis, project, as_vic):
    pages = [reverse("running", args=[project.pk]), reverse("project", args=[project.pk])]
    redis.look()
    assert not any("running-trouble" in as_vic.get(page).content.decode() for page in pages)
    redis.away = True
    redis.look()
    assert all("Redis does not answer" in as_vic.get(page).content.decode() for page in pages)


@pytest.mark.django_db(transaction=True)
def test_health_is_200_and_tells_of_the_workers(redis):
    redis.look()
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["workers"] == {
        "state": "ok", "queues": {"default": "ok", "training": "ok", "webhooks": "ok"}, "troubles": [],
    }  # fmt: skip
    redis.away = True
    redis.look()
    answer = Client().get("/health")
    assert answer.status_code == 200, "the web process answers: a balancer must not take it out"
    assert answer.json()["workers"]["state"] == "trouble"
    assert answer.json()["workers"]["queues"]["default"] == "no_broker"


def test_health_answers_within_a_second_or_so_whatever_the_database_does(monkeypatch):
    end = threading.Event()

    def slow() -> list[QueueState]:
        end.wait(300)
        return []

    monkeypatch.setattr(watch, "queue_states", slow)
    began = time.monotonic()
    for _ in range(2):
        assert Client().get("/health").json()["workers"]["state"] == "unknown"
    assert time.monotonic() - began < patient(3.5)
    end.set()
    health._asked.result()  # so that the next test asks anew


def test_health_answers_when_the_database_is_away(monkeypatch):
    def gone() -> list[QueueState]:
        raise DatabaseError("gone")

    monkeypatch.setattr(watch, "queue_states", gone)
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["workers"]["state"]) == (200, "unknown")


def test_a_reports_way_through_a_real_redis_and_an_order_is_given_once(tmp_path, settings):
    from atelier import embedded_redis, environment
    from atelier.processes.supervisor import SupervisedProcess, Supervisor

    settings.REDIS_URL, settings.REDIS_SOCKET = "", environment.redis_socket(tmp_path)
    with pytest.raises(BrokerUnavailable):
        broker.reports()
    supervisor = Supervisor(tmp_path, print)
    try:
        child = supervisor.start(
            SupervisedProcess("redis", embedded_redis.command(settings.REDIS_SOCKET, tmp_path / "redis"))
        )
        embedded_redis.wait_ready(settings.REDIS_SOCKET, child.process)
        mine = WorkerReport("worker@here", "1", ("default",), 2, 7)
        assert broker.report(mine) is False
        assert broker.reports() == [mine]
        broker.ask_to_end("worker@here")
        assert [broker.report(mine), broker.report(mine)] == [True, False]
        assert broker.waiting("default") == 0
    finally:
        supervisor.stop()
