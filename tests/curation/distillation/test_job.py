"""Distillation: answers become records, exactly once, whatever happens."""

import gc
import threading
import time
from decimal import Decimal
from functools import partial

import pytest
from django.core.exceptions import ValidationError

from atelier.jobs import claims
from atelier.processes import sandbox
from curation import tasks
from curation.answers import half_reason
from curation.chat import text_of, thinking_of
from curation.distillation import attempt as distillation_attempt
from curation.distillation import budget, drafts, ledger, previews
from curation.distillation import job as distillation_job
from curation.models import Dataset, Distillation, Generation, Record
from inference import endpoints
from tests.curation.teacher import documents, endpoint, started, teacher_server
from tests.speed import patient

pytestmark = pytest.mark.django_db


def work(job):
    tasks.distil(job.pk)
    job.refresh_from_db()
    return job


def test_every_record_gets_an_answer_with_its_source_split_and_origin(project):
    with teacher_server() as server:
        job = work(started(project, endpoint(project, server.url), documents(project)))
    assert (job.status, job.ok, job.failed, job.skipped, job.done, job.total) == ("done", 5, 0, 0, 5, 5)
    answer = Record.objects.get(dataset__name="Answers", source__key="a2")
    assert [message["role"] for message in answer.messages] == ["system", "user", "assistant"]
    assert answer.messages[0]["content"] == "Rewrite."
    assert answer.messages[1]["content"] == "Brief number 2"
    assert answer.messages[2]["content"] == "Answer to: Brief number 2"
    assert (answer.split, answer.source_group) == (answer.source.split, answer.source.source_group)
    assert answer.origin.startswith("written by Fake")
    assert (answer.status, answer.problems, answer.metadata) == ("new", [], {"topic": "news"})
    assert job.prompt_tokens > 0
    assert job.completion_tokens > 0


def test_the_teacher_gets_the_guide_and_the_student_its_own_prompt(project):
    with teacher_server() as server:
        work(started(project, endpoint(project, server.url), documents(project, 1)))
        asked = server.calls[0]["messages"]
    assert asked == [{"role": "system", "content": "Be plain."}, {"role": "user", "content": "Brief number 0"}]


def test_records_accepted_by_the_sample_say_so(project):
    with teacher_server() as server:
        work(started(project, endpoint(project, server.url), documents(project, 1), mark_accepted_by="the sample"))
    answer = Record.objects.get(dataset__name="Answers")
    assert (answer.status, answer.reviewed_note, answer.reviewed_by) == ("accepted", "the sample", None)


def test_the_filters_and_the_limit_choose_the_records(project):
    source = documents(project)
    source.records.filter(key__in=["a0", "a1", "a3"]).update(status="accepted")
    with teacher_server() as server:
        job = work(started(project, endpoint(project, server.url), source, filters={"status": "accepted"}, limit=2))
    keys = list(job.generations.values_list("record__key", flat=True))
    assert keys == ["a0", "a1"]


def test_running_again_after_a_kill_asks_only_about_what_is_missing(project):
    with teacher_server() as server:
        job = started(project, endpoint(project, server.url), documents(project, 6), concurrency=1)
        claim = claims.Claim(Distillation.claim_row(job.pk, 30))
        distillation_job.plan(claim)
        with distillation_attempt.Calls(
            {0: endpoints.client_for(job.teacher)}, distillation_attempt.Sampling()
        ) as calls:
            killed = distillation_attempt.Attempt(claim, calls, ledger.Totals.of(job), (Decimal(0), Decimal(0)))
            for _ in range(3):
                killed._step()
        Distillation.objects.filter(pk=job.pk).update(status="queued")
        asked_before = len(server.calls)
        stored = Generation.objects.filter(outcome="ok").count()
        job = work(job)
        asked = [call["messages"][-1]["content"] for call in server.calls]
    assert stored == 3
    assert (job.status, job.ok, job.done) == ("done", 6, 6)
    assert Record.objects.filter(dataset__name="Answers").count() == 6
    assert asked_before <= stored + 1
    assert len(asked) <= 6 + 1  # at most what was in flight is paid for twice


