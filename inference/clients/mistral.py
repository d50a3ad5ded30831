"""Mistral's own API, through its package."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from mistralai.client import Mistral
from mistralai.client.errors import MistralError

from atelier.outbound import Gate
from curation.chat import Answer, ClientError, Delta, Sampling, with_thinking_as_parts
from inference.clients import errors
from inference.clients.base import EndpointClient, Gathering, Limits, Message, for_endpoint, no_answer, timed
from inference.clients.transport import http_client

SERVER = "https://api.mistral.ai"


class MistralClient(EndpointClient):
    """One model of the provider."""

    kind = "mistral"

    def __init__(self, url: str, model: str, key: str, limits: Limits, private_hosts: Sequence[str]) -> None:
        gate = Gate(private_hosts)
        place = gate.check_url(url or SERVER)
        self.model = model
        self._place = str(place.origin())
        self._key = key
        self._limits = limits
        self._http = http_client(gate, limits)
        # The package adds /v1 itself.
        server = str(place).rstrip("/").removesuffix("/v1")
        self._mistral = Mistral(api_key=key, server_url=server, async_client=self._http)

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Answer:
        gathering = Gathering(self.model)
        try:
            async with asyncio.timeout(self._limits.seconds):
                reply = await self._mistral.chat.complete_async(**self._body(messages, sampling))
            if not reply.choices or (message := reply.choices[0].message) is None:
                raise no_answer(self._place)
            gathering.add(*split(message.content))
        except (ClientError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise self._error(error) from error
        gathering.count(reply.usage)
        gathering.finish_reason = str(reply.choices[0].finish_reason)
        gathering.model = reply.model or self.model
        return gathering.answer()

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        gathering = Gathering(self.model)
        try:
            async with aclosing(self._pieces(self._body(messages, sampling), gathering)) as pieces:
                async for delta in timed(pieces, self._limits.seconds):
                    yield delta
        except (ClientError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            raise self._error(error) from error
        if not gathering.finish_reason:
            raise ClientError(f"The endpoint at {self._place} ended its answer in the middle.", retryable=True)
        yield Delta(answer=gathering.answer())

    async def close(self) -> None:
        await self._http.aclose()

    async def _pieces(self, body: dict[str, Any], gathering: Gathering) -> Any:
        async with await self._mistral.chat.stream_async(**body) as events:
            async for event in events:
                gathering.count(event.data.usage)
                gathering.model = event.data.model or gathering.model
                for choice in event.data.choices[:1]:
                    gathering.finish_reason = str(choice.finish_reason or gathering.finish_reason)
                    text, reasoning = split(choice.delta.content)
                    if text or reasoning:
                        yield gathering.add(text, reasoning)

    def _body(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        body = {
            "model": self.model,
            "messages": for_provider(messages),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "timeout_ms": int(self._limits.seconds * 1000),
        }
        return body if sampling.seed is None else body | {"random_seed": sampling.seed}

    def _error(self, error: Exception) -> ClientError:
        # A 200 inside such an error means that the package could not read the answer.
        if isinstance(error, MistralError) and error.status_code >= 300:
            return errors.of_status(self._place, error.status_code, error.body, error.headers, self._key)
        return errors.of_connection(self._place, error, self._limits.seconds)


def for_provider(messages: Sequence[Message]) -> list[Message]:
    """The messages with `thinking` as the provider writes it, a list of text parts."""
    return with_thinking_as_parts([for_endpoint(message) for message in messages])


def split(content: Any) -> tuple[str, str]:
    """(text, reasoning) of a content that is a string, a list of parts, or nothing."""
    if isinstance(content, str):
        return content, ""
    text, reasoning = [], []
    for part in content if isinstance(content, list) else []:
        if getattr(part, "type", "") == "thinking":
            reasoning += [getattr(piece, "text", "") for piece in part.thinking]
        else:
            text.append(getattr(part, "text", ""))
    return "".join(text), "".join(reasoning)
