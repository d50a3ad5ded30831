"""Replies of every kind, against the real clients: an answer that can be stored, or one sentence."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atelier.characters import flaw
from curation.chat import Answer, ClientError, Sampling
from inference.clients import EndpointClient, open_client
from tests.curation.teacher import teacher_server
from tests.fakes.loopback import EVERY_PORT
from tests.fakes.openai_server import FakeOpenAI

ASK = [{"role": "user", "content": "What is new?"}]
HIGH, LOW = "\ud83d", "\ude00"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    with teacher_server() as server:
        yield server


def opened(server: FakeOpenAI, kind: str) -> EndpointClient:
    # Mistral's client has no switch for the words of a private host.
    more = {"shows_words": True} if kind == "openai" else {}
    return open_client(kind, url=server.url, model="m", key="k", private_hosts=EVERY_PORT, **more)  # type: ignore[arg-type]


def completed(server: FakeOpenAI, said: Any, kind: str = "openai") -> Answer:
    server.plan.raw = lambda body: said

    async def ask() -> Answer:
        async with opened(server, kind) as client:
            return await client.complete(ASK, Sampling())

    return asyncio.run(ask())


def streamed(server: FakeOpenAI, pieces: list[Any], kind: str = "openai") -> tuple[str, str, Answer]:
    """Return the text and the thoughts as they came, and the whole answer."""
    server.plan.raw = lambda body: pieces

    async def ask() -> tuple[str, str, Answer]:
        async with opened(server, kind) as client:
            deltas = [delta async for delta in client.stream(ASK, Sampling())]
        assert deltas[-1].answer is not None
        return "".join(d.text for d in deltas), "".join(d.reasoning for d in deltas), deltas[-1].answer

    return asyncio.run(ask())


def said(content: Any, ended: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content, **more}, "finish_reason": ended}]}


def piece(content: Any = None, ended: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content, **more}, "finish_reason": ended}]}


kinds = pytest.mark.parametrize("kind", ["openai", "mistral"])


@kinds
@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "Rain"}, {"type": "text", "text": "."}], "Rain.", ""),
        (["Rain", "."], "Rain.", ""),
        ({"type": "text", "text": "Rain."}, "Rain.", ""),
        ([{"type": "output_text", "text": {"value": "Rain."}}], "Rain.", ""),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "Rain."}], "Rain.", "hm"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Rain."}], "Rain.", "hm"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Rain."}], "Rain.", "hm"),
        ("<think>hm</think>Rain.", "Rain.", "hm"),
        ("hm</think>Rain.", "Rain.", "hm"),
        ([{"type": "image"}, None, 7], "7", ""),
        (7, "7", ""),
        (None, "", ""),
        (f"{HIGH}{LOW} a\x00b {LOW}", "😀 a\ufffdb \ufffd", ""),
        ([{"text": HIGH}, {"text": LOW}], "😀", ""),
    ],
)
def test_a_text_in_any_form_is_read(server: FakeOpenAI, kind: str, content: Any, text: str, reasoning: str) -> None:
    answer = completed(server, said(content), kind)
    assert (answer.text, answer.reasoning) == (text, reasoning)
    _, _, whole = streamed(server, [piece(content), piece(ended="stop")], kind)
    assert (whole.text, whole.reasoning) == (text, reasoning)


@kinds
def test_halves_of_a_character_in_two_pieces_are_joined(server: FakeOpenAI, kind: str) -> None:
    pieces = [piece(f"a {HIGH}"), piece(LOW + " b", reasoning_content=HIGH), piece("", "stop", reasoning_content=LOW)]
    text, reasoning, answer = streamed(server, pieces, kind)
    assert (text, answer.text, reasoning, answer.reasoning) == ("a 😀 b", "a 😀 b", "😀", "😀")
    text, _, answer = streamed(server, [piece(f"a{HIGH}"), piece("b", "stop"), piece(HIGH)], kind)
    assert text == answer.text == "a\ufffdb\ufffd"


@kinds
def test_thoughts_in_a_stream_never_show_as_text(server: FakeOpenAI, kind: str) -> None:
    pieces = [piece(part) for part in ("<thi", "nk>h", "m</", "think>", "\n\nRa", "in <3")]
    text, reasoning, answer = streamed(server, [*pieces, piece(ended="stop")], kind)
    assert (text, reasoning) == (answer.text, answer.reasoning) == ("Rain <3", "hm")


@pytest.mark.parametrize(
    ("reply", "retryable", "words"),
    [
        (
            {"error": {"message": "Quota exceeded.", "code": 429}},
            True,
            "answered 429: it receives too many requests. Its message: Quota exceeded.",
        ),
        ({"error": {"message": "Too slow down", "code": "rate_limit_exceeded"}}, True, "Too slow down"),
        ({"error": {"message": "You exceeded your quota", "type": "insufficient_quota"}}, True, "exceeded your quota"),
        ({"error": {"message": "The engine is overloaded"}}, True, "answered 503: The engine is overloaded"),
        ({"error": {"message": "Upstream", "code": "502"}}, True, "answered 502: Upstream"),
        ({"error": {"message": "No such model", "code": 404}}, False, "No such model"),
        ({"error": "Bad prompt"}, False, "returned an error in place of an answer: Bad prompt"),
        ({"detail": "Bad prompt"}, False, "Bad prompt"),
        ({"detail": [{"msg": "field required"}]}, False, "field required"),
        ({"object": "error", "message": "Slow down", "code": 429}, True, "Slow down"),
        ({"message": "Unauthorized", "status": 401, "choices": []}, False, "check its API key"),
        ({"choices": [{"error": {"message": "It broke", "code": 400}}]}, False, "It broke"),
        ({"choices": [{"message": "It broke"}]}, False, "It broke"),
        ({"choices": [{"detail": "It broke"}]}, False, "It broke"),
        (said("Half") | {"error": {"message": "It broke"}}, False, "It broke"),
        ({"choices": [said("Half")["choices"][0] | {"error": {"code": 529, "message": "busy"}}]}, True, "busy"),
    ],
)
def test_an_error_inside_a_200_is_told_in_its_words(
    server: FakeOpenAI, reply: Any, retryable: bool, words: str
) -> None:
    with pytest.raises(ClientError) as caught:
        completed(server, reply)
    assert words in str(caught.value)
    assert caught.value.retryable is retryable
    with pytest.raises(ClientError) as caught:
        streamed(server, [piece("Half"), reply])
    assert words in str(caught.value)
    assert caught.value.retryable is retryable


def test_an_error_that_says_nothing_is_none(server: FakeOpenAI) -> None:
    for nothing in (None, "", {}, {"message": None, "code": ""}, False):
        assert completed(server, said("Rain.") | {"error": nothing}).text == "Rain."
    assert completed(server, said("Rain.") | {"message": "served by node 3"}).text == "Rain."


def test_a_refusal_has_its_field(server: FakeOpenAI) -> None:
    assert completed(server, said(None, refusal="I won't.")).refusal == "I won't."
    assert completed(server, said([{"type": "refusal", "refusal": "I won't."}])).refusal == "I won't."
    pieces = [piece(None, refusal="I "), piece(None, "stop", refusal="won't.")]
    assert streamed(server, pieces)[2].refusal == "I won't."


@kinds
@pytest.mark.parametrize(
    "usage", [None, "many", 7, [], {"prompt_tokens": "3", "completion_tokens": 2.7}, {"prompt_tokens": -1}]
)
def test_counts_are_whole_numbers_whatever_is_told(server: FakeOpenAI, kind: str, usage: Any) -> None:
    answer = completed(server, said("Rain.") | {"usage": usage}, kind)
    expected = (3, 2) if isinstance(usage, dict) and len(usage) == 2 else (0, 0)
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("Rain.", *expected)


ODD = st.lists(
    st.sampled_from(["a", " ", "\x00", HIGH, LOW, "<think>", "</think>", "[THINK]", "\u200b", "é"]), max_size=8
).map("".join)
LEAF = (
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | ODD
)
PART = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["text", "thinking", 3]), "text": LEAF, "thinking": LEAF | st.lists(LEAF)}
)
CONTENT = LEAF | PART | st.lists(PART | LEAF, max_size=3)
MESSAGE = st.fixed_dictionaries(
    {}, optional={"content": CONTENT, "reasoning": CONTENT, "refusal": CONTENT, "error": LEAF | PART}
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "message": MESSAGE | LEAF,
        "delta": MESSAGE | LEAF,
        "finish_reason": st.just("stop") | LEAF | PART,
        "text": LEAF,
    },
)
REPLY = LEAF | st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICE | LEAF, max_size=2) | LEAF,
        "usage": LEAF | st.fixed_dictionaries({"prompt_tokens": LEAF, "completion_tokens": LEAF | st.lists(LEAF)}),
        "model": LEAF | st.lists(LEAF),
        "error": LEAF | PART | st.lists(LEAF),
        "detail": LEAF,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(replies=st.lists(REPLY, min_size=1, max_size=4), kind=st.sampled_from(["openai", "mistral"]))
def test_any_reply_is_an_answer_that_can_be_stored_or_one_error(
    server: FakeOpenAI, replies: list[Any], kind: str
) -> None:
    def check(answer: Answer) -> None:
        for text in (answer.text, answer.reasoning, answer.refusal, answer.model, answer.finish_reason):
            assert isinstance(text, str)
            assert not flaw(text)
        for count in (answer.prompt_tokens, answer.completion_tokens):
            assert type(count) is int
            assert 0 <= count <= 10_000_000

    told = ""
    try:
        check(completed(server, replies[0], kind))
    except ClientError as error:
        told = str(error)
    try:
        text, _, answer = streamed(server, replies, kind)
        check(answer)
        told += text
    except ClientError as error:
        told += str(error)
    assert not flaw(told)
