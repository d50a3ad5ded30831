"""Tools in comparisons: offered to every side, their calls shown and saved; what must not be known before the vote is not."""

import json

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.urls import reverse

from curation.chat import text_of, thinking_of
from inference import endpoints
from inference.comparisons import records, streams, turns, votes
from inference.models import Deployment, Endpoint, Reply
from tests.conftest import signed_in
from tests.inference.asking import comparing, said, teacher_server

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "<b>Weather</b>", "parameters": {"type": "object"}},
}


def piece(delta, why=None):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": why}]}


def calling(body):
    """Return the pieces of a call that has markup in its argument, and of a call of an unknown tool."""
    first = {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city": "<script>x'}}
    return [
        piece({"tool_calls": [first]}),
        piece({"tool_calls": [{"index": 0, "function": {"arguments": '</script>"}'}}]}),
        piece({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "stocks", "arguments": "{"}}]}),
        piece({}, "tool_calls"),
    ]


def written(comparison, user, prompt="Weather?"):
    turn = turns.say(comparison, user, prompt)
    pks = [reply.pk for reply in turn.replies.all()]
    async_to_sync(streams.write_all)(pks, endpoints.client_for)
    return list(Reply.objects.filter(pk__in=pks).select_related("turn__comparison", "side__endpoint"))


def page_of(comparison, user):
    return (
        signed_in(user)
        .get(reverse("inference:comparison", args=[comparison.project_id, comparison.pk]))
        .content.decode()
    )


@pytest.mark.django_db(transaction=True)
def test_calls_are_shown_escaped_and_saved_with_the_tools(project, alice):
    with teacher_server(raw=calling) as server:
        comparison = comparing(project, alice, server.url, tools=[WEATHER])
        first, _ = written(comparison, alice)
        assert all(sent["tools"] == [WEATHER] for sent in server.calls)
        assert [one["function"]["name"] for one in first.tool_calls] == ["weather", "stocks"]
        assert (first.state, first.is_cut, first.is_empty) == ("done", False, False)
        page = page_of(comparison, alice)
        assert "&lt;script&gt;x&lt;/script&gt;" in page
        assert "<script>x" not in page
        assert "<b>Weather" not in page
        assert "“stocks” is unknown" in page
        assert "not valid JSON" in page
        assert "Empty answer" not in page
        record = records.keep_answer(first, alice, "", None, "Calls")
        assert record.tools == [WEATHER]
        assert record.messages[-1]["tool_calls"] == first.tool_calls
        turns.say(comparison, alice, "And tomorrow?")
        last = comparison.turns.last().replies.first()
        assert [message["role"] for message in turns.context(last)] == ["user"], "a call without its result isn't sent"


def test_a_preference_keeps_calls(project, alice):
    comparison = comparing(project, alice, "http://127.0.0.1:9/v1", tools=[WEATHER])
    turn = said(comparison, alice)
    best, _ = turn.replies.all()
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turn.replies.filter(pk=best.pk).update(text="", tool_calls=[call])
    votes.cast(turn, alice, "side", best)
    record = records.keep_vote(turn, alice)
    assert record.chosen == [{"role": "assistant", "content": "", "tool_calls": [call]}]
    assert record.rejected[0]["content"].startswith("Tuned says")
    assert record.tools == [WEATHER]


@pytest.mark.parametrize(
    "tools",
    [{"a": 1}, ["weather"], [{"type": "function"}], [{"type": "function", "function": {"name": "a b"}}], [WEATHER, WEATHER],
     [{"type": "function", "function": {"name": "a", "parameters": 7}}], [{"type": "function", "function": {"name": "a", "description": "\x00"}}]],
)  # fmt: skip
def test_tools_in_no_form_are_refused_with_a_sentence(project, alice, bob_api, tools):
    with pytest.raises(ValidationError):
        comparing(project, alice, "http://127.0.0.1:9/v1", tools=tools)
    pks = list(project.endpoints.values_list("pk", flat=True))
    answer = signed_in(alice).post(
        reverse("inference:new_comparison", args=[project.pk]),
        {"endpoints": pks, "tools": json.dumps(tools), "temperature": 0.3, "top_p": 1, "max_tokens": 30},
    )
    assert answer.status_code == 422
    assert not project.comparisons.exists()


@pytest.mark.parametrize("default", ["NaN", "1e999", "9" * 5000, "[" * 200 + "]" * 200, "[" * 50_000 + "]" * 50_000])
def test_tools_that_cannot_be_stored_are_refused_on_the_page(project, alice, default):
    comparing(project, alice, "http://127.0.0.1:9/v1")
    pks = list(project.endpoints.values_list("pk", flat=True))
    tools = f'[{{"type": "function", "function": {{"name": "a", "parameters": {{"default": {default}}}}}}}]'
    answer = signed_in(alice).post(
        reverse("inference:new_comparison", args=[project.pk]),
        {"endpoints": pks, "tools": tools, "temperature": 0.3, "top_p": 1, "max_tokens": 30},
    )
    assert answer.status_code == 422
    assert project.comparisons.count() == 1


