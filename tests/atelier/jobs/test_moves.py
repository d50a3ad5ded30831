"""What people may ask of each kind of job, and what they are told when it is too late."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from atelier.deletions.models import ProjectDeletion
from atelier.jobs import queue
from atelier.jobs.models import Job, Status
from atelier.jobs.pages import addresses
from curation.models import (
    AgreementReport,
    BulkAction,
    Check,
    Dataset,
    Deletion,
    Distillation,
    Erasure,
    Export,
    Import,
    Version,
)
from inference.models import Evaluation
from tests.inference.models_fixtures import SLUG
from training.models import Pull, Run

FROZEN = "The version is frozen and never changes."
ENDED, NOTHING = "The {} has already ended.", "The {} is done, so it cannot be resumed."
UNPAUSED = "The {} is done, so it cannot be paused."
MOVED = {"cancel": "cancelled", "pause": "paused", "resume": "resumed", "stop": "stopped"}
# By kind: the moves of its page with what is said when they are refused; nothing where the page itself shows why.
PAGES = {
    Export: {"cancel": ENDED.format("export"), "resume": NOTHING.format("export")},
    Distillation: {
        "cancel": ENDED.format("distillation"),
        "pause": "The distillation isn't running.",
        "resume": NOTHING.format("distillation"),
    },
    AgreementReport: {"cancel": None, "pause": None, "resume": None},
    BulkAction: {"cancel": ENDED.format("action"), "resume": NOTHING.format("action")},
    Import: {"cancel": ENDED.format("import"), "pause": UNPAUSED.format("import"), "resume": NOTHING.format("import")},
    Check: {"cancel": ENDED.format("check"), "pause": UNPAUSED.format("check"), "resume": NOTHING.format("check")},
    Version: {"cancel": FROZEN, "resume": FROZEN},
    Evaluation: {"cancel": None, "pause": None, "resume": None},
    Pull: {"cancel": None, "resume": None},
    Run: {move: f"Run 1 is done, so it cannot be {moved}." for move, moved in MOVED.items()},
}
REST = {
    Export: ("exports", ["cancel", "resume"], "The export is done, so it cannot be {}."),
    Distillation: ("distillations", ["cancel", "pause", "resume"], "The distillation is done, so it cannot be {}."),
    Import: ("imports", ["cancel", "pause", "resume"], "The import is done, so it cannot be {}."),
    Version: ("versions", ["cancel", "resume"], "The version is done, so it cannot be {}."),
    Run: ("runs", ["cancel", "pause", "resume", "stop"], "Run 1 is done, so it cannot be {}."),
}


@pytest.fixture
def make(project, alice):
    def made(kind: type[Job], status: str) -> Job:
        briefs = Dataset.objects.create(project=project, name="Briefs", kind="documents")
        chats = Dataset.objects.create(project=project, name="Chats", kind="conversations")
        version = kind is not Version and Version.objects.create(project=project, dataset=chats, number=1)
        fields = {
            Export: {"dataset": briefs, "format": "chat"},
            Distillation: {"dataset": briefs, "target": chats, "name": "Answers", "template": "x"},
            AgreementReport: {"dataset": briefs},
            BulkAction: {"dataset": briefs, "action": "accept"},
            Import: {"dataset": briefs, "original_name": "a.csv", "confirmed": True},
            Check: {"dataset": briefs, "part": "texts"},
            Version: {"dataset": chats, "number": 1},
            Evaluation: {"version": version, "name": "First"},
            Pull: {"slug": SLUG},
            Run: {"version": version, "number": 1, "base": SLUG, "recipe": {"rank": 8}},
            Deletion: {"name": "Gone"},
        }[kind]
        return kind.objects.create(project=project, created_by=alice, status=status, **fields)

    return made


@pytest.fixture
def woken(monkeypatch):
    jobs = []
    monkeypatch.setattr(queue, "wake", jobs.append)
    return jobs


def url(job: Job, move: str) -> str:
    return reverse(f"{job.route}_move", args=[job.project_id, job.pk, move])


def test_every_kind_of_job_says_which_moves_it_allows():
    assert set(Job.__subclasses__()) == {*PAGES, Deletion, ProjectDeletion, Erasure}
    for kind, moves in PAGES.items():
        assert set(kind.MOVES) == set(moves)
    for kind in (Deletion, ProjectDeletion, Erasure):
        assert set(kind.MOVES) == {"resume"}, "what is gone is gone"


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_says_why_a_move_is_refused(kind, make, as_bob, woken):
    job = make(kind, Status.DONE)
    for move, sentence in PAGES[kind].items():
        part = as_bob.post(url(job, move), headers={"HX-Request": "true"})
        assert f'id="job-{job.pk}"' in part.content.decode()
        answer = as_bob.post(url(job, move))
        assert answer.headers["Location"] == reverse(job.route, args=[job.project_id, job.pk])
        told = [str(message) for message in get_messages(answer.wsgi_request)]
        assert told[-1:] == ([sentence] if sentence else []), move
    job.refresh_from_db()
    assert job.status == Status.DONE
    assert woken == []


@pytest.mark.parametrize("kind", PAGES)
def test_what_is_queued_again_is_woken_and_nothing_else(kind, make, as_bob, woken):
    job = make(kind, Status.CANCELLED)
    as_bob.post(url(job, "resume"))
    job.refresh_from_db()
    assert job.status == Status.QUEUED
    assert woken == [job]
    as_bob.post(url(job, "cancel"))
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert woken == [job]


@pytest.mark.parametrize("kind", REST)
def test_a_call_says_why_a_move_is_refused(kind, make, bob_api, woken):
    job = make(kind, Status.DONE)
    name, moves, sentence = REST[kind]
    for move in moves:
        answer = bob_api.post(f"/api/projects/{job.project_id}/{name}/{job.pk}/{move}")
        assert (answer.status_code, answer.json()["detail"]) == (422, sentence.format(MOVED[move]))
    assert woken == []


def test_a_check_takes_a_move_too_late_in_silence(make, bob_api, woken):
    job = make(Check, Status.DONE)
    path = f"/api/projects/{job.project_id}/checks/{job.pk}"
    assert bob_api.post(f"{path}/resume").json()["status"] == "done"
    assert "Use cancel, pause or resume" in bob_api.post(f"{path}/stop").json()["detail"]
    assert woken == []


@pytest.mark.parametrize(
    "kind", [kind for kind in PAGES if kind not in (Pull, Run)]
)  # whose last poll brings the rest along
def test_the_progress_of_a_job_is_polled_until_it_is_over(kind, make, as_bob):
    job = make(kind, Status.RUNNING)
    poll = addresses(job)["poll_url"]
    live = as_bob.get(poll)
    assert live.status_code == 200
    assert "HX-Refresh" not in live.headers
    assert all(address in live.content.decode() for name, address in addresses(job).items() if name != "resume_url")
    kind.objects.filter(pk=job.pk).update(status=Status.FAILED)
    assert as_bob.get(poll).headers["HX-Refresh"] == "true"
