"""Trying a call again: exponential waits with full jitter, as long as attempts and time last.

Full jitter (a wait drawn evenly between nothing and the exponential bound) spreads callers that failed together; see
M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from curation.chat import ClientError

T = TypeVar("T")
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0


async def with_retries(
    call: Callable[[], Awaitable[T]],
    attempts: int = 5,
    budget: float = 120.0,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    draw: Callable[[float, float], float] = random.uniform,
) -> T:
    """Await `call()` until it succeeds, at most `attempts` times and within `budget` seconds.

    Only a ClientError marked retryable is tried again, not before its `retry_after`. When the server asks for a wait
    that the budget does not allow, the error is raised at once. Cancellation passes through.
    """
    started = time.monotonic()
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except ClientError as error:
            wait = wait_before(attempt, error.retry_after, draw)
            late = time.monotonic() - started + wait > budget
            if not error.retryable or attempt == attempts or late:
                raise _last(error, attempt) from error
        await sleep(wait)
    raise ValueError("attempts must be at least 1")


def wait_before(attempt: int, retry_after: float | None, draw: Callable[[float, float], float]) -> float:
    """Seconds to wait after the given attempt failed."""
    jitter = draw(0.0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))
    # On top of the server's wish, not instead: else all who were told "10 seconds" come back in the same moment.
    return jitter if retry_after is None else retry_after + jitter


def _last(error: ClientError, attempt: int) -> ClientError:
    if attempt == 1:
        return error
    return ClientError(f"{error} Tried {attempt} times.", retryable=error.retryable, retry_after=error.retry_after)
