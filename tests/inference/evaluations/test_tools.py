"""Evaluations of rows with tools: the tools are sent, calls are scored, and what says nothing is no good answer."""

import pytest
from django.urls import reverse

from atelier.jobs import claims
from inference import endpoints
from inference.evaluations import answers, ledger, scores
from inference.evaluations import job as evaluation_job
from inference.models import Deployment, Evaluation
from tests.conftest import signed_in
from tests.inference.asking import RULES, frozen, pair, teacher_server

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "<b>Weather</b>", "parameters": {"type": "object"}},
}
ASKED = {"role": "user", "content": "Weather in Lyon?"}


def call(name="weather", arguments='{"city": "Lyon", "days": 2}', named="abc123def"):
    return {"id": named, "type": "function", "function": {"name": name, "arguments": arguments}}


ROWS = [
    {"tools": [WEATHER], "messages": [ASKED, {"role": "assistant", "content": "", "tool_calls": [call()]}]},
    {"tools": [WEATHER], "messages": [
        ASKED, {"role": "assistant", "content": "", "tool_calls": [call()]},
        {"role": "tool", "tool_call_id": "abc123def", "content": "Rain"}, {"role": "assistant", "content": "Rain all day."},
    ]},
    {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Good day."}]},
]  # fmt: skip


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


def run(version, alice, url, monkeypatch, rows=ROWS, count=1, **more):
    """Run an evaluation of these rows in place of the version's."""
    monkeypatch.setattr(ledger.version_files, "numbered", lambda *_: enumerate(rows, 1))
    monkeypatch.setattr(type(version), "counts", lambda _: {"train": 1, "validation": 1, "test": len(rows)})
    job = ledger.create(version, alice, pair(version.project, url, count), **{"rules": RULES, **more})
    claims.execute(Evaluation, job.pk, lambda claim: evaluation_job.run(claim, endpoints.client_for))
    job.refresh_from_db()
    return job


def saying(**message):
    why = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": why}]
    }


