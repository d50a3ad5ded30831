"""What all clients share: the frame around a call, its limits, and messages as an endpoint wants them."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from curation.chat import Answer, Client, ClientError, Delta, Sampling

Message = dict[str, Any]
# What an endpoint understands; `weight` and other marks for training stay at home.
MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")


@dataclass(frozen=True)
class Limits:
    """Caps of one call: seconds for the whole answer and to connect; bytes of the answer."""

    seconds: float = 120.0
    connect_seconds: float = 5.0
    max_bytes: int = 8 * 1024 * 1024


class EndpointClient(Client, ABC):
    """An endpoint that answers chat completions."""

    kind = ""
    model = ""

    @property
    def name(self) -> str:
        """What pages and ledgers call the endpoint."""
        return self.model or self.kind

    @abstractmethod
    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Answer:
        """The whole answer; raises ClientError with a sentence."""

    @abstractmethod
    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        """The answer as it comes; the last delta carries the whole as `.answer`. Raises ClientError with a sentence."""

    async def close(self) -> None:
        """Close the connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class Gathering:
    """The pieces of a streamed answer, gathered into an Answer."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.finish_reason = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._started = time.monotonic()

    def add(self, text: str, reasoning: str) -> Delta:
        self._text.append(text)
        self._reasoning.append(reasoning)
        return Delta(text=text, reasoning=reasoning)

    def count(self, usage: Any) -> None:
        """Take over the token counts of a usage object, if there is one."""
        if usage is not None:
            self.prompt_tokens = usage.prompt_tokens or 0
            self.completion_tokens = usage.completion_tokens or 0

    def answer(self) -> Answer:
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=time.monotonic() - self._started,
            finish_reason=self.finish_reason or "stop",
            model=self.model,
        )


async def timed(pieces: AsyncIterator[Delta], seconds: float) -> AsyncIterator[Delta]:
    """The same pieces, with TimeoutError once `seconds` have passed in all; time spent by the reader counts too."""
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
    """A message without our own keys and the assistant's earlier thoughts; text parts alone become a string."""
    sent = {key: message[key] for key in MESSAGE_KEYS if message.get(key) is not None}
    parts = sent.get("content")
    if isinstance(parts, list):
        if message["role"] == "assistant":
            parts = [part for part in parts if part.get("type") != "thinking"]
        if all(part.get("type") == "text" for part in parts):
            sent["content"] = "".join(part["text"] for part in parts)
        else:
            sent["content"] = parts
    sent.setdefault("content", "")
    return sent


def no_answer(place: str) -> ClientError:
    return ClientError(f"The endpoint at {place} sent no answer: its reply holds no choices.", retryable=True)
