"""The client of anything that answers OpenAI's chat completions: vLLM, most providers, a server on this machine."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, cast

import openai
from openai import AsyncOpenAI, AsyncStream, Omit
from yarl import URL

from atelier.network.outbound import Gate
from curation.chat import Answer, ClientError, Delta, Sampling
from inference.clients import errors, replies
from inference.clients.address import COMPLETIONS, base_url, text_of
from inference.clients.base import (
    CallLimits,
    EndpointClient,
    Message,
    RequestFields,
    StreamedAnswer,
    no_answer,
    timed,
    tool_sent,
)
from inference.clients.errors import ErrorReader
from inference.clients.transport import http_client


class OpenAIClient(EndpointClient):
    """A client of one endpoint below a base URL such as http://127.0.0.1:8001/v1."""

    kind = "openai"
    STREAMED: ClassVar[dict[str, Any]] = {"stream_options": {"include_usage": True}}

    def __init__(
        self,
        url: str,
        model: str,
        key: str,
        limits: CallLimits,
        gate: Gate,
        *,
        shows_words: bool = False,
        fields: RequestFields | None = None,
    ) -> None:
        base = base_url(url, gate)
        self.model = model
        self._limits = limits
        self._fields = fields or RequestFields()
        self._replies = ErrorReader(str(base.origin()), key, gate, shows_words)
        self._http = http_client(gate, limits, URL(text_of(base) + COMPLETIONS))
        self._openai = AsyncOpenAI(
            api_key=key or "none",
            base_url=text_of(base),
            http_client=self._http,
            max_retries=0,
            # Else the package reads them from the environment and sends them to whatever host this is.
            default_headers=cast(dict[str, str], {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}),
        )

    async def complete(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()) -> Answer:
        gathering = StreamedAnswer(self.model)
        try:
            async with asyncio.timeout(self._limits.seconds):
                # Not by `chat.completions.create`: its types refuse replies that can be read.
                reply = await self._openai.post(
                    "/chat/completions", cast_to=object, body=self._body(messages, sampling, tools)
                )
            gathering.take(self._checked(reply))
            gathering.end()
            return gathering.answer()
        except (ClientError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise self._error(error) from error

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> AsyncIterator[Delta]:
        gathering = StreamedAnswer(self.model)
        body = self._body(messages, sampling, tools) | {"stream": True} | self.STREAMED
        try:
            async with aclosing(self._pieces(body, gathering)) as pieces:
                async for delta in timed(pieces, self._limits.seconds):
                    yield delta
            answer = gathering.answer()
        except (ClientError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            raise self._error(error) from error
        if not gathering.finish_reason:
            raise ClientError(f"The endpoint at {self._replies.place} ended its answer in the middle.", retryable=True)
        yield Delta(answer=answer)

    async def close(self) -> None:
        await self._openai.close()

    async def _pieces(self, body: dict[str, Any], gathering: StreamedAnswer) -> AsyncGenerator[Delta, None]:
        chunks = await self._openai.post(
            "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )
        async with chunks:
            async for chunk in chunks:
                if (error := replies.error_in(chunk)) is not None:
                    raise self._replies.of_inner(error)
                delta = gathering.take(chunk if isinstance(chunk, dict) else {})
                if delta.text or delta.reasoning:
                    yield delta
        rest = gathering.end()
        if rest.text or rest.reasoning:
            yield rest

    def _checked(self, reply: Any) -> dict[str, Any]:
        """Return a reply that holds an answer. Raises ClientError for one that holds an error, or nothing."""
        if (error := replies.error_in(reply)) is not None:
            raise self._replies.of_inner(error)
        if not isinstance(reply, dict):
            raise self._replies.of_nothing_readable()
        if not replies.is_reply(reply):
            raise no_answer(self._replies.place)
        return reply

    def _body(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any]) -> dict[str, Any]:
        sent: dict[str, Any] = {
            "model": self.model,
            "messages": [self._fields.message(message) for message in messages],
        }
        if tools:
            sent["tools"] = [tool_sent(tool) for tool in tools]
        return self._fields.of(sampling) | sent

    def _error(self, error: Exception) -> ClientError:
        if isinstance(error, openai.APIStatusError):
            return self._replies.of_status(error.status_code, error.body, error.response.headers)
        if type(error) is openai.APIError and (inner := replies.error_in({"error": error.body or error.message})):
            return self._replies.of_inner(inner)  # an error event inside the stream
        return errors.of_connection(self._replies.place, error, self._limits.seconds)
