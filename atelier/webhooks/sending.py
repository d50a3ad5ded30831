"""One try of a webhook delivery: a POST through the outbound gate.

Redirects are not followed, and only the start of the reply is read.

Of a private host's reply the status alone is stored: a log of its words would be a window into the inner network.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from atelier.network.openings import Opening
from atelier.network.outbound import Gate, OutboundRefused, broken, refusal_in

PRIVATE_SETTING = "ATELIER_WEBHOOK_PRIVATE_HOSTS"
SECONDS = 10.0
REPLY_BYTES = 2000
REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class DeliveryReply:
    """The outcome of a try: the status, or 0 and the sentence that states why there was no reply. Times in seconds."""

    status: int
    seconds: float
    error: str = ""
    text: str = ""
    retry_after: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def post(url: str, body: bytes, headers: dict[str, str], private_hosts: Sequence[Opening] = ()) -> DeliveryReply:
    """Send a delivery; every outcome is a DeliveryReply, no network error is raised.

    Not for use inside a running event loop.
    """
    began = time.monotonic()
    try:
        return asyncio.run(_post(url, body, headers, Gate(private_hosts, setting=PRIVATE_SETTING), began))
    except (OutboundRefused, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        return DeliveryReply(0, round(time.monotonic() - began, 3), _sentence(error, url))


async def _post(url: str, body: bytes, headers: dict[str, str], gate: Gate, began: float) -> DeliveryReply:
    target = gate.check_url(url)
    timeout = aiohttp.ClientTimeout(total=SECONDS, sock_connect=5)
    async with (
        asyncio.timeout(SECONDS),
        aiohttp.ClientSession(connector=gate.connector(), timeout=timeout, auto_decompress=False) as session,
        session.post(target, data=body, headers=headers, allow_redirects=False) as response,
    ):
        text = "" if gate.is_private else await _start_of(response)
        error = "" if 200 <= response.status < 300 else f"{target.host} answered {response.status}."
        if response.status in REDIRECTS:
            error = f"{target.host} sent a redirect, which is not followed. Enter the URL that it leads to."
        seconds = round(time.monotonic() - began, 3)
        return DeliveryReply(
            response.status, seconds, error, text, _retry_after(response.headers.get("Retry-After", ""))
        )


async def _start_of(response: aiohttp.ClientResponse) -> str:
    return (await response.content.read(REPLY_BYTES)).decode("utf-8", "replace").replace("\x00", "\ufffd")


def _retry_after(value: str) -> float:
    """Return the seconds of the header, which holds a number or a date; 0 when it holds neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())


def _sentence(error: BaseException, url: str) -> str:
    refusal = refusal_in(error)
    if refusal is not None:
        return str(refusal)
    if isinstance(error, TimeoutError):
        return f"The receiver did not answer within {SECONDS:.0f} seconds."
    return broken(error, URL(url).host)
