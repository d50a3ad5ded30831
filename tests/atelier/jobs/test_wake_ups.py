"""Wake-ups: one message a row at most, however often the reaper looks, and none that stays lost."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import Celery
from django.utils import timezone

from atelier.jobs import broker, claims, queue, reaper
from atelier.jobs.models import Status
from curation.models import BulkAction, Dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(project) -> list[BulkAction]:
    dataset = Dataset.objects.create(project=project, name="Briefs", kind="documents")
    return [BulkAction.objects.create(project=project, dataset=dataset, action="accept") for _ in range(40)]


@pytest.fixture
def messages(monkeypatch) -> list[int]:
    """Return the list of ids that a fake broker was sent, in order."""
    held: list[int] = []
    app = SimpleNamespace(send_task=lambda task, args, queue: held.append(args[1]))
    monkeypatch.setattr(queue, "current_app", app)
    monkeypatch.setattr(broker, "waiting", lambda name: len(held) if name == "default" else 0)
    return held


def hours_pass() -> None:
    """Let hours pass as if all slots were busy all the time: every message is old, none was taken."""
    for row in BulkAction.objects.filter(woken_at__isnull=False):
        BulkAction.objects.filter(pk=row.pk).update(woken_at=row.woken_at - timedelta(hours=3))


def test_while_all_slots_are_busy_for_hours_each_row_keeps_its_one_message(waiting, messages):
    assert reaper.tick() == 40
    for _ in range(50):
        hours_pass()
        assert reaper.tick() == 0
    assert sorted(messages) == [job.pk for job in waiting]


def test_two_reapers_and_the_request_itself_send_one_message(waiting, messages):
    job = waiting[0]
    assert queue.send(BulkAction, job.pk)
    assert queue.send(BulkAction, job.pk)
    reaper.tick()
    reaper.tick()
    assert messages.count(job.pk) == 1


def test_what_the_broker_lost_is_sent_again_after_half_a_minute_and_only_that(waiting, messages):
    reaper.tick()
    del messages[10:]
    assert reaper.tick() == 0, "some may have been taken this very moment"
    BulkAction.objects.update(woken_at=timezone.now() - timedelta(seconds=queue.WAKE_AGAIN_SECONDS + 1))
    assert reaper.tick() == 30
    assert len(messages) == 40


def test_all_is_sent_again_when_the_broker_lost_everything(waiting, messages):
    reaper.tick()
    messages.clear()
    BulkAction.objects.update(woken_at=timezone.now() - timedelta(seconds=queue.WAKE_AGAIN_SECONDS + 1))
    assert reaper.tick() == 40
    assert sorted(messages) == [job.pk for job in waiting]


def test_a_message_that_could_not_be_sent_is_not_noted_as_sent(waiting, monkeypatch):
    nowhere = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    nowhere.conf.task_publish_retry_policy = {"max_retries": 0}
    monkeypatch.setattr(queue, "current_app", nowhere)
    assert not queue.send(BulkAction, waiting[0].pk)
    waiting[0].refresh_from_db()
    assert waiting[0].woken_at is None


def test_what_was_cancelled_or_claimed_is_not_sent(waiting, messages):
    waiting[0].cancel()
    BulkAction.claim_row(waiting[1].pk, 30)
    for job in waiting[:2]:
        assert queue.send(BulkAction, job.pk)
    assert messages == []


def test_pausing_and_resuming_a_thousand_times_sends_one_message(waiting, messages, monkeypatch):
    monkeypatch.setattr(
        queue, "WAKE_AGAIN_SECONDS", 600
    )  # a busy machine takes longer than a message counts as on its way
    job = waiting[0]
    queue.send(BulkAction, job.pk)
    for _ in range(1000):
        job.pause()
        assert job.enqueue()
        queue.send(BulkAction, job.pk)
    assert messages == [job.pk]


def test_a_retried_job_is_woken_at_once(waiting, messages):
    job = waiting[0]
    queue.send(BulkAction, job.pk)

    def fails(claim) -> None:
        raise claims.JobFailed("No.")

    claims.execute(BulkAction, job.pk, fails)
    job.enqueue()
    queue.send(BulkAction, job.pk)
    assert messages == [job.pk, job.pk]
    job.refresh_from_db()
    assert (job.status, job.error) == (Status.QUEUED, "")


def test_what_has_no_turn_by_the_limit_of_its_team_gets_no_message(waiting, messages, settings):
    settings.TEAM_JOBS = 3
    assert reaper.tick() == 3
    assert len(messages) == 3