def test_calls_in_flight_are_kept_when_no_fresh_process_can_fill_in_templates(project, monkeypatch):
    source = documents(project, 2)
    loops = "{% for a in text %}{% for b in text %}{% endfor %}{% endfor %}"
    template = "{{ text }}{% if text|length > 100 %}" + loops + "{% endif %}"
    start, begun = sandbox.SandboxChild.start, []

    def start_once(child):
        if child._process is None:
            if begun:
                raise sandbox.Busy("This machine is reading too many files at once. Try again in a minute.")
            begun.append(child)
        start(child)

    with teacher_server(latency=3.0) as server:
        job = started(project, endpoint(project, server.url), source, template=template, concurrency=1)
        Record.objects.filter(key="a1", dataset=source).update(fields={"text": "x" * 100_000})
        claim = claims.Claim(Distillation.claim_row(job.pk, 30))
        distillation_job.plan(claim)
        monkeypatch.setattr(sandbox.SandboxChild, "start", start_once)
        with distillation_attempt.Calls(
            {0: endpoints.client_for(job.teacher)}, distillation_attempt.Sampling()
        ) as calls:
            attempt = distillation_attempt.Attempt(claim, calls, ledger.Totals.of(job), (Decimal(0), Decimal(0)))
            attempt._fill()  # the first record's call is in flight
            attempt.job.concurrency = 2
            with pytest.raises(claims.JobFailed, match="reading too many files at once"):
                attempt.run()
    assert list(job.generations.order_by("pk").values_list("outcome", flat=True)) == ["ok", "pending"]
    assert not attempt.flying


def test_a_worker_that_lost_its_claim_writes_nothing(project):
    with teacher_server(latency=0.05) as server:
        job = started(project, endpoint(project, server.url), documents(project, 6), concurrency=2)
        claim = claims.Claim(Distillation.claim_row(job.pk, 30))
        distillation_job.plan(claim)
        Distillation.objects.filter(pk=job.pk).update(fence=99)
        with pytest.raises(claims.LostClaim):
            distillation_job.run(claim, endpoints.client_for(job.teacher), Decimal(0), Decimal(0))
    assert not Record.objects.filter(dataset__name="Answers").exists()


def test_a_fault_that_passes_is_tried_again(project):
    with teacher_server(faults=["429", "500"], retry_after="0") as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 3), concurrency=1))
    assert (job.ok, job.failed) == (3, 0)


def test_what_fails_for_good_says_why_and_can_be_retried(project):
    with teacher_server(faults=["401"]) as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 3), concurrency=1))
        assert (job.status, job.ok, job.failed) == ("done", 2, 1)
        failed = job.generations.get(outcome="failed")
        assert "API key" in failed.reason
        assert drafts.retry_failed(job) == 1
        assert (job.status, job.failed, job.done) == ("queued", 0, 2)
        job = work(job)
    assert (job.status, job.ok, job.failed, job.done) == ("done", 3, 0, 3)
    failed.refresh_from_db()
    assert (failed.outcome, failed.attempts) == ("ok", 2)


def test_what_a_database_refuses_in_a_teachers_words_costs_one_row(project, monkeypatch):
    # A public provider's words are shown; the fake one is private.
    monkeypatch.setattr(endpoints, "open_client", partial(endpoints.open_client, shows_words=True))
    with teacher_server(faults=["nul", "odd words"]) as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 3), concurrency=1))
    assert (job.status, job.ok, job.failed) == ("done", 2, 1)
    assert "it broke \ufffd \ufffd here" in job.generations.get(outcome="failed").reason


def test_when_nothing_is_answered_the_job_fails_with_the_reason(project):
    with teacher_server(faults=["401"] * 3) as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 3)))
    assert job.status == "failed"
    assert "API key" in job.error


def test_a_hopeless_teacher_is_not_asked_about_every_row(project, monkeypatch):
    monkeypatch.setattr(distillation_attempt, "HOPELESS", 5)
    with teacher_server(faults=["401"] * 40) as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 40), concurrency=2))
        assert len(server.calls) < 12
    assert "in a row" in job.error


