"""Calls of tools: sent tools, and calls taken from replies in whatever form servers write them, whole and in streams."""

import json
from typing import Any

import pytest

from atelier.network.outbound import Gate
from curation.chat import Answer, Sampling
from inference.clients.base import CallLimits, StreamedAnswer, for_endpoint
from inference.clients.mistral import MistralClient
from inference.clients.openai import OpenAIClient
from inference.clients.recorded import RecordedClient
from inference.recorded_process import AnswersError, read_answers
from tests.fakes.loopback import EVERY_PORT
from tests.fakes.openai_server import FakeOpenAI, Plan

ASK = [{"role": "user", "content": "What is the weather in Lyon?"}]
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
LYON = {"id": "abc123def", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lyon"}'}}
KINDS = {"openai": OpenAIClient, "mistral": MistralClient}


def reply(message: dict[str, Any], why: str = "tool_calls") -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": why}]}


def pieces(*deltas: dict[str, Any], why: str = "tool_calls") -> list[dict[str, Any]]:
    said = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    return [*said, {"choices": [{"index": 0, "delta": {}, "finish_reason": why}]}]


async def completed(raw: Any, kind: str = "openai", tools: Any = (WEATHER,)) -> tuple[Answer, dict[str, Any]]:
    async with (
        FakeOpenAI(Plan(raw=lambda body: raw)) as server,
        KINDS[kind](server.url, "fake", "", CallLimits(), Gate(EVERY_PORT)) as client,
    ):
        return await client.complete(ASK, Sampling(), tools), server.calls[0]


async def streamed(raw: Any, kind: str = "openai") -> Answer:
    async with (
        FakeOpenAI(Plan(raw=lambda body: raw)) as server,
        KINDS[kind](server.url, "fake", "", CallLimits(), Gate(EVERY_PORT)) as client,
    ):
        deltas = [delta async for delta in client.stream(ASK, Sampling(), [WEATHER])]
    assert server.calls[0]["tools"] == [WEATHER]
    assert deltas[-1].answer is not None
    return deltas[-1].answer


def listed(answer: Answer) -> list[tuple[str, str]]:
    return [(one["function"]["name"], one["function"]["arguments"]) for one in answer.tool_calls]


@pytest.mark.parametrize("kind", KINDS)
async def test_tools_are_sent_and_a_call_is_a_whole_answer(kind: str) -> None:
    answer, sent = await completed(reply({"content": None, "tool_calls": [LYON]}), kind)
    assert sent["tools"] == [WEATHER]
    assert answer.tool_calls == (LYON,)
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert answer.is_whole
    assert not answer.is_blank


async def test_without_tools_the_field_is_not_sent_and_a_flat_tool_is_put_in_form() -> None:
    _, sent = await completed(reply({"content": "Hi"}, "stop"), tools=())
    assert "tools" not in sent
    _, sent = await completed(reply({"content": "Hi"}, "stop"), tools=[WEATHER["function"]])
    assert sent["tools"] == [WEATHER]


SEVERAL = [LYON, {**LYON, "id": "xyz", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]
ODD: dict[str, tuple[dict[str, Any], str, list[tuple[str, str]]]] = {
    "arguments as an object": (
        {"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": {"city": "Lyon"}}}]}, "tool_calls",
        [("weather", '{"city": "Lyon"}')],
    ),
    "broken arguments": (
        {"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": '{"city": "Ly'}}]}, "tool_calls",
        [("weather", '{"city": "Ly')],
    ),
    "several calls": ({"tool_calls": SEVERAL}, "tool_calls", [("weather", '{"city": "Lyon"}'), ("weather", '{"city": "Rome"}')]),
    "no ids": (
        {"tool_calls": [{"function": one["function"]} for one in SEVERAL]}, "tool_calls",
        [("weather", '{"city": "Lyon"}'), ("weather", '{"city": "Rome"}')],
    ),
    "the same id twice": (
        {"tool_calls": [LYON, {**SEVERAL[1], "id": LYON["id"]}]}, "tool_calls",
        [("weather", '{"city": "Lyon"}'), ("weather", '{"city": "Rome"}')],
    ),
    "the old function_call": ({"content": None, "function_call": LYON["function"]}, "function_call", [("weather", '{"city": "Lyon"}')]),
    "a call and a text": ({"content": "Let me see.", "tool_calls": [LYON]}, "tool_calls", [("weather", '{"city": "Lyon"}')]),
    "an unknown tool": ({"tool_calls": [{"id": "1", "function": {"name": "stocks", "arguments": "{}"}}]}, "tool_calls", [("stocks", "{}")]),
    "ended with stop": ({"tool_calls": [LYON]}, "stop", [("weather", '{"city": "Lyon"}')]),
    "no arguments": ({"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": None}}]}, "tool_calls", [("weather", "{}")]),
    "empty arguments": ({"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": ""}}]}, "tool_calls", [("weather", "{}")]),
    "flat": ({"tool_calls": [{"id": "1", "name": "weather", "arguments": '{"city": "Lyon"}'}]}, "tool_calls", [("weather", '{"city": "Lyon"}')]),
    "one call in no list": ({"tool_calls": LYON}, "tool_calls", [("weather", '{"city": "Lyon"}')]),
    "a list of arguments": ({"tool_calls": [{"id": "1", "function": {"name": "weather", "arguments": ["Lyon"]}}]}, "tool_calls", [("weather", '["Lyon"]')]),
    "NUL and half a character": (
        {"tool_calls": [{"id": "a\x00", "function": {"name": "wea\x00ther", "arguments": '{"city": "\ud800"}'}}]}, "tool_calls",
        [("wea\ufffdther", '{"city": "\ufffd"}')],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_odd_replies_become_calls_in_the_one_form(name: str) -> None:
    message, why, wanted = ODD[name]
    answer, _ = await completed(reply(message, why))
    assert listed(answer) == wanted
    assert answer.is_whole
    ids = [one["id"] for one in answer.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert answer.text == (message.get("content") or "")


@pytest.mark.parametrize(
    "calls", [None, [], "weather", 7, [None], ["weather"], [{}], [{"function": {}}], [{"function": "weather"}]]
)
async def test_what_is_no_call_is_no_call_and_a_reply_that_promised_one_is_half(calls: Any) -> None:
    answer, _ = await completed(reply({"content": None, "tool_calls": calls}))
    assert answer.tool_calls == ()
    assert not answer.is_whole
    assert "contains no call" in answer.half_reason
    assert answer.is_blank


@pytest.mark.parametrize("why", ["length", "content_filter", "error", ""])
async def test_a_call_that_was_cut_is_no_whole_answer(why: str) -> None:
    answer, _ = await completed(reply({"tool_calls": [LYON]}, why))
    assert answer.tool_calls
    assert not answer.is_whole


def in_pieces(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return pieces({"role": "assistant", "content": None}, *({"tool_calls": [one]} for one in more))


STREAMS: dict[str, list[dict[str, Any]]] = {
    "as OpenAI": in_pieces(
        {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"ci'}}, {"index": 0, "function": {"arguments": 'ty": "Lyon"}'}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 1, "function": {"arguments": '{"city": "Rome"}'}},
    ),
    "woven together": in_pieces(
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city"'}},
        {"index": 1, "id": "b", "function": {"name": "weather", "arguments": '{"city"'}},
        {"index": 0, "function": {"arguments": ': "Lyon"}'}}, {"index": 1, "function": {"arguments": ': "Rome"}'}},
    ),
    "whole, as Mistral": in_pieces(
        {"id": "a", "function": {"name": "weather", "arguments": '{"city": "Lyon"}'}},
        {"id": "b", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    ),
    "all with number 0": in_pieces(
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city": "Lyon"}'}},
        {"index": 0, "id": "b", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    ),
    "id and name with every piece": in_pieces(
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"city": '}},
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": '"Lyon"}'}},
        {"index": 1, "id": "b", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
    ),
    "without numbers": in_pieces(
        {"id": "a", "function": {"name": "weather", "arguments": '{"city": '}}, {"function": {"arguments": '"Lyon"}'}},
        {"id": "b", "function": {"name": "weather", "arguments": '{"city": '}}, {"function": {"arguments": '"Rome"}'}},
    ),
    "as objects": in_pieces(
        {"index": 0, "id": "a", "function": {"name": "weather", "arguments": {"city": "Lyon"}}},
        {"index": 1, "id": "b", "function": {"name": "weather", "arguments": {"city": "Rome"}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STREAMS)
async def test_calls_in_pieces_are_joined(name: str, kind: str) -> None:
    answer = await streamed(STREAMS[name], kind)
    assert [json.loads(arguments)["city"] for _, arguments in listed(answer)] == ["Lyon", "Rome"]
    assert [one["id"] for one in answer.tool_calls] == ["a", "b"]
    assert answer.is_whole


async def test_an_old_function_call_in_pieces_is_joined() -> None:
    answer = await streamed(
        pieces({"function_call": {"name": "weather", "arguments": ""}}, {"function_call": {"arguments": '{"city": "Lyon"}'}},
               why="function_call")
    )  # fmt: skip
    assert listed(answer) == [("weather", '{"city": "Lyon"}')]


def test_halves_of_a_character_in_two_pieces_are_joined() -> None:
    gathering = StreamedAnswer("m")
    for half in ('{"city": "\ud83d', '\ude00"}'):
        gathering.take(
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "w", "arguments": half}}]}}]}
        )
    gathering.end()
    assert listed(gathering.answer()) == [("w", '{"city": "\U0001f600"}')]


def test_a_reply_with_endless_calls_is_bounded() -> None:
    gathering = StreamedAnswer("m")
    gathering.take(
        reply({"tool_calls": [{"id": str(n), "function": {"name": "w", "arguments": "{}"}} for n in range(5000)]})
    )
    assert len(gathering.answer().tool_calls) == 128


def test_calls_of_the_history_are_sent_with_their_arguments_as_text() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": {"city": "Lyon"}}}
    sent = for_endpoint({"role": "assistant", "content": "", "tool_calls": [call]})
    assert sent["tool_calls"][0]["function"]["arguments"] == '{"city": "Lyon"}'


async def test_recorded_calls_are_replayed(tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"id": 1, "prompt": ASK[0]["content"], "tool_calls": [LYON]}) + "\n")
    answer = await RecordedClient(path).complete(ASK, Sampling(), [WEATHER])
    assert listed(answer) == [("weather", '{"city": "Lyon"}')]
    assert answer.is_whole
    assert not answer.is_blank


@pytest.mark.parametrize("calls", ["weather", [7], [{"function": {}}], {"a": 1}])
def test_recorded_calls_in_no_form_are_refused_with_their_line(calls: Any, tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"prompt": "a", "answer": "b", "tool_calls": calls}) + "\n")
    with pytest.raises(AnswersError, match=r"line 1: .*tool_calls"):
        read_answers(path)