def test_ids_of_calls_wait_for_the_vote_of_a_blind_comparison(project, alice, api_of_alice):
    comparison = comparing(project, alice, "http://127.0.0.1:9/v1", blind=True, tools=[WEATHER])
    turn = said(comparison, alice)
    call = {"id": "chatcmpl-tool-1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turn.replies.update(tool_calls=[call])
    url = f"/api/projects/{project.pk}/comparisons/{comparison.pk}/answers"
    told = [answer["tool_calls"] for answer in api_of_alice.get(url).json()[0]["answers"]]
    assert told == [[call | {"id": ""}]] * 2
    votes.cast(turn, alice, "tie")
    told = [answer["tool_calls"] for answer in api_of_alice.get(url).json()[0]["answers"]]
    assert told == [[call]] * 2


def test_a_base_that_takes_no_tools_is_refused(project, alice, monkeypatch):
    deployment = Deployment.objects.create(project=project, base="smollm2-135m-instruct")
    served = [
        Endpoint.objects.create(project=project, name=name, kind="served", deployment=deployment) for name in ("a", "b")
    ]
    monkeypatch.setattr(turns, "why_not_ready", lambda _: "")
    with pytest.raises(ValidationError, match="can't be offered tools"):
        turns.create(project, alice, served, tools=[WEATHER])
    assert turns.create(project, alice, served).tools == []


def test_reasoning_and_errors_wait_for_the_vote_of_a_blind_comparison(project, alice, api_of_alice):
    comparison = comparing(project, alice, "http://127.0.0.1:9/v1", blind=True)
    turn = said(comparison, alice)
    thinker, failed = turn.replies.all()
    turn.replies.filter(pk=thinker.pk).update(
        reasoning="As a thinker, I think.", finish_reason="model_length", is_cut=True
    )
    turn.replies.filter(pk=failed.pk).update(state="failed", text="", error="The endpoint at http://secret:9 is away.")
    url = f"/api/projects/{project.pk}/comparisons/{comparison.pk}/answers"
    hidden, told = page_of(comparison, alice), api_of_alice.get(url).json()[0]["answers"]
    for secret in ("As a thinker", "secret:9", "model_length"):
        assert secret not in hidden + json.dumps(told)
    assert "after your vote" in hidden
    assert {answer["reasoning"] for answer in told} == {None}
    events = b"".join(async_to_sync(_events)(thinker.pk))
    assert b"As a thinker" not in events
    votes.cast(turn, alice, "tie")
    assert "As a thinker" in page_of(comparison, alice)
    assert "secret:9" in page_of(comparison, alice)


async def _events(pk):
    return [sent async for sent in streams.events(pk, endpoints.client_for, may_write=False, may_tell=False)]


def test_an_answer_of_a_blind_comparison_is_saved_after_the_vote(project, alice, api_of_alice):
    comparison = comparing(project, alice, "http://127.0.0.1:9/v1", blind=True)
    turn = said(comparison, alice)
    reply = turn.replies.first()
    args = [project.pk, comparison.pk, reply.pk]
    url = reverse("inference:save_answer", args=args)
    rest = f"/api/projects/{project.pk}/comparisons/{comparison.pk}/replies/{reply.pk}/save"
    for sent in (signed_in(alice).get(url), signed_in(alice).post(url, {"text": "Yes.", "new_name": "Saved"})):
        assert sent.status_code == 400
    assert api_of_alice.post(rest, "{}", content_type="application/json").status_code == 422
    assert not Reply.objects.exclude(record=None).exists()
    votes.cast(turn, alice, "tie")
    assert signed_in(alice).get(url).status_code == 200
    assert api_of_alice.post(rest, "{}", content_type="application/json").status_code == 201


@pytest.mark.parametrize("thoughts", [True, False])
def test_reasoning_is_saved_where_it_is_wanted(project, alice, thoughts):
    turn = said(comparing(project, alice, "http://127.0.0.1:9/v1"), alice)
    turn.replies.update(reasoning="Let me see.")
    reply = turn.replies.first()
    form = {"text": reply.text, "new_name": "Saved"} | ({"thoughts": "on"} if thoughts else {})
    url = reverse("inference:save_answer", args=[project.pk, turn.comparison_id, reply.pk])
    assert signed_in(alice).post(url, form).status_code == 302
    reply.refresh_from_db()
    answer = reply.record.messages[-1]
    assert text_of(answer) == reply.text
    assert thinking_of(answer) == ("Let me see." if thoughts else "")
    assert reply.record.metadata.get("reasoning") == (None if thoughts else "left out")


@pytest.mark.parametrize(
    ("fields", "label"),
    [({"text": "\u200b "}, "Empty"), ({"text": "", "refusal": "I will not."}, "Refusal"), ({"text": "I'm sorry, but I can't help with that."}, "Refusal")],
)  # fmt: skip
def test_answers_that_say_nothing_are_marked(project, alice, fields, label):
    turn = said(comparing(project, alice, "http://127.0.0.1:9/v1"), alice)
    turn.replies.update(**fields)
    page = page_of(turn.comparison, alice)
    assert page.count(f">{label}<") >= 2 or page.count(label) >= 2
    if "refusal" in fields:
        assert "I will not." in page
