"""The job row under doubled, lost and late workers. A BulkAction stands for every kind of job: it is the plainest."""

import threading
from datetime import timedelta

import pytest
from celery import Celery
from django.db import connection
from django.utils import timezone

from atelier.jobs import claims, queue, reaper
from atelier.jobs.models import MAX_INTERRUPTIONS, Status
from curation.models import BulkAction, Dataset


@pytest.fixture
def job(project, alice) -> BulkAction:
    dataset = Dataset.objects.create(project=project, name="Briefs", kind="documents")
    return BulkAction.objects.create(project=project, dataset=dataset, action="accept", created_by=alice)


def lose_the_worker(job: BulkAction) -> None:
    """Leave a job as after kill -9: the row says running, nobody renews its lease."""
    BulkAction.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=5))


def test_a_job_runs_to_its_end_and_says_when(job):
    claims.execute(BulkAction, job.pk, lambda claim: claim.progress(3, 3, "all done"))
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.line) == (Status.DONE, 3, 3, "all done")
    assert job.started_at <= job.finished_at
    assert job.lease_until is None


def test_of_eight_copies_of_a_message_one_runs(job):
    ran = []
    for _ in range(8):
        claims.execute(BulkAction, job.pk, lambda claim: ran.append(claim.fence))
    assert ran == [1]


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_at_once_one_runs(job):
    ran, barrier = [], threading.Barrier(8)

    def worker():
        try:
            barrier.wait()
            claims.execute(BulkAction, job.pk, lambda claim: ran.append(claim.fence))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1


def test_a_worker_that_was_presumed_dead_cannot_write(job):
    claim = claims.Claim(BulkAction.claim_row(job.pk, 30))
    lose_the_worker(job)
    assert BulkAction.release_expired() == 1
    second = claims.Claim(BulkAction.claim_row(job.pk, 30))
    with pytest.raises(claims.LostClaim):
        claim.progress(99, line="from the grave")
    with pytest.raises(claims.LostClaim), claim.writing():
        pytest.fail("the stale worker got into its transaction")
    claim.end(Status.DONE)
    second.progress(1)
    job.refresh_from_db()
    assert (job.status, job.done, job.line) == (Status.RUNNING, 1, "")


def test_a_job_that_kills_its_worker_three_times_without_progress_fails_visibly(job):
    for round_ in range(1, MAX_INTERRUPTIONS + 1):
        assert BulkAction.claim_row(job.pk, 30) is not None
        lose_the_worker(job)
        BulkAction.release_expired()
        job.refresh_from_db()
        assert job.interruptions == round_
    assert job.status == Status.FAILED
    assert "without any progress" in job.error
    assert BulkAction.claim_row(job.pk, 30) is None


def test_interruptions_do_not_add_up_while_there_is_progress(job):
    for done in range(10, 60, 10):
        claim = claims.Claim(BulkAction.claim_row(job.pk, 30))
        claim.progress(done, 100)
        lose_the_worker(job)
        BulkAction.release_expired()
    job.refresh_from_db()
    assert (job.status, job.interruptions) == (Status.QUEUED, 1)


def test_the_wish_to_cancel_ends_running_work_and_the_end_stays(job):
    def work(claim):
        BulkAction.objects.get(pk=job.pk).cancel()
        claim.progress(1)
        pytest.fail("went on after the cancel")

    claims.execute(BulkAction, job.pk, work)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert not job.cancel()
    assert BulkAction.claim_row(job.pk, 30) is None


def test_cancel_of_a_lost_job_ends_it_instead_of_starting_it_again(job):
    BulkAction.claim_row(job.pk, 30)
    job.cancel()
    lose_the_worker(job)
    BulkAction.release_expired()
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_pause_keeps_the_work_and_enqueue_takes_it_up(job):
    def work(claim):
        claim.progress(4, 9)
        BulkAction.objects.get(pk=job.pk).pause()
        claim.progress(5)

    claims.execute(BulkAction, job.pk, work)
    job.refresh_from_db()
    assert (job.status, job.done, job.finished_at) == (Status.PAUSED, 5, None)
    assert job.enqueue()
    claims.execute(BulkAction, job.pk, lambda claim: claim.progress(9))
    job.refresh_from_db()
    assert (job.status, job.done) == (Status.DONE, 9)


def test_a_failure_is_a_sentence_and_a_surprise_does_not_escape(job):
    def known(claim):
        raise claims.JobFailed("The file is empty. Choose another one.")

    claims.execute(BulkAction, job.pk, known)
    job.refresh_from_db()
    assert (job.status, job.error) == (Status.FAILED, "The file is empty. Choose another one.")
    job.enqueue()
    claims.execute(BulkAction, job.pk, lambda claim: {}["missing"])
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert "KeyError" in job.error


def test_a_worker_that_is_asked_to_end_gives_the_job_back(job):
    def work(claim):
        claim.progress(2, 9)
        raise SystemExit

    with pytest.raises(SystemExit):
        claims.execute(BulkAction, job.pk, work)
    job.refresh_from_db()
    assert (job.status, job.done, job.interruptions) == (Status.QUEUED, 2, 0)


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_keeps_a_long_step_alive_and_notices_the_loss(job, settings):
    settings.JOB_LEASE_SECONDS = 1.5

    def work(claim):
        assert not claim.lost.wait(4), "lost although the heartbeat ran"
        assert BulkAction.release_expired() == 0
        BulkAction.objects.filter(pk=job.pk).update(fence=99)
        assert claim.lost.wait(30), "the loss went unnoticed"
        claim.progress(1)

    claims.execute(BulkAction, job.pk, work)
    job.refresh_from_db()
    assert (job.fence, job.done) == (99, 0)


def test_when_the_broker_is_away_the_row_waits_for_the_reaper(job, monkeypatch):
    nowhere = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    nowhere.conf.task_publish_retry_policy = {"max_retries": 1, "interval_start": 0.1}
    monkeypatch.setattr(queue, "current_app", nowhere)
    assert reaper.tick() == 0
    job.refresh_from_db()
    assert (job.status, job.woken_at) == (Status.QUEUED, None)
