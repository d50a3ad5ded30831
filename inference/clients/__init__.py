"""Clients of model endpoints: one protocol (`curation.chat.ChatClient`) for every kind of endpoint.

`open_client` returns the client of an endpoint; close it with `await client.close()` or use it as `async with`. A
client holds one connection pool, created at its first call, so it belongs to one event loop.
"""

from collections.abc import Sequence
from pathlib import Path

from atelier.network.openings import Opening
from atelier.network.outbound import Gate
from inference.clients.base import CallLimits, EndpointClient, RequestFields
from inference.clients.retry import with_retries

KINDS = ("openai", "mistral", "recorded")

__all__ = ["KINDS", "CallLimits", "EndpointClient", "RequestFields", "open_client", "with_retries"]


def open_client(
    kind: str,
    *,
    url: str = "",
    model: str = "",
    key: str = "",
    answers_path: Path | None = None,
    timeout: float = 120.0,
    private_hosts: Sequence[Opening] = (),
    setting: str = "",
    shows_words: bool = False,
    fields: RequestFields | None = None,
) -> EndpointClient:
    """Return the client of an endpoint.

    kind "openai" is anything that answers chat completions below `url` (vLLM, most providers), "mistral" the provider's
    API (`url` empty means its own), "recorded" replays `answers_path`. `timeout` is seconds for a whole answer.
    `private_hosts` may be reached although they are not public, and `setting` is named where more would have to be
    opened. The text of a private host's error is repeated with `shows_words` alone: for Atelier's own servers. `fields` are
    what a request to this server has. Raises ValueError with a sentence for a kind or a URL that cannot be used.
    """
    limits, gate = CallLimits(seconds=timeout), Gate(private_hosts, setting=setting)
    # Imported here: each provider's package takes a second to load, and most processes need one of them.
    if kind == "openai":
        from inference.clients.openai import OpenAIClient

        return OpenAIClient(url, model, key, limits, gate, shows_words=shows_words, fields=fields)
    if kind == "mistral":
        from inference.clients.mistral import MistralClient

        return MistralClient(url, model, key, limits, gate, fields=fields)
    if kind == "recorded":
        from inference.clients.recorded import RecordedClient

        if answers_path is None:
            raise ValueError("A recorded endpoint needs the file of its answers.")
        return RecordedClient(answers_path)
    raise ValueError(f"No endpoint kind is called {kind!r}. Use one of {', '.join(KINDS)}.")
