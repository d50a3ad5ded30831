"""Fair shares of a queue between teams: who is next, who gives way, and what the rows say meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from atelier.accounts.models import Project, Team
from atelier.jobs import claims, shares, tasks
from atelier.jobs.models import QueueState, Status
from curation.models import BulkAction, Dataset, Export, Import
from tests.speed import patient

pytestmark = pytest.mark.django_db


class Desk:
    """A team with a project and a dataset."""

    def __init__(self, name: str) -> None:
        self.team = Team.objects.create(name=name)
        self.project = Project.objects.create(team=self.team, name=name)
        self.dataset = Dataset.objects.create(project=self.project, name=name, kind="documents")

    def job(self, kind: type = BulkAction, *, ago: float = 0, running: bool = False, **more):
        at = timezone.now() - timedelta(seconds=ago)
        if kind is BulkAction:
            more = {"action": "accept"} | more
        if running:
            more |= {"status": Status.RUNNING, "lease_until": timezone.now() + timedelta(hours=1), "started_at": at}
        return kind.objects.create(project=self.project, dataset=self.dataset, created_at=at, **more)


@pytest.fixture
def ours() -> Desk:
    return Desk("Ours")


@pytest.fixture
def theirs() -> Desk:
    return Desk("Theirs")


@pytest.fixture
def third() -> Desk:
    return Desk("Third")


def way(job, seconds: float = 5) -> bool:
    return shares.gives_way(type(job).objects.get(pk=job.pk), seconds)


def test_alone_a_team_uses_every_slot_in_the_order_of_waiting(ours):
    for _ in range(3):
        ours.job(running=True)
    second, first = ours.job(Export, ago=5), ours.job(Import, ago=9)
    assert shares.following("default") == first
    first.cancel()
    assert shares.following("default") == second
    second.cancel()
    assert shares.following("default") is None


def test_a_team_with_nothing_running_goes_before_a_thousand_jobs_of_another(ours, theirs):
    theirs.job(running=True)
    at = timezone.now() - timedelta(hours=1)
    BulkAction.objects.bulk_create(
        [
            BulkAction(project=theirs.project, dataset=theirs.dataset, action="accept", created_at=at)
            for _ in range(1000)
        ]
    )
    mine = ours.job(Import)
    hint = BulkAction.objects.filter(status=Status.QUEUED).first()
    assert shares.following("default", hint) == mine


def test_the_job_of_the_message_is_taken_when_its_team_is_next_anyway(ours):
    ours.job(ago=9)
    hint = ours.job()
    assert shares.following("default", hint) == hint


def test_teams_take_turns_where_there_is_one_slot(ours, theirs):
    theirs.job(ago=100, status=Status.DONE, started_at=timezone.now() - timedelta(seconds=50))
    ours.job(ago=300, status=Status.DONE, started_at=timezone.now() - timedelta(seconds=200))
    theirs.job(ago=90)
    mine = ours.job(ago=10)
    assert shares.following("default") == mine


def test_a_limit_for_a_team_leaves_slots_idle_and_counts_running_jobs_only(ours, theirs, settings):
    settings.TEAM_JOBS = 2
    ours.job(running=True)
    first = ours.job(ago=5)
    assert shares.following("default") == first
    ours.job(running=True)
    assert shares.following("default") is None
    small = theirs.job()
    assert shares.following("default") == small
    load = shares.loads("default")[ours.team.pk]
    assert (load.running, load.waiting, shares.claimable(load, shares.most_of_a_team("default"))) == (2, 1, 0)


def test_where_there_are_several_teams_one_slot_is_for_the_others(ours, theirs):
    QueueState.objects.create(queue="default", slots=3)
    theirs.job(running=True)
    second = theirs.job(ago=60)
    assert shares.following("default") == second
    theirs.job(running=True)
    assert shares.following("default") is None, "the last slot is not theirs"
    mine = ours.job()
    assert shares.following("default") == mine


def test_the_only_team_uses_every_slot(ours):
    QueueState.objects.create(queue="default", slots=2)
    ours.job(running=True)
    second = ours.job()
    assert shares.following("default") == second


def test_one_slot_is_everybodys(ours, theirs):
    QueueState.objects.create(queue="default", slots=1)
    mine = ours.job()
    assert shares.following("default") == mine


def test_who_handed_a_slot_over_had_a_turn_just_now(ours, theirs, third):
    """Else the team that began first would take its own slot back for ever."""
    now = timezone.now()
    passed = theirs.job(ago=900, started_at=now - timedelta(seconds=900), queued_at=now)
    third.job(ago=800, running=True)
    ours.job(
        ago=700, status=Status.DONE, started_at=now - timedelta(seconds=300), queued_at=now - timedelta(seconds=300)
    )
    mine = ours.job(ago=5)
    assert shares.following("default", passed) == mine


def test_what_would_begin_again_gives_way_after_what_only_goes_on(ours, theirs):
    bulk = theirs.job(ago=100, running=True)
    export = theirs.job(Export, ago=50, running=True)
    waiting = ours.job(ago=3.5)
    assert way(bulk)
    assert not way(export), "it is newer, and would lose what it did"
    move(waiting, 5.5)
    assert way(export)


def test_a_job_keeps_its_turn_while_giving_way_would_throw_work_away(ours, theirs, monkeypatch):
    job = theirs.job(Import)
    with claims.Slot().held():
        claim = claims.Claim(Import.claim_row(job.pk, 60))
    monkeypatch.setattr(shares, "gives_way", lambda job, seconds: True)
    monkeypatch.setattr(claims, "SHARE_LOOK_SECONDS", 0.0)
    claim.keeps_turn = True
    claim.obey()
    claim.keeps_turn = False
    with pytest.raises(claims.TurnYielded):
        claim.obey()


def test_of_two_running_the_newer_gives_way_and_the_older_only_when_that_does_not(ours, theirs):
    older, newer = theirs.job(ago=100, running=True), theirs.job(ago=90, running=True)
    assert not way(newer), "nobody waits"
    waiting = ours.job(ago=1)
    assert not way(newer), "a free slot would take it now"
    move(waiting, 3.5)
    assert way(newer)
    assert not way(older)
    move(waiting, 5.5)
    assert way(older)


def test_who_has_one_job_beside_a_team_with_two_keeps_it(ours, theirs, third):
    theirs.job(ago=100, running=True)
    newer = theirs.job(ago=90, running=True)
    alone = third.job(ago=80, running=True)
    ours.job(ago=500)
    assert way(newer, seconds=500)
    assert not way(alone, seconds=500)


def test_nobody_gives_way_to_a_team_that_works_or_is_at_its_limit(ours, theirs, settings):
    theirs.job(ago=100, running=True)
    newer = theirs.job(ago=90, running=True)
    ours.job(ago=60)
    ours.job(ago=50, running=True)
    assert not way(newer)


def test_more_teams_than_slots_take_turns_by_the_minute_if_that_costs_nothing(ours, theirs, third):
    bulk, export = theirs.job(ago=500, running=True), third.job(Export, ago=500, running=True)
    waiting = ours.job(ago=30)
    assert not way(bulk, seconds=500)
    move(waiting, 61)
    assert way(bulk, seconds=61)
    assert not way(bulk, seconds=59), "it has only just begun"
    assert not way(export, seconds=500), "it would begin again from its first row"


def test_every_kind_that_begins_again_says_so():
    from atelier import registry

    again = {model.__name__ for model in registry.job_models() if model.resumes_cheaply is False}
    assert again == {"AgreementReport", "Export", "Version", "Run"}


def test_a_job_that_gives_way_is_queued_behind_without_an_interruption_and_its_slot_goes_on_at_once(
    ours, theirs, monkeypatch
):
    monkeypatch.setattr(claims, "SHARE_LOOK_SECONDS", 0)
    other, long = theirs.job(ago=200, running=True), theirs.job(ago=100)
    small, worked = [], []

    def run(pk: int) -> None:
        def work(claim) -> None:
            worked.append(pk)
            claim.progress(len(worked), 9, "Working")
            if pk == long.pk and len(worked) == 1:
                small.append(ours.job(ago=9))
                claim.progress(2, 9, "Working")
                pytest.fail("it went on")

        claims.execute(BulkAction, pk, work)

    monkeypatch.setattr("curation.tasks.bulk", run)
    tasks.work(BulkAction.task, long.pk)
    assert worked == [long.pk, small[0].pk], "the slot went from one to the other without another message"
    long.refresh_from_db()
    assert (long.status, long.interruptions, long.done) == (Status.QUEUED, 0, 2)
    assert long.line == "Waiting for its turn: your team has 1 job running"
    assert long.queued_at > timezone.now() - timedelta(seconds=60)
    assert BulkAction.objects.get(pk=small[0].pk).status == Status.DONE
    other.refresh_from_db()
    assert other.status == Status.RUNNING
    assert BulkAction.claim_row(long.pk, 30).line == "", "it waits no more"


def test_work_in_a_terminal_or_in_a_request_gives_nothing_back(ours, theirs, monkeypatch):
    monkeypatch.setattr(claims, "SHARE_LOOK_SECONDS", 0)
    theirs.job(ago=200, running=True)
    ours.job(ago=60)
    job = theirs.job(ago=100)
    claims.execute(BulkAction, job.pk, lambda claim: claim.progress(1, 1, "done"))
    job.refresh_from_db()
    assert job.status == Status.DONE


def test_who_waits_while_the_own_team_works_is_told_so(ours, theirs):
    ours.job(running=True)
    ours.job(running=True)
    silent, told = ours.job(), ours.job(line="Loss 0.3")
    stranger = theirs.job()
    shares.tell("default")
    for job in (silent, told, stranger):
        job.refresh_from_db()
    assert silent.line == "Waiting for its turn: your team has 2 jobs running"
    assert (told.line, stranger.line) == ("Loss 0.3", "")
    BulkAction.objects.filter(status=Status.RUNNING).update(project=theirs.project)
    shares.tell("default")
    silent.refresh_from_db()
    assert silent.line == "Waiting for its turn: jobs of other teams run first"
    BulkAction.objects.filter(status=Status.RUNNING).update(status=Status.DONE)
    shares.tell("default")
    silent.refresh_from_db()
    assert silent.line == ""


def test_a_message_for_an_unknown_kind_is_a_fault_that_is_seen():
    with pytest.raises(ValueError, match="same version"):
        tasks.work("curation.tasks.melt", 1)


def test_ten_thousand_waiting_jobs_are_looked_through_quickly(ours, theirs):
    import time

    for desk in (ours, theirs):
        BulkAction.objects.bulk_create(
            [BulkAction(project=desk.project, dataset=desk.dataset, action="accept") for _ in range(5000)]
        )
    began = time.process_time()  # by the wall, a machine with other work takes many times as long
    for _ in range(5):
        assert shares.following("default") is not None
    assert (time.process_time() - began) / 5 < patient(0.5), "it may take 50 ms"


def move(job, seconds: float) -> None:
    type(job).objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(seconds=seconds))
