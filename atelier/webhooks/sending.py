"""One try: a POST through the outbound gate. Redirects are not followed, and of the reply only a start is read."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from atelier.outbound import Gate, Refused, broken, refusal_in

SECONDS = 10.0
REPLY_BYTES = 2000
REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Reply:
    """What came of a try: the status, or 0 and the sentence that says why nothing came. Times in seconds."""

    status: int
    seconds: float
    error: str = ""
    text: str = ""
    retry_after: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def post(url: str, body: bytes, headers: dict[str, str], private_hosts: Sequence[str] = ()) -> Reply:
    """Send it; every outcome is a Reply, nothing of the network is raised. Not for use inside a running event loop."""
    began = time.monotonic()
    try:
        return asyncio.run(_post(url, body, headers, Gate(private_hosts), began))
    except (Refused, TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        return Reply(0, round(time.monotonic() - began, 3), _sentence(error, url))


async def _post(url: str, body: bytes, headers: dict[str, str], gate: Gate, began: float) -> Reply:
    target = gate.check_url(url)
    timeout = aiohttp.ClientTimeout(total=SECONDS, sock_connect=5)
    async with (
        asyncio.timeout(SECONDS),
        aiohttp.ClientSession(connector=gate.connector(), timeout=timeout, auto_decompress=False) as session,
        session.post(target, data=body, headers=headers, allow_redirects=False) as response,
    ):
        text = (await response.content.read(REPLY_BYTES)).decode("utf-8", "replace").replace("\x00", "\ufffd")
        error = "" if 200 <= response.status < 300 else f"{target.host} answered {response.status}."
        if response.status in REDIRECTS:
            error = f"{target.host} redirected, which is not followed: enter the address that it leads to."
        seconds = round(time.monotonic() - began, 3)
        return Reply(response.status, seconds, error, text, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(value: str) -> float:
    """Seconds of the header, which holds a number or a date; 0 when it holds neither."""
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
        return f"It did not answer within {SECONDS:.0f} seconds."
    return broken(error, URL(url).host)
