"""The base of all clients: the frame around a call, its limits, and messages as an endpoint wants them."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from atelier.characters import UNSTORABLE, storable
from curation import tool_calls
from curation.chat import Answer, ChatClient, ClientError, Delta, Sampling, parted_prompt
from inference.clients import replies
from inference.clients.called import CallGatherer
from inference.clients.characters import joined
from inference.clients.thoughts import ThoughtSplitter, without_opening

Message = dict[str, Any]
SIGN = "\ufffd"  # for what cannot be stored
# What an endpoint understands; `weight` and other marks for training stay at home.
MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")


@dataclass(frozen=True)
class CallLimits:
    """Caps of one call: seconds for the whole answer and to connect; bytes of the answer."""

    seconds: float = 120.0
    connect_seconds: float = 5.0
    max_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True)
class RequestFields:
    """The fields of a request that differ between servers: the name of the limit, sampling left out, further fields.

    `own_prompt` is the system prompt that came with the base: sent as that, its thoughts are a part of their own.
    """

    tokens: str = "max_tokens"
    left_out: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    own_prompt: str = ""

    def of(self, sampling: Sampling) -> dict[str, Any]:
        """Return the fields for an answer with this sampling."""
        sampled = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
        sent = {name: value for name, value in sampled.items() if value is not None and name not in self.left_out}
        return sent | {self.tokens: sampling.max_tokens} | dict(self.more)

    def message(self, message: Mapping[str, Any]) -> Message:
        """Return a message as this server takes it."""
        sent = for_endpoint(message)
        if self.own_prompt and sent["role"] == "system" and str(sent["content"]).strip() == self.own_prompt:
            sent["content"] = parted_prompt(self.own_prompt)
        return sent

    def without(self, refused: str) -> "RequestFields":
        """Return the fields for a server that refuses one of them by name; the same ones when nothing is to be done."""
        others = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        if refused == self.tokens:
            return replace(self, tokens=others[refused])
        if refused in ("temperature", "top_p", "seed") and refused not in self.left_out:
            return replace(self, left_out=(*self.left_out, refused))
        return self


class EndpointClient(ChatClient, ABC):
    """An endpoint that answers chat completions."""

    kind = ""
    model = ""

    @property
    def name(self) -> str:
        """Return the endpoint's name on pages and in ledgers."""
        return self.model or self.kind

    @abstractmethod
    async def complete(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()) -> Answer:
        """Return the whole answer. Raises ClientError with a sentence."""

    @abstractmethod
    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> AsyncIterator[Delta]:
        """Yield the answer as it comes; the last delta carries the whole as `.answer`. Raises ClientError with a sentence."""

    async def close(self) -> None:
        """Close the connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class StreamedAnswer:
    """The pieces of an answer, cleaned and gathered into an Answer; thoughts inside the text are parted from it.

    Calls of tools are gathered too, and are in the whole answer alone.
    """

    def __init__(self, model: str) -> None:
        self.model = model
        self.finish_reason = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls = CallGatherer()
        self._splitter = ThoughtSplitter()
        self._halves = {"text": "", "reasoning": ""}  # of characters whose other half comes in the next piece
        self._started = time.monotonic()

    def take(self, reply: Mapping[str, Any]) -> Delta:
        """Take what a reply, or a piece of a stream, says; return what is certain of it, perhaps nothing."""
        piece = replies.piece_of(reply)
        if counts := replies.counts_of(reply):
            self.prompt_tokens, self.completion_tokens = counts
        self.model = (isinstance(reply.get("model"), str) and reply["model"]) or self.model
        self.finish_reason = piece.finish_reason or self.finish_reason
        self._refusal.append(piece.refusal)
        self._calls.add(piece.calls)
        return self.add(piece.text, piece.reasoning)

    def add(self, text: str, reasoning: str) -> Delta:
        text, thoughts = self._splitter.feed(self._clean("text", text))
        return self._keep(text, self._clean("reasoning", reasoning) + thoughts)

    def end(self) -> Delta:
        """Return what was held back, when no more comes."""
        halves = {name: SIGN if half else "" for name, half in self._halves.items()}
        text, thoughts = self._splitter.feed(halves["text"])
        last, late = self._splitter.end()
        self._halves = dict.fromkeys(self._halves, "")
        return self._keep(text + last, halves["reasoning"] + thoughts + late)

    def _keep(self, text: str, reasoning: str) -> Delta:
        self._text.append(text)
        self._reasoning.append(reasoning)
        return Delta(text=text, reasoning=reasoning)

    def _clean(self, name: str, piece: str) -> str:
        """Join halves of characters, of this piece and the one before; hold back a first half at the end."""
        piece = joined(self._halves[name] + piece)
        self._halves[name] = piece[-1:] if piece and "\ud800" <= piece[-1] <= "\udbff" else ""
        return storable(piece.removesuffix(self._halves[name]))

    def answer(self) -> Answer:
        """Return the whole answer; call `end` before."""
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        if self._splitter.found:
            reasoning = reasoning.strip()
        elif not reasoning.strip():
            text, reasoning = without_opening(text)
        return Answer(
            text=text,
            reasoning=reasoning,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=time.monotonic() - self._started,
            finish_reason=UNSTORABLE.sub("", self.finish_reason).strip(),
            model=self.model,
            refusal=joined("".join(self._refusal)),
            tool_calls=self._calls.calls(),
        )


async def timed(pieces: AsyncIterator[Delta], seconds: float) -> AsyncIterator[Delta]:
    """Yield the same pieces; raise TimeoutError once `seconds` have passed in all; time spent by the reader counts too."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        # Around each step and not around the whole: a timeout scope must not stay open over a yield.
        async with asyncio.timeout_at(deadline):
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
        yield piece


def for_endpoint(message: Mapping[str, Any]) -> Message:
    """Return a message without Atelier's own keys and the assistant's earlier thoughts; text parts alone become a string."""
    sent = {key: message[key] for key in MESSAGE_KEYS if message.get(key) is not None}
    parts = sent.get("content")
    if isinstance(parts, list):
        if message["role"] == "assistant":
            parts = [part for part in parts if part.get("type") != "thinking"]
        if all(part.get("type") == "text" for part in parts):
            sent["content"] = "".join(str(part.get("text", "")) for part in parts)
        else:
            sent["content"] = parts
    if calls := sent.get("tool_calls"):
        sent["tool_calls"] = [_call_sent(call) for call in tool_calls.listed(calls)]
    sent.setdefault("content", "")
    return sent


def _call_sent(found: Any) -> tool_calls.Call:
    """Return a call of the history in the one form: servers want the arguments as text, whatever a record has."""
    call = found if isinstance(found, Mapping) else {}
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    return tool_calls.call(tool_calls.name_of(call), arguments, str(call.get("id") or ""))


def tool_sent(tool: Any) -> Any:
    """Return a tool as endpoints want it: {"type": "function", "function"}, also of one that is listed flat."""
    if isinstance(tool, Mapping) and "function" not in tool and "name" in tool:
        return {"type": "function", "function": dict(tool)}
    return tool


def no_answer(place: str) -> ClientError:
    return ClientError(f"The endpoint at {place} sent no answer, because its reply has no choices.", retryable=True)
