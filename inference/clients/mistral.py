"""The client of Mistral's own API: the same completions, with its names for seed and thoughts."""

from collections.abc import Sequence
from typing import Any, ClassVar

from atelier.network.outbound import Gate
from curation.chat import Sampling, with_thinking_as_parts
from inference.clients.address import base_url, text_of
from inference.clients.base import CallLimits, Message, RequestFields, for_endpoint
from inference.clients.openai import OpenAIClient

SERVER = "https://api.mistral.ai"


class MistralClient(OpenAIClient):
    """A client of one model of the provider."""

    kind = "mistral"
    STREAMED: ClassVar[dict[str, Any]] = {}  # it counts the tokens unasked

    def __init__(
        self, url: str, model: str, key: str, limits: CallLimits, gate: Gate, *, fields: RequestFields | None = None
    ) -> None:
        server = text_of(base_url(url or SERVER, gate)).removesuffix("/v1")
        super().__init__(f"{server}/v1", model, key, limits, gate, fields=fields)

    def _body(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any]) -> dict[str, Any]:
        body = super()._body(messages, sampling, tools) | {"messages": for_provider(messages)}
        if "seed" in body:
            body["random_seed"] = body.pop("seed")
        return body


def for_provider(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with `thinking` as the provider writes it, a list of text parts."""
    return with_thinking_as_parts([for_endpoint(message) for message in messages])
