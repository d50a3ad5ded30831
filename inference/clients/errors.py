"""What went wrong with a call, as a ClientError with one sentence that says what to do."""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx2

from atelier.outbound import refusal_in
from curation.chat import ClientError

RETRYABLE = frozenset({408, 425, 429})
NOT_IMPLEMENTED = frozenset({501, 505})
MAX_WORDS = 300

ADVICE = {
    401: "check its API key.",
    402: "its account has no credit left.",
    403: "its API key may not use this model.",
    404: "it does not know this model, or its address is wrong.",
    429: "it is asked too often just now.",
}


def of_status(place: str, status: int, body: Any, headers: Mapping[str, str], key: str = "") -> ClientError:
    """The error for an HTTP status outside 2xx; the server's own words are kept, the key never is."""
    words = _clean(words_of(body), key)
    if status in ADVICE:
        sentence = f"The endpoint at {place} answered {status}: {ADVICE[status]}"
        if words and status not in (401, 403):
            sentence += f" It said: {words}"
    elif 300 <= status < 400:
        sentence = f"The endpoint at {place} redirects elsewhere: enter its final address."
    else:
        sentence = f"The endpoint at {place} answered {status}" + (f": {words}" if words else " without saying why.")
    retryable = status in RETRYABLE or (status >= 500 and status not in NOT_IMPLEMENTED)
    return ClientError(sentence, retryable=retryable, retry_after=retry_after(headers))


def of_connection(place: str, error: BaseException, seconds: float) -> ClientError:
    """The error for a call that got no usable answer: no connection, a timeout, a cut, a refusal, a broken body."""
    refusal = refusal_in(error)
    if refusal is not None:
        return ClientError(f"The endpoint at {place} was not used: {refusal}", retryable=False)
    chain = list(_chain(error))
    # aiohttp's own error is looked at first: the layers above it call every broken connection a timeout.
    if _any(chain, aiohttp.ClientConnectorDNSError):
        return ClientError(f"The endpoint at {place} has a name that could not be found.", retryable=True)
    if _any(chain, aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
        return ClientError(f"The endpoint at {place} shows a certificate that is not valid.", retryable=False)
    if _any(chain, aiohttp.ClientConnectorError):
        return ClientError(f"The endpoint at {place} does not accept connections: is it running?", retryable=True)
    if _any(chain, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError):
        return ClientError(f"The endpoint at {place} broke the connection before its answer ended.", retryable=True)
    if _any(chain, TimeoutError, httpx2.TimeoutException):
        return ClientError(f"The endpoint at {place} did not answer within {seconds:.0f} seconds.", retryable=True)
    if _any(chain, aiohttp.ClientError, httpx2.HTTPError, OSError):
        return ClientError(f"The connection to the endpoint at {place} failed.", retryable=True)
    return ClientError(f"The endpoint at {place} answered something that is not a chat completion.", retryable=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the server wishes: Retry-After in seconds or as a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    date = email.utils.parsedate_tz(value) if value else None
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def words_of(body: Any) -> str:
    """The message in an error body of the shapes in use: {"error": {"message"}}, {"message"}, {"detail"}, or text."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return "" if body.lstrip().startswith("<") else str(body)
    for name in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        body = body.get("message") or body.get("msg") or ""
    return body if isinstance(body, str) else ""


def _clean(words: str, key: str) -> str:
    words = " ".join(words.split())
    if key:
        words = words.replace(key, "…")
    # Providers quote keys shortened or masked; no part of one belongs in a log either.
    words = re.sub(r"\b(sk|key|Bearer)[-_ ][\w*.\-]{6,}", "…", words)
    return words[:MAX_WORDS]


def _chain(error: BaseException | None) -> Any:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)