def test_an_answer_that_was_cut_off_is_kept_in_the_ledger_but_not_learned_from(project):
    with teacher_server() as server:
        server._completion_plain = server._completion
        server._completion = lambda body: _cut(server._completion_plain(body))
        teacher = endpoint(project, server.url, price_out=10)
        job = work(started(project, teacher, documents(project, 1)))
    unit = job.generations.get()
    assert (unit.outcome, unit.answer) == ("failed", "Answer to: Brief number 0")
    assert "cut off" in unit.reason
    assert job.cost > 0
    assert not Record.objects.filter(dataset__name="Answers").exists()


def _cut(completion, told="length"):
    completion["choices"][0]["finish_reason"] = told
    return completion


@pytest.mark.parametrize("told", ["model_length", "content_filter", "error", "abort", "tool_calls", "", None, "eos"])
def test_only_a_whole_answer_becomes_a_record(project, told):
    with teacher_server() as server:
        plain, ends = server._completion, iter([told])
        server._completion = lambda body: _cut(plain(body), next(ends, "stop"))
        job = work(started(project, endpoint(project, server.url), documents(project, 2), concurrency=1))
    half = job.generations.get(flaw="half")
    assert (half.outcome, half.finish_reason, half.result) == ("failed", told or "", None)
    assert half.reason == f"{half_reason(told or '')} No record was made of it."
    assert (job.ok, job.failed, job.flaws) == (1, 1, {"half": 1})
    assert "1 failed, 1 incomplete" in job.line


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), (" \n", "is empty"), ("\u200b\u200b", "cannot be seen"), ("\ufeff \u2060", "cannot be seen")],
)
def test_an_answer_with_nothing_to_see_becomes_no_record(project, text, words):
    with teacher_server(reply=lambda body: text if "number 0" in str(body) else "Plain.") as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 2)))
    assert words in job.generations.get(flaw="blank").reason
    assert (job.ok, job.failed, job.flaws) == (1, 1, {"blank": 1})


def test_a_fluent_refusal_is_marked_counted_and_left_for_a_person(project):
    refusal = "I'm sorry, but I can't help with that."
    with teacher_server(reply=lambda body: refusal if "number 0" in str(body) else "Plain.") as server:
        job = work(
            started(project, endpoint(project, server.url), documents(project, 2), mark_accepted_by="the sample")
        )
    unit = job.generations.get(flaw="refusal")
    assert (unit.outcome, unit.result.status, unit.result.reviewed_note) == ("ok", "new", "")
    assert "reads like a refusal" in unit.reason
    assert job.flaws == {"refusal": 1}
    assert "1 like refusals" in job.line


def test_thoughts_are_left_out_of_records_aloud(project):
    with teacher_server(reasoning="let me see") as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 2)))
    unit = job.generations.first()
    assert (unit.reasoning, unit.result.messages[-1]["content"]) == ("let me see", "Answer to: Brief number 0")
    assert "left out of the record" in unit.reason
    assert job.flaws == {"thoughts": 2}
    assert "2 without the teacher's thoughts" in job.line


def test_deleted_and_unfit_records_are_skipped_or_failed_with_a_reason(project):
    source = documents(project, 3)
    first, second, _ = source.records.order_by("pk")
    second.fields = {"other": "x"}
    second.save()
    with teacher_server() as server:
        job = started(project, endpoint(project, server.url), source)
        claim = claims.Claim(Distillation.claim_row(job.pk, 30))
        distillation_job.plan(claim)
        Distillation.objects.filter(pk=job.pk).update(status="queued")
        Record.objects.filter(pk=first.pk).update(deleted_at="2026-01-01T00:00Z")
        job = work(job)
    assert (job.ok, job.failed, job.skipped) == (1, 1, 1)
    assert "does not have" in job.generations.get(outcome="failed").reason
    assert "deleted" in job.generations.get(outcome="skipped").reason


