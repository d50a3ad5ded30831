"""The HTTP client under the providers' packages: aiohttp, behind the gate, with a cap on what comes in.

aiohttp because pools of other clients scan all connections at each event: at 64 calls in flight that is the difference
between 240 and 50 answers a second on one core.
"""

import logging
from collections.abc import AsyncIterator

import aiohttp
import httpx2
from openai import DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport

from atelier.outbound import Gate, Refused
from inference.clients.base import Limits

# Its info lines would put one line a call into our log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


class GatedTransport(AiohttpTransport):
    """aiohttp as a transport of httpx2, through a gate."""

    def __init__(self, gate: Gate, limits: Limits) -> None:
        super().__init__()
        self._gate = gate
        self._caps = limits

    def get_client(self) -> aiohttp.ClientSession:
        connector = self._gate.connector(limit=0, keepalive_timeout=30, ssl=self.ssl_context)
        return aiohttp.ClientSession(connector=connector)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._gate.check_url(str(request.url))
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["timeout"] = {
            "connect": self._caps.connect_seconds,
            # A whole answer that does not stream is silent until it is written: only its own cap ends it.
            "read": self._caps.seconds,
        }
        response = await super().handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.stream.aclose()  # type: ignore[union-attr]
            raise Refused(f"{request.url.host} packed its answer, though it was asked not to.")
        response.stream = CappedStream(response.stream, self._caps.max_bytes)  # type: ignore[arg-type]
        return response


class CappedStream(httpx2.AsyncByteStream):
    """A response body that ends with Refused when it grows past a number of bytes."""

    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._inner = inner
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise Refused("The answer is larger than what one answer may be.")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def http_client(gate: Gate, limits: Limits) -> httpx2.AsyncClient:
    """An HTTP client for the providers' packages; it follows no redirects and reads no proxy settings.

    A redirected POST would carry the key to another host, and a proxy would connect where the gate cannot look.
    """
    return DefaultAioHttpClient(transport=GatedTransport(gate, limits), follow_redirects=False, trust_env=False)
