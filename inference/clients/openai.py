"""Anything that answers OpenAI's chat completions: vLLM, most providers, a server on this machine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

import openai
from openai import AsyncOpenAI, Omit
from openai.types.chat import ChatCompletion

from atelier.outbound import Gate
from curation.chat import Answer, ClientError, Delta, Sampling
from inference.clients import errors
from inference.clients.base import EndpointClient, Gathering, Limits, Message, for_endpoint, no_answer, timed
from inference.clients.transport import http_client


class OpenAIClient(EndpointClient):
    """One endpoint below a base URL such as http://127.0.0.1:8001/v1."""

    kind = "openai"

    def __init__(self, url: str, model: str, key: str, limits: Limits, private_hosts: Sequence[str]) -> None:
        gate = Gate(private_hosts)
        place = gate.check_url(url)
        self.model = model
        self._place = str(place.origin())
        self._key = key
        self._limits = limits
        self._http = http_client(gate, limits)
        self._openai = AsyncOpenAI(
            api_key=key or "none",
            base_url=url,
            http_client=self._http,
            max_retries=0,
            # Else the package reads them from the environment and sends them to whatever host this is.
            default_headers=cast(dict[str, str], {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}),
        )

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Answer:
        gathering = Gathering(self.model)
        try:
            async with asyncio.timeout(self._limits.seconds):
                # Not by `chat.completions.create`: its walk through the types of every message takes a millisecond.
                body = self._body(messages, sampling)
                reply = await self._openai.post("/chat/completions", cast_to=ChatCompletion, body=body)
            if not reply.choices:
                raise no_answer(self._place)
            choice = reply.choices[0]
            gathering.add(choice.message.content or "", _reasoning(choice.message))
        except (ClientError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise self._error(error) from error
        gathering.count(reply.usage)
        gathering.finish_reason = choice.finish_reason
        gathering.model = reply.model or self.model
        return gathering.answer()

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        gathering = Gathering(self.model)
        body = self._body(messages, sampling) | {"stream": True, "stream_options": {"include_usage": True}}
        try:
            async with aclosing(self._pieces(body, gathering)) as pieces:
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
        await self._openai.close()

    async def _pieces(self, body: dict[str, Any], gathering: Gathering) -> Any:
        async with await self._openai.chat.completions.create(**body) as chunks:
            async for chunk in chunks:
                gathering.count(chunk.usage)
                gathering.model = chunk.model or gathering.model
                for choice in chunk.choices[:1]:
                    gathering.finish_reason = choice.finish_reason or gathering.finish_reason
                    text, reasoning = choice.delta.content or "", _reasoning(choice.delta)
                    if text or reasoning:
                        yield gathering.add(text, reasoning)

    def _body(self, messages: Sequence[Message], sampling: Sampling) -> dict[str, Any]:
        body = {
            "model": self.model,
            "messages": [for_endpoint(message) for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        return body if sampling.seed is None else body | {"seed": sampling.seed}

    def _error(self, error: Exception) -> ClientError:
        if isinstance(error, openai.APIStatusError):
            response = error.response
            return errors.of_status(self._place, error.status_code, error.body, response.headers, self._key)
        if type(error) is openai.APIError:
            # An error event inside the stream.
            words = errors.words_of(error.body) or error.message
            return errors.of_status(self._place, 500, words, {}, self._key)
        return errors.of_connection(self._place, error, self._limits.seconds)


def _reasoning(message: Any) -> str:
    """The thoughts beside a text: vLLM calls the field `reasoning`, others `reasoning_content`."""
    return getattr(message, "reasoning", None) or getattr(message, "reasoning_content", None) or ""
