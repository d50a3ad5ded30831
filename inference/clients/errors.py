"""Errors of a call, as a ClientError with one sentence on what to do."""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2

from atelier.network.outbound import Gate, refusal_in
from curation.chat import ClientError
from inference.clients.replies import InnerError

RETRYABLE = frozenset({408, 425, 429})
BUSY = frozenset({429, 503, 529})
NOT_IMPLEMENTED = frozenset({501, 505})
MAX_WORDS = 300
SAMPLED = re.compile(r"\b(?:max_completion_tokens|max_tokens|temperature|top_p|random_seed|seed)\b")
NOT_TAKEN = re.compile(
    r"support|unrecogni[sz]ed|unknown|unexpected|extra|forbidden|permitted|allowed|deprecated|only the default|instead",
    re.IGNORECASE,
)

NO_COMPLETION = "The endpoint at {} returned something that isn't a chat completion."
KEPT_BACK = ". Its message is not shown, because its host is private. Check its own log."
ADVICE = {
    401: "check its API key.",
    402: "its account has no credit left.",
    403: "its API key isn't allowed to use this model.",
    404: "it doesn't have this model, or its URL is wrong.",
    429: "it receives too many requests.",
}


@dataclass(frozen=True)
class ErrorReader:
    """Describes replies that are errors: names the host, removes the key, and for a private host omits the reply's text.

    Otherwise anyone who may add an endpoint could read replies of services in the inner network.
    """

    place: str
    key: str
    gate: Gate
    shows_words: bool = False

    def of_status(self, status: int, body: Any, headers: Mapping[str, str]) -> ClientError:
        """Return the error for an HTTP status outside 2xx."""
        is_kept_back = self.gate.is_private and not self.shows_words
        error = of_status(self.place, status, "" if is_kept_back else body, headers, self.key, is_kept_back)
        # Only one of our own field names: that gives nothing away.
        error.refused_field = refused_field(body) if status in (400, 422) else ""
        return error

    def of_inner(self, error: InnerError) -> ClientError:
        """Return the error that came inside a reply with status 200."""
        if error.status:
            return self.of_status(error.status, error.body, {})
        is_kept_back = self.gate.is_private and not self.shows_words
        words = "" if is_kept_back else _clean(words_of(error.body), self.key)
        told = ClientError(
            f"The endpoint at {self.place} returned an error in place of an answer"
            + (f": {words}" if words else KEPT_BACK if is_kept_back else " without a reason."),
        )
        told.refused_field = refused_field(error.body)
        return told

    def of_nothing_readable(self) -> ClientError:
        return ClientError(NO_COMPLETION.format(self.place), retryable=True)


def of_status(
    place: str, status: int, body: Any, headers: Mapping[str, str], key: str = "", is_kept_back: bool = False
) -> ClientError:
    """Return the error for an HTTP status outside 2xx; the server's own words are kept unless kept back, the key never is."""
    words = _clean(words_of(body), key)
    if status in ADVICE:
        sentence = f"The endpoint at {place} answered {status}: {ADVICE[status]}"
        if words and status not in (401, 403):
            sentence += f" Its message: {words}"
    elif 300 <= status < 400:
        sentence = f"The endpoint at {place} redirects elsewhere. Enter its final URL."
    else:
        sentence = f"The endpoint at {place} answered {status}" + (
            f": {words}" if words else KEPT_BACK if is_kept_back else " without a reason."
        )
    retryable = status in RETRYABLE or (status >= 500 and status not in NOT_IMPLEMENTED)
    return ClientError(sentence, retryable=retryable, retry_after=retry_after(headers), is_busy=status in BUSY)


def of_connection(place: str, error: BaseException, seconds: float) -> ClientError:
    """Return the error for a call without a usable answer: no connection, a timeout, a cut, a refusal, a broken body."""
    refusal = refusal_in(error)
    if refusal is not None:
        return ClientError(f"The endpoint at {place} was not used: {refusal}", retryable=False)
    chain = list(_chain(error))
    # aiohttp's own error is looked at first: the layers above it call every broken connection a timeout.
    if _any(chain, aiohttp.ClientConnectorDNSError):
        return ClientError(f"The endpoint at {place} has a host name that was not found.", retryable=True)
    if _any(chain, aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
        return ClientError(f"The endpoint at {place} has an invalid certificate.", retryable=False)
    if _any(chain, aiohttp.ClientConnectorError):
        return ClientError(
            f"The endpoint at {place} does not accept connections. Check that it is running.", retryable=True
        )
    if _any(chain, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError):
        return ClientError(f"The endpoint at {place} closed the connection before its answer ended.", retryable=True)
    if _any(chain, TimeoutError, httpx2.TimeoutException):
        return ClientError(f"The endpoint at {place} did not answer within {seconds:.0f} seconds.", retryable=True)
    if _any(chain, aiohttp.ClientError, httpx2.HTTPError, OSError):
        return ClientError(f"The connection to the endpoint at {place} failed.", retryable=True)
    return ClientError(NO_COMPLETION.format(place), retryable=True)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait as the server wishes: Retry-After in seconds or as a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    date = email.utils.parsedate_tz(value) if value else None
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def words_of(body: Any) -> str:
    """Return the message in an error body of the shapes in use: {"error": {"message"}}, {"message"}, {"detail"}, or text."""
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


def refused_field(body: Any) -> str:
    """Return the sampling field that an error body says its server doesn't take; empty when it says none."""
    inner = body.get("error", body) if isinstance(body, dict) else {}
    inner = inner if isinstance(inner, dict) else {}
    named = inner.get("param")
    words = words_of(body)
    if isinstance(detail := inner.get("detail"), list):
        words += json.dumps(detail, default=str)
    if not NOT_TAKEN.search(words):
        return ""
    found = named if isinstance(named, str) and SAMPLED.fullmatch(named) else next(iter(SAMPLED.findall(words)), "")
    return found.replace("random_seed", "seed")


def _clean(words: str, key: str) -> str:
    words = " ".join(words.split())
    if key:
        # A short one as a word alone: else it takes letters out of other words.
        words = words.replace(key, "…") if len(key) >= 8 else re.sub(rf"(?<!\w){re.escape(key)}(?!\w)", "…", words)
    # Providers quote keys shortened or masked; no part of one belongs in a log either.
    words = re.sub(r"\b(sk|key|Bearer)[-_ ][\w*.\-]{6,}", "…", words)
    return words[:MAX_WORDS]


def _chain(error: BaseException | None) -> Any:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _any(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in chain)
