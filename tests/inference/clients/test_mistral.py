"""The client of Mistral's API, against a server that answers as it does."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from curation.chat import ClientError, Sampling
from inference.clients import open_client
from inference.clients.mistral import for_provider
from tests.fakes.loopback import EVERY_PORT
from tests.fakes.openai_server import FakeOpenAI, Plan

ASK = [{"role": "user", "content": "What is new?"}]
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "let me see"}]}


async def test_an_answer_comes_through() -> None:
    async with (
        FakeOpenAI() as server,
        open_client("mistral", url=server.url, model="m", key="k", private_hosts=EVERY_PORT) as client,
    ):
        answer = await client.complete(ASK, Sampling(seed=5))
        deltas = [delta async for delta in client.stream(ASK, Sampling())]
    assert answer.text == "Answer to: What is new?"
    assert answer.completion_tokens == 5
    assert server.calls[0]["random_seed"] == 5
    assert server.headers[0]["Authorization"] == "Bearer k"
    assert "".join(delta.text for delta in deltas) == answer.text
    assert deltas[-1].answer is not None
    assert deltas[-1].answer.completion_tokens == 5


@pytest.mark.parametrize(
    ("fault", "retryable", "words"),
    [
        ("401", False, "check its API key"),
        ("422", False, "answered 422"),
        ("429", True, "receives too many requests"),
        ("500", True, "answered 500"),
        ("broken", True, "isn't a chat completion"),
        ("cut", True, "closed the connection"),
        ("redirect", False, "redirects elsewhere"),
    ],
)
async def test_a_fault_becomes_a_sentence_without_the_key(fault: str, retryable: bool, words: str) -> None:
    plan = Plan(faults=[fault], retry_after="3")
    async with (
        FakeOpenAI(plan) as server,
        open_client("mistral", url=server.url, model="m", key="very-secret", private_hosts=EVERY_PORT) as client,
    ):
        with pytest.raises(ClientError) as caught:
            await client.complete(ASK, Sampling())
    assert words in str(caught.value)
    assert caught.value.retryable is retryable
    assert "very-secret" not in str(caught.value)
    assert fault != "429" or caught.value.retry_after == 3.0


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode() + b"\n\n"


@pytest.fixture
async def thinker() -> AsyncIterator[str]:
    """Provide a server whose answers hold thoughts as lists of parts."""

    async def chat(request: web.Request) -> web.StreamResponse:
        if (await request.json()).get("stream"):
            pieces = [chunk({"content": [THOUGHT]}), chunk({"content": "Rain."}), chunk({"content": ""}, "stop")]
            return web.Response(body=b"".join(pieces) + b"data: [DONE]\n\n", content_type="text/event-stream")
        message = {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Rain."}]}
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return web.json_response(
            {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
        )

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_thoughts_are_kept_apart_from_the_text(thinker: str) -> None:
    async with open_client("mistral", url=thinker, model="m", key="k", private_hosts=EVERY_PORT) as client:
        answer = await client.complete(ASK, Sampling())
        deltas = [delta async for delta in client.stream(ASK, Sampling())]
    assert (answer.text, answer.reasoning) == ("Rain.", "let me see")
    assert [(delta.text, delta.reasoning) for delta in deltas[:-1]] == [("", "let me see"), ("Rain.", "")]


def test_a_thought_in_the_system_message_is_sent_as_a_list() -> None:
    message = {"role": "system", "content": [{"type": "thinking", "thinking": "draft first"}]}
    assert for_provider([message])[0]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "draft first"}]}
    ]