def knowing(body):
    """Return what a good model says: the call when asked, the result in words, and plain words without tools."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return saying(content="Rain all day.")
    if body.get("tools"):
        return saying(tool_calls=[call(arguments={"days": 2, "city": "Lyon"}, named=None)])
    return saying(content="Good day.")


def test_a_right_call_is_right_whatever_the_order_of_its_keys(version, alice, monkeypatch):
    with teacher_server(raw=knowing) as server:
        job = run(version, alice, server.url, monkeypatch)
        assert sorted(bool(sent.get("tools")) for sent in server.calls) == [False, True, True]  # they go at once
        [answered] = [sent for sent in server.calls if sent["messages"][-1]["role"] == "tool"]
        assert answered["messages"][1]["tool_calls"][0]["function"]["name"] == "weather"
    assert ledger.counts(job) == {"pending": 0, "ok": 3, "failed": 0, "skipped": 0}
    first, second, third = job.answers.order_by("row")
    assert (first.calls_right, first.calls_why, first.is_cut, first.flaw) == (True, "", False, "")
    assert (first.verdicts, first.chrf) == ([], None), "nothing was to be written"
    assert (second.calls_right, second.text) == (True, "Rain all day.")
    assert second.chrf == 100
    assert third.calls_right is None
    (figures,) = job.scores["endpoints"].values()
    assert (figures["calls"]["kept"], figures["calls"]["of"]) == (2, 2)
    assert (figures["every"]["kept"], figures["every"]["of"]) == (2, 2)
    assert figures["flawed"] == 0
    assert "Right call" in [line.label for line in scores.table(job)]


WRONG = {
    "another tool": (saying(tool_calls=[call("stocks")]), "instead of"),
    "another argument": (saying(tool_calls=[call(arguments='{"city": "Rome", "days": 2}')]), "instead of"),
    "an argument too few": (saying(tool_calls=[call(arguments='{"city": "Lyon"}')]), "instead of"),
    "broken arguments": (saying(tool_calls=[call(arguments='{"city": "Ly')]), "instead of"),
    "a call too many": (saying(tool_calls=[call(), call(named="b")]), "A call too many"),
    "words": (saying(content="It may rain."), "No tool was called"),
    "nothing": (saying(content=""), "No tool was called"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_told_in_words_and_found_by_its_filter(version, alice, monkeypatch, name):
    said, words = WRONG[name]
    with teacher_server(raw=lambda body: said) as server:
        job = run(version, alice, server.url, monkeypatch, rows=ROWS[:1])
    answer = job.answers.get()
    assert answer.calls_right is False
    assert words in answer.calls_why
    assert [row.number for row in answers.page(job, answers.AnswerFilters(fails="calls:wrong")).rows] == [1]
    page = signed_in(alice).get(reverse("inference:evaluation", args=[version.project_id, job.pk])).content.decode()
    assert "weather" in page
    assert "<b>Weather" not in page
    assert "calls_right" in b"".join(answers.as_jsonl(job)).decode()
    assert "calls" in "".join(answers.as_csv(job)).splitlines()[0]


SILENT = {
    "": "blank", "  \n": "blank", "\u200b\u2060": "blank", "\ufeff": "blank", "I'm sorry, but I can't help with that.": "refusal",
}  # fmt: skip


@pytest.mark.parametrize("text", SILENT)
def test_an_answer_that_says_nothing_follows_no_rule(version, alice, monkeypatch, text):
    with teacher_server(raw=lambda body: saying(content=text)) as server:
        job = run(version, alice, server.url, monkeypatch, rows=ROWS[2:])
    answer = job.answers.get()
    assert answer.flaw == SILENT[text]
    assert not any(verdict["ok"] for verdict in answer.verdicts)
    assert answer.chrf == 0
    (figures,) = job.scores["endpoints"].values()
    assert (figures["flawed"], figures["every"]["kept"], figures["every"]["of"]) == (1, 0, 1)
    assert answers.page(job, answers.AnswerFilters(fails="flaw:any")).found == 1


def test_the_field_refusal_is_a_refusal_and_is_shown(version, alice, monkeypatch):
    with teacher_server(raw=lambda body: saying(refusal="No <i>weather</i> today.")) as server:
        job = run(version, alice, server.url, monkeypatch, rows=ROWS[2:])
    answer = job.answers.get()
    assert (answer.flaw, answer.text) == ("refusal", "No <i>weather</i> today.")
    page = signed_in(alice).get(reverse("inference:evaluation", args=[version.project_id, job.pk])).content.decode()
    assert "No &lt;i&gt;weather&lt;/i&gt; today." in page


def test_where_the_reference_refuses_a_refusal_is_an_answer(version, alice, monkeypatch):
    refusal = "I'm sorry, but I can't help with that."
    rows = [{"messages": [ASKED, {"role": "assistant", "content": refusal}]}]
    with teacher_server(raw=lambda body: saying(content=refusal)) as server:
        job = run(version, alice, server.url, monkeypatch, rows=rows)
    assert (job.answers.get().flaw, job.answers.get().chrf) == ("", 100)


def test_a_base_that_takes_no_tools_is_not_asked_with_them_and_the_row_says_why(version, alice, monkeypatch):
    with teacher_server(raw=knowing) as server:
        (model,) = pair(version.project, server.url, 1)
        model.kind, model.deployment = (
            "served",
            Deployment.objects.create(project=version.project, base="smollm2-135m-instruct"),
        )
        model.save()
        monkeypatch.setattr(ledger.turns, "why_not_ready", lambda _: "")
        monkeypatch.setattr(ledger.version_files, "numbered", lambda *_: enumerate(ROWS, 1))
        monkeypatch.setattr(type(version), "counts", lambda _: {"train": 1, "validation": 1, "test": len(ROWS)})
        job = ledger.create(version, alice, [model])
        ledger.plan(claims.Claim(Evaluation.claim_row(job.pk, 30)))
    assert ledger.counts(job) == {"pending": 1, "ok": 0, "failed": 0, "skipped": 2}
    assert "SmolLM2 135M Instruct can't be offered tools" in job.answers.filter(outcome="skipped").first().reason
