"""When a call is tried again, and how long is waited."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.chat import ClientError
from inference.clients.retry import LONGEST_WAIT, wait_before, with_retries


class Call:
    """A call that fails with the given errors, then succeeds; its sleeps are noted instead of slept."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.waits: list[float] = []

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def run(self, attempts: int = 5, budget: float = 120.0, draw: Callable[[float, float], float] = max) -> str:
        return await with_retries(self, attempts, budget, sleep=self.sleep, draw=draw)


def busy(retry_after: float | None = None) -> ClientError:
    return ClientError("It is busy.", retryable=True, retry_after=retry_after)


async def test_a_call_that_succeeds_is_made_once() -> None:
    call = Call()
    assert await call.run() == "done"
    assert (call.calls, call.waits) == (1, [])


async def test_waits_double() -> None:
    call = Call(busy(), busy(), busy())
    assert await call.run() == "done"
    assert call.waits == [0.5, 1.0, 2.0]


async def test_an_error_that_will_not_pass_is_not_tried_again() -> None:
    call = Call(ClientError("Wrong key.", retryable=False, retry_after=None))
    with pytest.raises(ClientError, match="Wrong key"):
        await call.run()
    assert call.calls == 1


async def test_after_the_last_attempt_the_error_says_how_often_it_was_tried() -> None:
    call = Call(busy(), busy(), busy())
    with pytest.raises(ClientError, match=r"It is busy\. Tried 3 times\.") as caught:
        await call.run(attempts=3)
    assert call.calls == 3
    assert caught.value.retryable


async def test_the_server_s_wish_is_waited_for() -> None:
    call = Call(busy(retry_after=7.0))
    await call.run()
    assert call.waits == [7.5]


async def test_a_wish_beyond_the_budget_ends_the_attempts_at_once() -> None:
    call = Call(busy(retry_after=3600.0))
    with pytest.raises(ClientError):
        await call.run(budget=60.0)
    assert (call.calls, call.waits) == (1, [])


async def test_cancellation_passes_through() -> None:
    call = Call(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await call.run()
    assert call.calls == 1


async def test_other_errors_pass_through() -> None:
    call = Call(KeyError("bug"))
    with pytest.raises(KeyError):
        await call.run()


@given(attempt=st.integers(1, 40), share=st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest(attempt: int, share: float) -> None:
    wait = wait_before(attempt, None, lambda low, high: low + (high - low) * share)
    assert 0 <= wait <= LONGEST_WAIT