def test_the_budget_is_never_passed_and_pauses_with_a_sentence(project):
    with teacher_server() as server:
        teacher = endpoint(project, server.url, price_in=1000, price_out=1000)
        job = work(started(project, teacher, documents(project, 40), budget=Decimal("0.5"), concurrency=8))
        assert job.status == "paused"
        assert job.over_budget
        assert "Raise the budget" in job.line
        assert 0 < job.cost <= job.budget
        budget.change(job, None)
        assert job.enqueue()
        job = work(job)
    assert (job.status, job.ok) == ("done", 40)
    assert job.cost == sum(job.generations.values_list("cost", flat=True))


def test_a_budget_below_what_is_spent_is_refused(project):
    with teacher_server() as server:
        teacher = endpoint(project, server.url, price_in=1000, price_out=1000)
        job = work(started(project, teacher, documents(project, 20), budget=Decimal("0.3")))
    with pytest.raises(ValidationError, match="already spent"):
        budget.change(job, Decimal("0.0001"))


def test_pausing_stores_what_is_in_flight_and_resuming_goes_on(project, monkeypatch):
    monkeypatch.setattr(distillation_attempt, "OBEY_SECONDS", 0)
    monkeypatch.setattr(
        "curation.calls.WAIT_SECONDS", 60
    )  # else a slow first prompt is not waited for, and nothing asked
    with teacher_server(latency=0.1) as server:
        job = started(project, endpoint(project, server.url), documents(project, 12), concurrency=3)
        claim = claims.Claim(Distillation.claim_row(job.pk, 30))
        distillation_job.plan(claim)
        Distillation.objects.filter(pk=job.pk).update(pause_wanted=True)
        with pytest.raises(claims.JobPaused):
            distillation_job.run(claim, endpoints.client_for(job.teacher), Decimal(0), Decimal(0))
        claim.end("paused")
        job.refresh_from_db()
        assert len(server.calls) == job.ok == Record.objects.filter(dataset__name="Answers").count()
        assert 0 < job.ok < 12
        assert job.enqueue()
        job = work(job)
        assert len(server.calls) == 12
    assert (job.status, job.ok) == ("done", 12)


def test_recorded_answers_are_replayed_and_an_unknown_prompt_fails(project, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "1", "prompt": "Brief number 0", "answer": "Plain 0"}\n')
    teacher = endpoints.make_recorded(project, "Sample", path)
    job = work(started(project, teacher, documents(project, 2)))
    assert (job.ok, job.failed, job.teacher_name) == (1, 1, "Sample (recorded answers)")
    assert "no recorded answer" in job.generations.get(outcome="failed").reason


