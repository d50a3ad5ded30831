"""Evaluations: asking, resuming, and the scores."""

import csv
import io

import pytest

from atelier.jobs import claims
from inference import endpoints
from inference.evaluations import answers, ledger, scores
from inference.evaluations import job as evaluation_job
from inference.models import Deployment, Evaluation
from tests.inference.asking import RULES, frozen, pair, teacher_server

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


def ready(version, alice, url, count=2, **more):
    return ledger.create(version, alice, pair(version.project, url, count), **{"rules": RULES, **more})


def run(job, client_for=endpoints.client_for):
    claims.execute(Evaluation, job.pk, lambda claim: evaluation_job.run(claim, client_for))
    job.refresh_from_db()
    return job


def replying(body):
    """Return an answer: a long one by the base, a short one by the tuned model."""
    return "This is an amazing and much too long answer" if body["model"] == "base" else "A short answer."


def test_every_row_is_asked_of_every_endpoint_and_scored(project, alice):
    version = frozen(project, alice, count=40)
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
        rows = version.counts()["test"]
        assert len(server.calls) == 2 * rows
        assert {call["temperature"] for call in server.calls} == {0.0}
    assert (job.status, job.done, job.total) == ("done", 2 * rows, 2 * rows)
    assert sum(ledger.counts(job).values()) == job.total
    base, tuned = (job.scores["endpoints"][str(entrant["id"])] for entrant in job.entrants)
    assert (base["every"]["value"], tuned["every"]["value"]) == (0.0, 1.0)
    assert tuned["group:shape"]["kept"] == rows
    assert tuned["against_first"]["every"]["clear"]
    assert tuned["against_first"]["every"]["value"] == 1.0
    assert 0 < tuned["chrf"]["value"] < 100
    assert tuned["words"]["value"] == 3
    assert tuned["latency_p95"] >= tuned["latency_p50"] > 0
    assert tuned["tokens_per_second"] > 0


def test_the_prompt_is_the_conversation_before_its_last_answer(version, alice):
    with teacher_server() as server:
        job = run(ready(version, alice, server.url, 1, system_prompt="Be plain."))
        sent = server.calls[0]["messages"]
    assert [message["role"] for message in sent] == ["system", "user"]
    assert sent[0]["content"] == "Be plain."
    answer = job.answers.first()
    assert answer.reference.startswith("Answer ")
    assert answer.record.messages[0]["content"] == answer.prompt[-1]["content"]


def test_a_second_run_asks_only_what_is_missing(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
        first = job.answers.first()
        job.answers.filter(pk=first.pk).update(outcome="pending", text="")
        Evaluation.objects.filter(pk=job.pk).update(status="queued")
        server.calls.clear()
        job = run(job)
        assert len(server.calls) == 1
    assert job.status == "done"
    assert job.done == job.total == job.answers.filter(outcome="ok").count()


def test_a_killed_run_goes_on_where_it_was(version, alice):
    """What a dead worker leaves: a half ledger and a row that says running."""
    with teacher_server(reply=replying) as server:
        job = ready(version, alice, server.url)
        claim = claims.Claim(Evaluation.claim_row(job.pk, 30))
        ledger.plan(claim)
        half = list(job.answers.values_list("pk", flat=True))[::2]
        job.answers.filter(pk__in=half).delete()
        Evaluation.objects.filter(pk=job.pk).update(status="queued")
        job = run(job)
        assert len(server.calls) == job.total
    assert job.status == "done"
    assert job.answers.count() == job.total


def test_failed_calls_are_named_and_retry_asks_them_again(version, alice):
    with teacher_server(reply=replying, faults=["401"]) as server:
        job = run(ready(version, alice, server.url, 1, concurrency=1))
        assert job.status == "done"
        assert "1 failed" in job.line
        failed = job.answers.get(outcome="failed")
        assert "API key" in failed.reason
        assert job.scores["endpoints"][str(failed.endpoint_id)]["failed"] == 1
        assert job.retry()
        server.calls.clear()
        job = run(job)
        assert len(server.calls) == 1
    assert (job.status, ledger.counts(job)["failed"]) == ("done", 0)


def test_an_endpoint_that_keeps_failing_ends_the_run_with_its_words(project, alice):
    version = frozen(project, alice, count=60)
    with teacher_server(faults=["401"] * 500) as server:
        job = run(ready(version, alice, server.url, 1))
        assert len(server.calls) < 20
    assert job.status == "failed"
    assert "Base keeps failing" in job.error
    assert "API key" in job.error


def test_cancel_keeps_what_was_answered(version, alice):
    with teacher_server(reply=replying, latency=0.3) as server:
        job = ready(version, alice, server.url, 2, concurrency=1)

        class CancellingClaim(claims.Claim):
            def progress(self, *args, **kwargs):
                if self.job.done:
                    Evaluation.objects.filter(pk=self.job.pk).update(cancel_wanted=True)
                super().progress(*args, **kwargs)

        claim = CancellingClaim(Evaluation.claim_row(job.pk, 30))
        with pytest.raises(claims.JobCancelled):
            evaluation_job.run(claim, endpoints.client_for)
    counts = ledger.counts(job)
    assert counts["ok"] >= 1
    assert counts["pending"] >= 1


def test_no_more_calls_are_in_flight_than_wished(project, alice):
    version = frozen(project, alice, count=40)
    with teacher_server(reply=replying, latency=0.05) as server:
        run(ready(version, alice, server.url, 1, concurrency=3))
        assert 1 < server.most_in_flight <= 3


def test_a_limit_takes_the_first_rows(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url, limit=1))
        assert len(server.calls) == 2
    assert job.total == 2


