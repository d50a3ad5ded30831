"""Inference's part in an erasure: answers and turns about erased records are emptied."""

import pytest
from django.core.exceptions import ValidationError

from atelier.jobs import claims
from curation import tasks, tool_calls
from curation.erasures import requests
from curation.models import Version
from curation.versions import archive
from curation.versions import files as version_files
from inference.evaluations import ledger
from inference.models import Comparison, Endpoint, Evaluation, EvaluationAnswer, Reply, Side, Turn
from tests.curation.teacher import conversations
from tests.curation.versions.test_freezes import frozen as freeze

pytestmark = pytest.mark.django_db
SECRET = "Zephyrine Quill"
CALL = tool_calls.call("look_up", {"name": SECRET}, "a")
TOOL = {"type": "function", "function": {"name": "look_up", "description": SECRET}}


@pytest.fixture
def endpoint(project) -> Endpoint:
    return Endpoint.objects.create(project=project, name="Fake", kind="openai", url="https://fake.example", model="f")


@pytest.fixture
def briefs(project):
    return conversations(project, 20)


def answer(project, version, record, endpoint, **more) -> EvaluationAnswer:
    evaluation = Evaluation.objects.create(
        project=project, version=version, name="E", status=more.pop("status", "done")
    )
    return EvaluationAnswer.objects.create(
        evaluation=evaluation, endpoint=endpoint, row=1, record=record, prompt=[{"role": "user", "content": SECRET}],
        reference=SECRET, text=SECRET, verdicts=[{"rule": "r", "ok": False, "why": SECRET}], tools=[TOOL],
        reference_calls=[CALL], tool_calls=[CALL], calls_why=SECRET, calls_right=False, **more,
    )  # fmt: skip


def test_answers_are_emptied_and_their_figures_stay(project, briefs, alice, endpoint):
    record, version = briefs.records.first(), freeze(briefs)
    done = answer(project, version, record, endpoint, outcome="ok", chrf=0.5, status="paused")
    waiting = answer(project, version, record, endpoint, outcome="pending", status="paused")
    other = answer(project, version, briefs.records.last(), endpoint, outcome="ok")
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, started.erased["evaluation answers"]) == ("done", 2)
    for row in (done, waiting, other):
        row.refresh_from_db()
    assert (done.prompt, done.reference, done.text, done.outcome, done.chrf) == ([], "", "", "ok", 0.5)
    assert done.verdicts == [{"rule": "r", "ok": False, "why": ""}]
    assert (done.tools, done.reference_calls, done.tool_calls, done.calls_why) == ([], [], [], "")
    assert done.calls_right is False
    assert (waiting.outcome, waiting.text) == ("skipped", "")
    assert other.text == SECRET


def test_calls_of_tools_and_the_tools_go_with_an_answer(project, briefs, alice, endpoint):
    record = briefs.records.first()
    row = answer(project, freeze(briefs), record, endpoint, outcome="ok")
    tasks.erase(requests.begin(briefs, alice, [record.pk], "Request").pk)
    row.refresh_from_db()
    assert (row.tools, row.tool_calls, row.reference_calls, row.calls_why, row.calls_right) == ([], [], [], "", False)


def test_an_evaluation_that_still_writes_down_its_questions_is_waited_for(project, briefs, alice, endpoint):
    record, version = briefs.records.first(), freeze(briefs)
    Evaluation.objects.create(
        project=project, version=version, name="E", status="running", started_at=record.created_at
    )
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "may be asking about an erased record" in started.error) == ("failed", True)
    Evaluation.objects.update(status="done")
    assert started.enqueue()
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert started.status == "done"


def test_an_evaluation_that_is_asking_is_waited_for(project, briefs, alice, endpoint):
    record = briefs.records.first()
    row = answer(project, freeze(briefs), record, endpoint, outcome="pending", status="running")
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    started.refresh_from_db()
    assert (started.status, "may be asking about an erased record" in started.error) == ("failed", True)
    Evaluation.objects.update(status="paused")
    assert started.enqueue()
    tasks.erase(started.pk)
    row.refresh_from_db()
    started.refresh_from_db()
    assert (started.status, row.text, row.prompt) == ("done", "", [])