def test_a_second_distillation_can_leave_out_what_is_answered(project):
    source = documents(project, 3)
    with teacher_server() as server:
        teacher = endpoint(project, server.url)
        first = work(started(project, teacher, source, limit=2))
        again = work(started(project, teacher, source, target=first.target, filters={"unanswered": True}))
    assert (again.total, again.ok) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"template": "{{ text"}, "template"),
        ({"template": "{% include 'x' %}"}, "not available"),
        ({"concurrency": 65}, "between 1 and 64"),
        ({"budget": Decimal(1)}, "no prices"),
        ({"sampling": {"temperature": 9}}, "temperature"),
        ({"filters": {"evil__lookup": 1}}, "No filter"),
        ({"filters": {"status": "gone"}}, "No status"),
        ({"limit": 0}, "at least 1"),
        ({"template": "{{ txet }}"}, "fails for each of the first 1 records.*It has: text, topic"),
    ],
)
def test_bad_wishes_get_a_sentence(project, wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        started(project, endpoint(project, "http://127.0.0.1:9/v1"), documents(project, 1), **wrong)
    assert not Distillation.objects.exists()
    assert not Dataset.objects.filter(name="Answers").exists()


def test_answers_cannot_go_into_their_own_source(project):
    source = documents(project, 1)
    with pytest.raises(ValidationError, match="made from"):
        started(project, endpoint(project, "http://127.0.0.1:9/v1"), source, target=source)


def test_a_preview_holds_no_place_of_the_sandbox_while_the_teacher_answers(project):
    free = []
    with teacher_server(reply=lambda body: free.append(sandbox._room.free) or "ok") as server:
        teacher = endpoint(project, server.url)
        job = drafts.draft(
            project, teacher, dataset=documents(project, 3), target=Dataset(project=project, name="x"),
            template="{{ text }}", name="", filters={}, sampling={}, concurrency=2,
        )  # fmt: skip
        gc.collect()  # children that others lost give their places back
        before = sandbox._room.free
        previews.preview(job, endpoints.client_for(teacher))
    assert free == [before] * 3


def test_the_preview_asks_about_three_and_estimates_all(project):
    with teacher_server() as server:
        teacher = endpoint(project, server.url, price_in=Decimal(100), price_out=Decimal(200))
        job = drafts.draft(
            project,
            teacher,
            dataset=documents(project, 10),
            target=Dataset(project=project, name="x"),
            template="{{ text }}",
            name="",
            filters={},
            sampling={},
            concurrency=2,
        )
        tried = previews.preview(job, endpoints.client_for(teacher))
        assert len(server.calls) == 3
    assert [preview.asked for preview in tried] == ["Brief number 0", "Brief number 5", "Brief number 9"]
    assert tried[0].diff
    found = previews.estimate(job, tried)
    assert (found.records, found.counted, found.unusable) == (10, True, 0)
    assert found.prompt_tokens == 30
    assert found.completion_tokens == 50
    assert found.cost == Decimal(30 * 100 + 50 * 200) / 1_000_000


def test_the_preview_says_what_went_wrong(project):
    teacher = endpoint(project, "http://127.0.0.1:9/v1")
    job = drafts.draft(
        project,
        teacher,
        dataset=documents(project, 1),
        target=Dataset(project=project, name="x"),
        template="{{ text }}",
        name="",
        filters={},
        sampling={},
        concurrency=2,
    )
    [tried] = previews.preview(job, endpoints.client_for(teacher))
    assert "running" in tried.error


def test_the_same_idempotency_key_gives_the_same_job(project):
    source, teacher = documents(project, 1), endpoint(project, "http://127.0.0.1:9/v1")
    make = lambda: drafts.start(  # noqa: E731
        drafts.draft(
            project,
            teacher,
            dataset=source,
            target=Dataset(project=project, name="T"),
            template="{{ text }}",
            name="",
            filters={},
            sampling={},
        ),
        None,
        "key-1",
    )
    assert make().pk == make().pk


@pytest.mark.slow
def test_two_hundred_rows_a_second_against_a_teacher_that_takes_200_ms(project):
    with teacher_server(latency=0.2) as server:
        job = started(project, endpoint(project, server.url), documents(project, 1000), concurrency=64)
        began = time.monotonic()
        job = work(job)
        took = time.monotonic() - began
    assert job.ok == 1000
    assert server.most_in_flight <= 64
    assert threading.active_count() < 20
    assert took < patient(10)  # one after the other takes 200 s; tests/bench measures alone


@pytest.mark.parametrize("keeps", [True, False])
def test_the_teachers_reasoning_is_kept_where_it_is_wanted(project, keeps):
    with teacher_server(reply=lambda body: "<think>Hm, hm.</think>A plain brief.") as server:
        source = documents(project, 2)
        job = work(started(project, endpoint(project, server.url), source, keep_thoughts=keeps))
    answer = Record.objects.filter(dataset__name="Answers").first().messages[-1]
    assert text_of(answer) == "A plain brief."
    assert thinking_of(answer) == ("Hm, hm." if keeps else "")
    assert ("left out of the record" in job.generations.first().reason) is not keeps
    assert ("without the teacher's thoughts" in job.line) is not keeps


def test_a_teacher_that_calls_a_tool_makes_no_record(project):
    call = {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Wait.", "tool_calls": [call]},
        "finish_reason": "tool_calls",
    }
    with teacher_server(raw=lambda body: {"choices": [choice]}) as server:
        job = work(started(project, endpoint(project, server.url), documents(project, 1)))
    assert (job.ok, job.failed) == (0, 1)
    assert "called a tool instead of answering: look_up({})" in job.generations.get().reason
