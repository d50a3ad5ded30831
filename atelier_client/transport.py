"""HTTP calls: authorised by the key, and retried if a repetition does no harm.

GET, PUT, PATCH and DELETE may be repeated. A POST is repeated only under an idempotency key, which is created here, so
that the server recognises the second as the first.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from atelier_client import errors

TRIES = 4
FIRST_PAUSE = 0.5  # seconds; doubled after each try
LONGEST_PAUSE = 30.0
REPEATABLE = {"GET", "PUT", "DELETE"}
TRY_AGAIN = {429, 502, 503, 504}


class Transport:
    """A connection pool for calls to the server. `sleep` is given by tests."""

    def __init__(self, url: str, key: str, timeout: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/api",
            headers={"Authorization": f"Bearer {key}", "User-Agent": "atelier-client"},
            timeout=httpx.Timeout(timeout, connect=10),
        )

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, *, once: bool = False, **request: Any) -> Any:
        """Return the JSON of the response, None when it is empty. `once` adds an idempotency key. Raises AtelierError."""
        if once:
            request["headers"] = {"Idempotency-Key": uuid.uuid4().hex}
        tries = TRIES if once or method in REPEATABLE else 1
        response = self._tried(lambda: self._http.request(method, path, **request), tries)
        if response.is_error:
            raise errors.of(response.status_code, _answer(response))
        return _answer(response) if response.content else None

    def _tried(self, send: Callable[[], httpx.Response], tries: int) -> httpx.Response:
        for left in reversed(range(tries)):
            pause = min(FIRST_PAUSE * 2 ** (tries - left - 1), LONGEST_PAUSE)
            try:
                response = send()
            except httpx.TransportError as error:
                if not left:
                    raise errors.Unavailable(
                        f"The server cannot be reached: {error or type(error).__name__}."
                    ) from error
            else:
                if response.status_code not in TRY_AGAIN or not left:
                    return response
                pause = max(pause, _retry_after(response))
            self._sleep(min(pause, LONGEST_PAUSE))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """Provide the body of a GET, in pieces. Raises AtelierError."""
        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                    raise errors.of(response.status_code, _answer(response))
                yield response.iter_bytes()
        except httpx.TransportError as error:
            raise errors.Unavailable(f"The download failed: {error or type(error).__name__}.") from error


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else 0.0


def _answer(response: httpx.Response) -> Any:
    kind = response.headers.get("Content-Type", "")
    if not kind.startswith("application/json"):
        return response.text
    try:
        return response.json()
    except ValueError:
        return response.text
