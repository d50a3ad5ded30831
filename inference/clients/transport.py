"""The HTTP client under the providers' packages: aiohttp, behind the outbound gate, with a limit on the response size.

aiohttp because pools of other clients scan all connections at each event: at 64 calls in flight that is the difference
between 240 and 50 answers a second on one core.
"""

import logging
from collections.abc import AsyncIterator

import aiohttp
import httpx2
from openai import DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport
from yarl import URL

from atelier.network.outbound import Gate, OutboundRefused
from inference.clients.address import is_same
from inference.clients.base import CallLimits

# Its info lines would put one line a call into our log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class GatedTransport(AiohttpTransport):
    """A transport of httpx2 by aiohttp, through a gate, to one address alone."""

    def __init__(self, gate: Gate, limits: CallLimits, only: URL) -> None:
        super().__init__()
        self._gate = gate
        self._caps = limits
        self._only = only

    def get_client(self) -> aiohttp.ClientSession:
        connector = self._gate.connector(limit=0, keepalive_timeout=30, ssl=self.ssl_context)
        return aiohttp.ClientSession(connector=connector)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = self._gate.check_url(str(request.url))
        if not is_same(url, self._only):
            # Whatever a provider's package makes of a base address: nothing else of a server is called.
            raise OutboundRefused(f"{url} isn't the URL of chat completions, which is {self._only}.")
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["timeout"] = {
            "connect": self._caps.connect_seconds,
            # A whole answer that does not stream is silent until it is written: only its own cap ends it.
            "read": self._caps.seconds,
        }
        response = await super().handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.stream.aclose()  # type: ignore[union-attr]
            raise OutboundRefused(f"{request.url.host} compressed its answer although compression was not requested.")
        response.stream = CappedStream(response.stream, self._caps.max_bytes)  # type: ignore[arg-type]
        return response


class CappedStream(httpx2.AsyncByteStream):
    """A response body that ends with OutboundRefused when it grows past a number of bytes."""

    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._inner = inner
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise OutboundRefused("The answer is larger than allowed.")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def http_client(gate: Gate, limits: CallLimits, only: URL) -> httpx2.AsyncClient:
    """Return an HTTP client for the providers' packages, for one address; it follows no redirects and reads no proxy settings.

    A redirected POST would carry the key to another host, and a proxy would connect where the gate cannot look.
    """
    return DefaultAioHttpClient(transport=GatedTransport(gate, limits, only), follow_redirects=False, trust_env=False)
