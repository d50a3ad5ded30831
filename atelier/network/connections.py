"""A uvicorn protocol with time limits and a connection limit per client, so that idle connections do not block others.

Given by `--http`. uvicorn has no time limit until a request's head is complete, nor between two pieces of its body, and
counts such connections against `--limit-concurrency`: two thousand of one client end the service for everybody.
"""

import ipaddress
import logging
from asyncio import Transport
from asyncio.events import TimerHandle
from collections import Counter
from functools import lru_cache
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

log = logging.getLogger(__name__)
HEAD_BYTES = 64 << 10  # of a head, or between two pieces of a body: adding to a header that is this long costs the loop
LEAST_RATE = 1024  # bytes of a body a second, on average once BODY_SECONDS are over
IDLE_PER_ADDRESS = 100  # connections without a request; when one more comes, the one that is idle longest is closed


class BoundedProtocol(HttpToolsProtocol):
    """A connection with deadlines for its heads and bodies, and its share of the connections of its address."""

    open_by_address: Counter[str] = Counter()
    idle_by_address: dict[str, "dict[BoundedProtocol, None]"] = {}  # the one that is idle longest is the first
    deadline: TimerHandle | None = None
    address = ""  # empty: not counted
    in_head = False  # bytes of a head have come, and it is not whole
    body_bytes, body_seconds = 0, 0.0  # what came of a body, and how long it was waited for
    body_seen: float | None = None  # when its last piece came; None while it is the application that does not read
    head_bytes = 0  # since a head or a piece of a body was whole: what the parser gathers

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = counted_address(self.client[0] if self.client else "", tuple(settings.TRUSTED_PROXIES))
        self._set_deadline(settings.HEADER_SECONDS)
        if not self.address:
            return
        self.open_by_address[self.address] += 1
        if self.open_by_address[self.address] > settings.CONNECTIONS_PER_ADDRESS:
            log.warning("too many connections from %s: one is refused", self.address)
            self._refuse(503, "Too many connections from your IP address. Close some, then try again.")
            return
        self._idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._forget()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self.cycle is not None and self.cycle.response_complete and not self.in_head and self.deadline is None:
            self._set_deadline(settings.HEADER_SECONDS)  # of the next request of a connection that is kept
        self.head_bytes += len(data)
        before = self.head_bytes
        super().data_received(data)
        # A block that ends a head may hold megabytes of its body too, so it is fed before it is judged.
        if self.head_bytes == before and before > HEAD_BYTES:
            self._end(431, "The head of the request is longer than 64 KB.")

    def on_message_begin(self) -> None:
        self.in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.in_head, self.head_bytes = False, 0
        self._busy()
        self._set_deadline(settings.BODY_SECONDS)
        self.body_bytes, self.body_seconds, self.body_seen = 0, 0.0, self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.head_bytes = 0
        self._set_deadline(settings.BODY_SECONDS)
        super().on_body(body)
        now = self.loop.time()
        self.body_bytes += len(body)
        self.body_seconds += now - self.body_seen if self.body_seen is not None else 0.0
        self.body_seen = None if self.flow.read_paused else now
        if self.body_seconds > settings.BODY_SECONDS and self.body_bytes < LEAST_RATE * self.body_seconds:
            self._too_slow()

    def on_message_complete(self) -> None:
        self.head_bytes = 0
        self._set_deadline(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._idle()
            if self.in_head:  # the next head began while this request was answered
                self._unset_keepalive_if_required()
                self._set_deadline(settings.HEADER_SECONDS)

    # --- deadlines ---

    def _set_deadline(self, seconds: float | None) -> None:
        """Set the time that is left for what comes next; None when it is not the client's turn."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = self.loop.call_later(seconds, self._too_slow) if seconds is not None else None

    def _too_slow(self) -> None:
        self.deadline = None
        if self.flow.read_paused:  # it is the application that has not read what came
            self._set_deadline(settings.BODY_SECONDS)
        else:
            self._end(408, "The request did not arrive in time.")

    def _end(self, status: int, sentence: str) -> None:
        """Refuse the request; if a response has already begun, another would only get mixed up with it."""
        if self._answering() or (self.cycle is not None and self.cycle.response_complete and not self.in_head):
            self._set_deadline(None)
            self.transport.close()
        else:
            self._refuse(status, sentence)

    def _answering(self) -> bool:
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete

    def _refuse(self, status: int, sentence: str) -> None:
        self._set_deadline(None)
        if self.transport.is_closing():
            return
        body = sentence.encode()
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    # --- the share of an address ---

    def _idle(self) -> None:
        """Note that the connection waits for a request. Of too many such of one address the oldest is closed."""
        if not self.address:
            return
        mine = self.idle_by_address.setdefault(self.address, {})
        mine[self] = None
        if len(mine) > IDLE_PER_ADDRESS:
            oldest = next(iter(mine))
            del mine[oldest]
            oldest.transport.close()

    def _busy(self) -> None:
        mine = self.idle_by_address.get(self.address, {})
        mine.pop(self, None)
        if not mine:
            self.idle_by_address.pop(self.address, None)

    def _forget(self) -> None:
        self._set_deadline(None)
        self._busy()
        if self.address:
            self.open_by_address[self.address] -= 1
            if not self.open_by_address[self.address]:
                del self.open_by_address[self.address]
            self.address = ""


@lru_cache(maxsize=4096)
def counted_address(host: str, trusted: tuple[str, ...]) -> str:
    """Return what a client is counted under: its address, of IPv6 the network that one person has; "" for trusted proxies."""
    try:
        address: Any = ipaddress.ip_address(host)
    except ValueError:  # a unix socket
        return ""
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(one, strict=False) for one in trusted):
        return ""
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
