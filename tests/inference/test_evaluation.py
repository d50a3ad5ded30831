"""Evaluations: the ledger, asking, resuming, and the scores."""

import pytest
from django.core.exceptions import ValidationError

from atelier.jobs import claims
from curation.chat import Sampling
from inference import answers, endpoints, evaluation, scores
from inference.models import Deployment, Endpoint, Evaluation
from tests.inference.asking import RULES, conversations, frozen, pair, teacher_server

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


def ready(version, alice, url, count=2, **more):
    return evaluation.create(version, alice, pair(version.project, url, count), **{"rules": RULES, **more})


def run(job, client_for=endpoints.client_for):
    claims.execute(Evaluation, job.pk, lambda claim: evaluation.run(claim, client_for))
    job.refresh_from_db()
    return job


def replying(body):
    """The base shouts, the tuned one answers shortly."""
    return "This is an amazing and much too long answer" if body["model"] == "base" else "A short answer."


def test_every_row_is_asked_of_every_endpoint_and_scored(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
        rows = version.counts()["test"]
        assert len(server.calls) == 2 * rows
        assert {call["temperature"] for call in server.calls} == {0.0}
    assert (job.status, job.done, job.total) == ("done", 2 * rows, 2 * rows)
    assert sum(evaluation.counts(job).values()) == job.total
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


def test_the_last_answer_is_the_reference_and_a_prompt_replaces_the_systems():
    row = {"messages": [
        {"role": "system", "content": "Old"}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "B"},
        {"role": "user", "content": "C"}, {"role": "assistant", "content": "D", "weight": None},
    ]}  # fmt: skip
    prompt, reference = evaluation.asked(row, "")
    assert ([message["content"] for message in prompt], reference) == (["Old", "A", "B", "C"], "D")
    prompt, _ = evaluation.asked(row, "New")
    assert [message["content"] for message in prompt] == ["New", "A", "B", "C"]


def test_preferences_are_measured_against_the_chosen_answer():
    row = {
        "prompt": [{"role": "user", "content": "A"}],
        "chosen": [{"role": "assistant", "content": "Good"}],
        "rejected": [],
    }
    prompt, reference = evaluation.asked(row, "")
    assert (len(prompt), reference) == (1, "Good")


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
        evaluation.plan(claim)
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
        assert evaluation.retry(job)
        server.calls.clear()
        job = run(job)
        assert len(server.calls) == 1
    assert (job.status, evaluation.counts(job)["failed"]) == ("done", 0)


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

        class Cancelling(claims.Claim):
            def progress(self, *args, **kwargs):
                if self.job.done:
                    Evaluation.objects.filter(pk=self.job.pk).update(cancel_wanted=True)
                super().progress(*args, **kwargs)

        claim = Cancelling(Evaluation.claim_row(job.pk, 30))
        with pytest.raises(claims.Cancelled):
            evaluation.run(claim, endpoints.client_for)
    counts = evaluation.counts(job)
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


def test_what_cannot_be_evaluated_is_refused_with_a_sentence(project, version, alice):
    models = pair(project, URL)
    deployment = Deployment.objects.create(project=project, base="small", state="down")
    down = Endpoint.objects.create(project=project, name="Small", kind="served", deployment=deployment)
    for words, wrong in {
        "no split 'other'": {"split": "other"}, "at least one model": {"endpoints": []}, "each once": {"endpoints": [models[0]] * 2},
        "cannot be asked now": {"endpoints": [down]}, "at least one row": {"limit": 0}, "in flight": {"concurrency": 99},
        "not valid TOML": {"rules": "[[rule"}, "unknown kind": {"rules": '[[rule]]\nid="a"\ntitle="b"\nkind="magic"'},
        "temperature": {"sampling": Sampling(temperature=9)},
    }.items():  # fmt: skip
        given = {"endpoints": models, **wrong}
        with pytest.raises(ValidationError, match=words):
            evaluation.create(version, alice, given.pop("endpoints"), **given)
    assert not Evaluation.objects.exists()


def test_a_version_that_is_not_frozen_is_refused(project, alice):
    from curation import versions

    draft = versions.create(conversations(project), alice)
    with pytest.raises(ValidationError, match="not frozen yet"):
        evaluation.create(draft, alice, pair(project, URL))


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


def test_the_same_key_gives_the_same_evaluation(version, alice):
    models = pair(version.project, URL)
    one, two = (evaluation.create(version, alice, models, key="k") for _ in range(2))
    assert one == two


def test_without_rules_only_likeness_and_speed_are_scored(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url, rules=""))
    assert [line.key for line in scores.table(job)][:2] == ["chrf", "words"]
    assert job.answers.first().verdicts == []


def test_the_table_says_which_difference_is_clear(version, alice):
    with teacher_server(reply=replying) as server:
        job = run(ready(version, alice, server.url))
    every = scores.table(job)[0]
    assert [cell.text for cell in every.cells] == ["0%", "100%"]
    assert every.cells[1].clear
    assert every.cells[1].tone == "ok"
    assert every.cells[1].best
    assert every.cells[0].gain == ""
    assert scores.headline(job) == [("Base", "0% keep every rule"), ("Tuned", "100% keep every rule")]


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
        assert answers.page(job, answers.Filters(fails=fails, by=by)).found == found
    row = answers.page(job, answers.Filters()).rows[0]
    assert [answer.endpoint.name for answer in row.answers] == ["Base", "Tuned"]


def test_the_csv_cannot_start_a_formula_and_the_jsonl_is_exact(version, alice):
    with teacher_server(reply=lambda body: '=HYPERLINK("http://x")') as server:
        job = run(ready(version, alice, server.url, 1))
    assert "'=HYPERLINK" in "".join(answers.as_csv(job))
    jsonl = b"".join(answers.as_jsonl(job)).decode()
    assert '"text":"=HYPERLINK' in jsonl
    assert len(jsonl.splitlines()) == job.total
