"""Retries of a call: exponential backoff with full jitter, as long as attempts and time last, at the endpoint's pace.

Full jitter (a wait drawn evenly between nothing and the exponential bound) spreads callers that failed together; see
M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from curation.chat import ClientError
from inference.clients.pace import Pace

T = TypeVar("T")
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


async def with_retries(
    call: Callable[[], Awaitable[T]],
    attempts: int = 5,
    budget: float = 120.0,
    *,
    pace: Pace | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[float, float], float] = random.uniform,
) -> T:
    """Await `call()` until it succeeds, within `budget` seconds after its first turn.

    Only a ClientError marked retryable is retried, not before its `retry_after`: at most `attempts` times in all, except
    that a call which the endpoint was too busy for costs nothing and is repeated as long as the budget lasts. When the
    server asks for a wait that the budget does not allow, the error is raised at once. Cancellation passes through.
    """
    if attempts < 1:
        raise ValueError("attempts must be at least 1")
    tried = failed = 0
    until = None
    while True:
        began = await pace.turn() if pace else clock()
        until = began + budget if until is None else until
        tried += 1
        try:
            answer = await call()
        except ClientError as error:
            failed += not error.is_busy
            left, wait = until - clock(), wait_before(tried, error.retry_after, draw)
            if error.is_busy and error.retry_after is None and left > 0:
                wait = min(wait, left)  # the last attempt is made at the very end
            is_late = wait > left
            if pace and error.is_busy:
                pace.slow(began, None if is_late else error.retry_after)
            if not error.retryable or failed >= attempts or is_late:
                raise _last(error, tried) from error
        else:
            if pace:
                pace.quicken()
            return answer
        await sleep(wait)


def wait_before(attempt: int, retry_after: float | None, draw: Callable[[float, float], float]) -> float:
    """Return the seconds to wait after the given attempt failed."""
    jitter = draw(0.0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))
    # On top of the server's wish, not instead: else all who were told "10 seconds" come back in the same moment.
    return jitter if retry_after is None else retry_after + jitter


def _last(error: ClientError, attempt: int) -> ClientError:
    if attempt == 1:
        return error
    return ClientError(
        f"{error} Tried {attempt} times.",
        retryable=error.retryable,
        retry_after=error.retry_after,
        is_busy=error.is_busy,
    )
