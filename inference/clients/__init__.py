"""Clients of model endpoints: one protocol (`curation.chat.Client`), whoever answers.

`open_client` gives the client of an endpoint; close it with `await client.close()` or use it as `async with`. A client
holds one connection pool, made at its first call, so it belongs to one event loop.
"""

from collections.abc import Sequence
from pathlib import Path

from inference.clients.base import EndpointClient, Limits
from inference.clients.retry import with_retries

KINDS = ("openai", "mistral", "recorded")

__all__ = ["KINDS", "EndpointClient", "Limits", "open_client", "with_retries"]


def open_client(
    kind: str,
    *,
    url: str = "",
    model: str = "",
    key: str = "",
    answers_path: Path | None = None,
    timeout: float = 120.0,
    private_hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
) -> EndpointClient:
    """The client of an endpoint.

    kind "openai" is anything that answers chat completions below `url` (vLLM, most providers), "mistral" the provider's
    API (`url` empty means its own), "recorded" replays `answers_path`. `timeout` is seconds for a whole answer.
    `private_hosts` are the hosts, addresses or networks that may be reached although they are not public; "*" is all.
    Raises ValueError with a sentence for a kind or an address that cannot be used.
    """
    limits = Limits(seconds=timeout)
    # Imported here: each provider's package takes a second to load, and most processes need one of them.
    if kind == "openai":
        from inference.clients.openai import OpenAIClient

        return OpenAIClient(url, model, key, limits, private_hosts)
    if kind == "mistral":
        from inference.clients.mistral import MistralClient

        return MistralClient(url, model, key, limits, private_hosts)
    if kind == "recorded":
        from inference.clients.recorded import RecordedClient

        if answers_path is None:
            raise ValueError("A recorded endpoint needs the file of its answers.")
        return RecordedClient(answers_path)
    raise ValueError(f"There is no endpoint kind {kind!r}: use one of {', '.join(KINDS)}.")