def test_an_endpoint_taken_down_meanwhile_fails_the_job_with_what_to_do(version, alice):
    job = ready(version, alice, URL, 1)
    endpoint = job.endpoints.get()
    endpoint.kind, endpoint.deployment = (
        "served",
        Deployment.objects.create(project=version.project, base="b", state="down"),
    )
    endpoint.save()
    job = run(job)
    assert job.status == "failed"
    assert "Models" in job.error


def test_without_rules_only_likeness_and_speed_are_scored(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url, rules=""))
    assert [line.key for line in scores.table(job)][:4] == ["chrf", "cut", "flawed", "words"]
    assert job.answers.first().verdicts == []


def test_the_table_says_which_difference_is_clear(project, alice):
    version = frozen(project, alice, count=40)
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    every = scores.table(job)[0]
    assert [cell.text for cell in every.cells] == ["0%", "100%"]
    assert every.cells[1].clear
    assert every.cells[1].certainty == "significant"
    assert every.cells[1].tone == "ok"
    assert every.cells[1].best
    assert every.cells[0].gain == ""
    assert scores.headline(job) == [("Base", "0% follow every rule"), ("Tuned", "100% follow every rule")]


def test_of_few_rows_the_table_says_too_few_to_tell(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    every = scores.table(job)[0].cells[1]
    assert (every.gain, every.certainty, every.clear, every.tone) == ("+100 points", "too few to tell", False, "")
    assert all("to" not in cell.interval for cell in scores.table(job)[-4].cells)  # words: no interval of few rows


@pytest.mark.parametrize("reason", ["length", "model_length", "content_filter", "error", "abort"])
def test_cut_answers_are_counted_and_warned_of(version, alice, reason):
    with teacher_server(reply=replying, finish=reason) as server:
        job = run(ready(version, alice, server.url, 1))
    rows = version.counts()["test"]
    assert set(job.answers.values_list("is_cut", "finish_reason")) == {(True, reason)}
    assert job.scores["endpoints"][str(job.entrants[0]["id"])]["cut"] == rows
    assert [line.cells[0].text for line in scores.table(job) if line.key == "cut"] == [f"{rows} of {rows}"]
    (sentence,) = scores.warnings(job)
    assert sentence.startswith(f"{rows} of {rows} answers of Base were cut off")
    assert answers.page(job, answers.AnswerFilters(fails="cut")).found == rows
    line = next(csv.DictReader(io.StringIO("".join(answers.as_csv(job)), newline="")))
    assert (line["cut"], line["finish_reason"]) == ("1", reason)


def test_whole_answers_are_not_warned_of(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    assert scores.warnings(job) == []
    assert not job.answers.filter(is_cut=True).exists()
    assert answers.plain(job.answers.first())["finish_reason"] == "stop"


def test_what_was_scored_before_the_exact_tests_is_not_called_significant(project, alice):
    version = frozen(project, alice, count=40)
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    for found in job.scores["endpoints"][str(job.entrants[1]["id"])]["against_first"].values():
        for key in ("p", "p_adjusted", "too_few"):
            del found[key]
    assert not scores.table(job)[0].cells[1].clear
    assert scores.table(job)[0].cells[1].certainty == ""


def test_rows_can_be_filtered_to_those_that_break_a_rule(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    base, tuned = (str(entrant["id"]) for entrant in job.entrants)
    rows = version.counts()["test"]
    for fails, by, found in (
        ("hype", "", rows),
        ("hype", tuned, 0),
        ("any", base, rows),
        ("failed", "", 0),
        ("no' OR 1", "", 0),
    ):
        assert answers.page(job, answers.AnswerFilters(fails=fails, by=by)).found == found
    row = answers.page(job, answers.AnswerFilters()).rows[0]
    assert [answer.endpoint.name for answer in row.answers] == ["Base", "Tuned"]


def test_the_csv_cannot_start_a_formula_and_the_jsonl_is_exact(version, alice):
    with teacher_server(reply=lambda body: '=HYPERLINK("http://x")') as server:
        job = run(ready(version, alice, server.url, 1))
    assert "'=HYPERLINK" in "".join(answers.as_csv(job))
    for begin in ("  =", "＝", "＠", "\t", " +", "-", "\r\n@"):
        job.answers.update(text=f"{begin}SUM(1)")
        texts = [line["text"] for line in csv.DictReader(io.StringIO("".join(answers.as_csv(job)), newline=""))]
        assert set(texts) == {f"'{begin}SUM(1)"}
    job.answers.update(text='=HYPERLINK("http://x")')
    jsonl = b"".join(answers.as_jsonl(job)).decode()
    assert '"text":"=HYPERLINK' in jsonl
    assert len(jsonl.splitlines()) == job.total