def test_a_turn_that_came_from_or_became_the_record_is_emptied(project, briefs, alice, endpoint):
    record, other = briefs.records.order_by("pk")[:2]
    comparison = Comparison.objects.create(project=project, name="C")
    side = Side.objects.create(comparison=comparison, position=0, endpoint=endpoint)
    from_it = Turn.objects.create(comparison=comparison, index=1, prompt=SECRET, source=record)
    became = Turn.objects.create(comparison=comparison, index=2, prompt=SECRET)
    neither = Turn.objects.create(comparison=comparison, index=3, prompt=SECRET, source=other)
    for turn in (from_it, became, neither):
        Reply.objects.create(
            turn=turn, side=side, state="streaming" if turn == from_it else "done", text=SECRET, tool_calls=[CALL], refusal=SECRET,
            record=record if turn == became else None,
        )  # fmt: skip
    started = requests.begin(briefs, alice, [record.pk], "Request")
    tasks.erase(started.pk)
    assert list(Turn.objects.order_by("index").values_list("prompt", flat=True)) == ["", "", SECRET]
    assert list(Reply.objects.order_by("turn__index").values_list("state", flat=True)) == ["stopped", "done", "done"]
    assert list(Reply.objects.order_by("turn__index").values_list("text", flat=True)) == ["", "", SECRET]
    said = list(Reply.objects.order_by("turn__index").values_list("tool_calls", "refusal"))
    assert said == [([], ""), ([], ""), ([CALL], SECRET)]


def test_an_evaluation_of_a_version_with_erased_rows_asks_about_the_others(project, briefs, alice, endpoint):
    version = freeze(briefs)
    entry = version.entries.filter(split="train").order_by("row").first()
    tasks.erase(requests.begin(briefs, alice, [entry.record_id], "Request").pk)
    version.refresh_from_db()
    job = ledger.create(version, alice, [endpoint], split="train", limit=3)
    ledger.plan(claims.Claim(Evaluation.claim_row(job.pk, 30)))
    rows = dict(job.answers.values_list("row", "record"))
    assert sorted(rows) == [2, 3, 4]
    assert all(version.entries.get(split="train", row=row).record_id == record for row, record in rows.items())
    assert Evaluation.objects.get(pk=job.pk).total == 3


def test_a_record_that_is_erased_while_an_evaluation_reads_the_file_is_skipped(
    project, briefs, alice, endpoint, monkeypatch
):
    version = freeze(briefs)
    entry = version.entries.filter(split="train").order_by("row").first()
    rows = list(version_files.numbered(version, "train"))
    job = ledger.create(version, alice, [endpoint], split="train")
    tasks.erase(requests.begin(briefs, alice, [entry.record_id], "Request").pk)
    monkeypatch.setattr(version_files, "numbered", lambda *_: iter(rows))  # the file as it was when it was opened
    ledger.plan(claims.Claim(Evaluation.claim_row(job.pk, 30)))
    late = job.answers.get(row=entry.row)
    assert (late.outcome, late.reason, late.prompt, late.reference) == ("skipped", "Erased on request.", [], "")
    assert job.answers.filter(outcome="pending").count() == len(rows) - 1


def test_an_evaluation_of_an_archived_version_is_refused_and_one_that_waits_fails(project, briefs, alice, endpoint):
    version = freeze(briefs)
    job = ledger.create(version, alice, [endpoint], split="train")
    with pytest.raises(ValidationError, match=r"Evaluate .* needs Briefs v1\."):
        archive.archive(version, None)
    Evaluation.objects.update(status="paused")
    Version.objects.update(archived_at=job.created_at)  # as if both had happened at once
    with pytest.raises(ValidationError, match="is archived"):
        ledger.create(Version.objects.get(), alice, [endpoint], split="train")
    Evaluation.objects.update(status="queued")
    with pytest.raises(claims.JobFailed, match=r"is archived\. Restore it from the archive first"):
        ledger.plan(claims.Claim(Evaluation.claim_row(job.pk, 30)))
