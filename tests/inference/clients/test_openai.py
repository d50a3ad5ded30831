"""The client of OpenAI-compatible endpoints, against a server that speaks the protocol."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atelier.network import openings
from atelier.network.outbound import Gate, OutboundRefused
from curation.chat import Answer, ClientError, Delta, Sampling
from inference.clients import EndpointClient, open_client
from inference.clients.base import CallLimits, StreamedAnswer
from inference.clients.openai import OpenAIClient
from tests.fakes.loopback import EVERY_PORT
from tests.fakes.openai_server import FakeOpenAI, Plan
from tests.speed import patient

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is new?"}]
KEY = "secret-key-123456"


@asynccontextmanager
async def endpoint(limits: CallLimits | None = None, **plan: Any) -> AsyncIterator[tuple[FakeOpenAI, EndpointClient]]:
    async with (
        FakeOpenAI(Plan(**plan)) as server,
        OpenAIClient(server.url, "fake", KEY, limits or CallLimits(), Gate(EVERY_PORT), shows_words=True) as client,
    ):
        yield server, client


async def streamed(client: EndpointClient) -> tuple[list[Delta], Answer]:
    deltas = [delta async for delta in client.stream(ASK, Sampling())]
    assert deltas[-1].answer is not None
    return deltas[:-1], deltas[-1].answer


async def failure(limits: CallLimits | None = None, **plan: Any) -> ClientError:
    async with endpoint(limits, **plan) as (_, client):
        with pytest.raises(ClientError) as caught:
            await client.complete(ASK, Sampling())
        return caught.value


async def test_what_no_database_holds_comes_as_the_sign_for_an_unknown_character() -> None:
    """An endpoint may say anything: NUL, half of a character, and counts of tokens beyond any column."""
    async with endpoint(reply=lambda body: "a\x00b\ud800c") as (_, client):
        answer = await client.complete(ASK, Sampling())
        deltas, whole = await streamed(client)
    assert answer.text == whole.text == "".join(delta.text for delta in deltas) == "a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (7, 7),
        (0, 0),
        (None, 0),
        (-5, 0),
        (10**30, 10_000_000),
        ("7", 7),
        (True, 0),
        (1.5, 1),
        ("many", 0),
        (float("nan"), 0),
        (float("inf"), 10_000_000),
        ("1e400", 10_000_000),
        ([7], 0),
    ],
)
def test_the_tokens_that_an_endpoint_tells_are_bounded(told: Any, kept: int) -> None:
    gathering = StreamedAnswer("m")
    gathering.take({"usage": {"prompt_tokens": told, "completion_tokens": told}})
    assert (gathering.answer().prompt_tokens, gathering.answer().completion_tokens) == (kept, kept)


async def test_an_answer_carries_text_tokens_and_model() -> None:
    async with endpoint() as (_, client):
        answer = await client.complete(ASK, Sampling())
    assert answer.text == "Answer to: What is new?"
    assert (answer.prompt_tokens, answer.completion_tokens) == (5, 5)
    assert (answer.model, answer.finish_reason) == ("fake", "stop")
    assert answer.seconds > 0


async def test_sampling_and_seed_reach_the_endpoint() -> None:
    async with endpoint() as (server, client):
        await client.complete(ASK, Sampling(temperature=0.0, top_p=0.9, max_tokens=7, seed=3))
    sent = {key: server.calls[0][key] for key in ("temperature", "top_p", "max_tokens", "seed")}
    assert sent == {"temperature": 0.0, "top_p": 0.9, "max_tokens": 7, "seed": 3}


async def test_without_a_seed_none_is_sent() -> None:
    async with endpoint() as (server, client):
        await client.complete(ASK, Sampling())
    assert "seed" not in server.calls[0]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
async def test_reasoning_is_kept_apart_from_the_text(field: str) -> None:
    async with endpoint(reasoning="let me see", reasoning_field=field) as (_, client):
        whole = await client.complete(ASK, Sampling())
        deltas, answer = await streamed(client)
    assert whole.reasoning == "let me see"
    assert answer.reasoning.split() == ["let", "me", "see"]
    assert "let me see" not in answer.text
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["let ", "me ", "see "]


async def test_a_stream_gives_pieces_and_ends_with_the_whole_answer() -> None:
    async with endpoint() as (server, client):
        deltas, answer = await streamed(client)
    assert "".join(delta.text for delta in deltas) == answer.text == "Answer to: What is new?"
    assert len(deltas) == 5
    assert (answer.prompt_tokens, answer.completion_tokens) == (5, 5)
    assert server.calls[0]["stream_options"] == {"include_usage": True}


async def test_pieces_arrive_while_the_rest_is_written() -> None:
    async with endpoint(pause=0.1) as (_, client):
        stream = client.stream(ASK, Sampling())
        await anext(stream)
        first = time.monotonic()
        async for _ in stream:
            pass
    assert time.monotonic() - first > 0.2, "the others come 0.1 s apart"


async def test_a_reader_who_leaves_ends_the_call() -> None:
    async with endpoint(pause=0.05, reply=lambda body: "word " * 1000) as (server, client):
        stream = client.stream(ASK, Sampling())
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        for _ in range(40):
            await asyncio.sleep(0.05)
            if not server.in_flight:
                break
        assert server.in_flight == 0


async def test_marks_for_training_and_earlier_thoughts_are_not_sent() -> None:
    history = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "role": "assistant",
            "weight": 0,
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "c"}],
        },
        {"role": "user", "content": [{"type": "image_url", "image_url": "data:x"}, {"type": "text", "text": "d"}]},
    ]
    async with endpoint(reply=lambda body: "ok") as (server, client):
        await client.complete(history, Sampling())
    assert server.calls[0]["messages"] == [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": history[2]["content"]},
    ]


async def test_the_environment_adds_no_headers_of_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-operator")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-operator")
    async with endpoint() as (server, client):
        await client.complete(ASK, Sampling())
    assert "of-the-operator" not in str(server.headers)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("fault", "retryable", "words"),
    [
        ("400", False, "answered 400: made to fail"),
        ("401", False, "answered 401: check its API key."),
        ("404", False, "doesn't have this model"),
        ("429", True, "receives too many requests"),
        ("500", True, "answered 500"),
        ("503", True, "answered 503"),
        ("501", False, "answered 501"),
        ("empty", True, "sent no answer"),
        ("broken", True, "isn't a chat completion"),
        ("html", True, "isn't a chat completion"),
        ("cut", True, "closed the connection"),
        ("redirect", False, "redirects elsewhere"),
        ("gzip", False, "compressed its answer"),
    ],
)
async def test_a_fault_becomes_a_sentence_without_the_key(fault: str, retryable: bool, words: str) -> None:
    error = await failure(faults=[fault])
    assert words in str(error)
    assert error.retryable is retryable
    assert KEY not in str(error)
    assert "127.0.0.1" in str(error)


async def test_the_wait_the_server_asks_for_is_passed_on() -> None:
    assert (await failure(faults=["429"], retry_after="7")).retry_after == 7.0
    assert (await failure(faults=["429"], retry_after="soon")).retry_after is None
    assert (await failure(faults=["429"], retry_after="Wed, 21 Oct 2015 07:28:00 GMT")).retry_after == 0.0


async def test_a_stalled_endpoint_is_given_up_in_time() -> None:
    started = time.monotonic()
    error = await failure(CallLimits(seconds=0.3), faults=["stall"])
    assert time.monotonic() - started < patient(2)
    assert error.retryable
    assert "did not answer within" in str(error)


async def test_a_stream_that_takes_too_long_is_given_up_in_time() -> None:
    async with endpoint(CallLimits(seconds=0.4), pause=0.05, reply=lambda body: "word " * 1000) as (_, client):
        started = time.monotonic()
        with pytest.raises(ClientError, match="did not answer within"):
            await streamed(client)
    assert time.monotonic() - started < patient(2)


async def test_a_huge_answer_is_cut_off() -> None:
    error = await failure(CallLimits(max_bytes=2_000_000), faults=["huge"])
    assert "larger than allowed" in str(error)
    assert not error.retryable


async def test_a_cut_stream_is_an_error_and_not_a_short_answer() -> None:
    async with endpoint(faults=["cut"]) as (_, client):
        with pytest.raises(ClientError) as caught:
            await streamed(client)
    assert caught.value.retryable


async def test_a_server_that_is_not_there_is_named() -> None:
    async with open_client("openai", url="http://127.0.0.1:9/v1", model="m", private_hosts=EVERY_PORT) as client:
        with pytest.raises(ClientError, match=r"does not accept connections\. Check that it is running") as caught:
            await client.complete(ASK, Sampling())
    assert caught.value.retryable


async def test_a_private_address_needs_its_host_and_port_opened() -> None:
    with pytest.raises(ValueError, match="private network"):
        open_client("openai", url="http://10.1.2.3/v1", model="m")
    async with FakeOpenAI() as server:
        port = int(server.url.split(":")[2].removesuffix("/v1"))
        beside = openings.of("127.0.0.1", port + 1)
        with pytest.raises(ValueError, match="private network"):
            open_client("openai", url=server.url, model="m", private_hosts=beside)
        async with open_client(
            "openai", url=server.url, model="m", private_hosts=openings.of("127.0.0.1", port)
        ) as client:
            await client.complete(ASK, Sampling())
    assert len(server.calls) == 1


async def test_a_private_host_s_words_are_not_repeated() -> None:
    async with FakeOpenAI(Plan(faults=["400", "404", "500"])) as server:
        async with open_client("openai", url=server.url, model="m", private_hosts=EVERY_PORT) as client:
            for status in ("400", "404", "500"):
                with pytest.raises(ClientError, match=f"answered {status}") as caught:
                    await client.complete(ASK, Sampling())
                assert "made to fail" not in str(caught.value)
        assert "because its host is private" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "{}?",
        "{}?x=",
        "{}/load_lora_adapter?x=",
        "{}#",
        "{}/#/x",
        "{}/..",
        "{}/%2e%2e/x",
        "{}/a%2fb",
        "{}/a;b",
        "{}/./x",
    ],
)
async def test_a_base_address_is_a_path_and_nothing_else(url: str) -> None:
    async with FakeOpenAI() as server:
        with pytest.raises(ValueError, match=r"(The|the) URL"):
            open_client("openai", url=url.format(server.url), model="m", private_hosts=EVERY_PORT)


@pytest.mark.parametrize("kind", ["openai", "mistral"])
async def test_nothing_but_chat_completions_is_called_whatever_a_package_does(kind: str) -> None:
    async with (
        FakeOpenAI() as server,
        open_client(kind, url=server.url, model="m", key="k", private_hosts=EVERY_PORT) as client,
    ):
        await client.complete(ASK, Sampling())
        for url in (
            f"{server.url}/load_lora_adapter",
            f"{server.url}/chat/completions?x=1",
            server.url.removesuffix("/v1") + "/metrics",
        ):
            with pytest.raises(OutboundRefused, match="isn't the URL of chat completions"):
                await client._http.post(url, json={})  # type: ignore[attr-defined]
    assert len(server.calls) == 1


async def test_slashes_too_many_are_put_straight() -> None:
    async with (
        FakeOpenAI() as server,
        open_client("openai", url=server.url + "//", model="m", private_hosts=EVERY_PORT) as client,
    ):
        assert (await client.complete(ASK, Sampling())).text


async def test_cancelling_a_call_ends_it_at_once() -> None:
    async with endpoint(faults=["stall"]) as (server, client):
        call = asyncio.create_task(client.complete(ASK, Sampling()))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(server.calls) == 1


async def test_64_calls_in_flight_share_one_client() -> None:
    async with endpoint(latency=0.1) as (server, client):
        started = time.monotonic()
        answers = await asyncio.gather(*[client.complete(ASK, Sampling()) for _ in range(256)])
    assert len(answers) == 256
    assert server.most_in_flight > 64
    assert time.monotonic() - started < patient(5)
