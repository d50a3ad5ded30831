"""Calls to an endpoint that allows one a second: all are answered, slowly. A second here lasts a twentieth of one."""

import asyncio
import gc
import itertools
import time
from collections.abc import Awaitable

import pytest

from curation.chat import ClientError, Sampling
from inference.clients import open_client
from inference.clients.pace import EndpointPace, Pace, shared
from inference.clients.retry import with_retries
from tests.fakes.loopback import EVERY_PORT
from tests.fakes.openai_server import FakeOpenAI, Plan

FASTER = 20
ASK = [{"role": "user", "content": "What is new?"}]


def clock() -> float:
    return time.monotonic() * FASTER


def sleep(seconds: float) -> Awaitable[object]:
    return asyncio.sleep(seconds / FASTER)


async def all_answered(server: FakeOpenAI, rows: int, at_once: int = 8) -> Pace:
    pace, slots = Pace(clock=clock, sleep=sleep), asyncio.Semaphore(at_once)
    async with open_client("openai", url=server.url, model="m", private_hosts=EVERY_PORT) as client:

        async def ask() -> str:
            async with slots:
                call = lambda: client.complete(ASK, Sampling())  # noqa: E731
                return (await with_retries(call, pace=pace, clock=clock, sleep=sleep)).text

        answers = await asyncio.gather(*[ask() for _ in range(rows)])
    assert len(answers) == rows
    return pace


async def test_one_call_a_second_answers_sixty_rows_of_eight_at_once() -> None:
    async with FakeOpenAI(Plan(every=1 / FASTER)) as server:
        await all_answered(server, 60)
    assert 60 < len(server.calls) < 60 * 2


async def test_a_wish_to_wait_slows_every_call() -> None:
    async with FakeOpenAI(Plan(faults=["429"], retry_after="10")) as server:
        began = clock()
        await all_answered(server, 3, at_once=1)
        assert clock() - began >= 10
    pace = Pace(clock=clock, sleep=sleep)
    pace.slow(await pace.turn(), 10.0)
    began = clock()
    await pace.turn()
    assert clock() - began >= 9


async def test_without_refusals_nobody_waits() -> None:
    async with FakeOpenAI(Plan(latency=0.1)) as server:
        pace = await all_answered(server, 16)
    assert (pace.interval, server.most_in_flight) == (0.0, 8)


async def test_refusals_of_calls_in_flight_together_slow_once() -> None:
    pace = Pace(clock=clock, sleep=sleep)
    turns = [await pace.turn() for _ in range(8)]
    for turn in turns:
        pace.slow(turn, None)
    assert pace.interval == 0.25
    for _ in range(60):
        pace.quicken()
    assert pace.interval == 0.0


async def test_the_whole_patience_is_used_for_an_endpoint_that_is_busy_and_five_attempts_for_one_that_fails() -> None:
    now, calls = [0.0], [0]

    async def pass_by(seconds: float) -> None:
        now[0] += seconds

    async def call(error: ClientError) -> None:
        calls[0] += 1
        raise error

    for error, least, most in (
        (ClientError("Busy.", retryable=True, is_busy=True), 120.0, 120.0),
        (ClientError("It broke.", retryable=True), 0.0, 20.0),
    ):
        now[0], calls[0] = 0.0, 0
        with pytest.raises(ClientError, match=rf"{error} Tried \d+ times"):
            await with_retries(lambda error=error: call(error), sleep=pass_by, clock=lambda: now[0])  # type: ignore[misc]
        assert least <= now[0] <= most
        assert calls[0] == 5 or error.is_busy


def test_jobs_that_call_one_endpoint_share_its_pace_and_others_do_not() -> None:
    first, second, other = Pace(shared("a")), Pace(shared("a")), Pace(shared("b"))
    first.slow(first.clock(), None)
    assert second.interval == first.interval > 0
    assert other.interval == 0
    second.quicken()
    assert first.interval == second.interval
    del first, second
    gc.collect()
    assert Pace(shared("a")).interval == 0, "nobody uses it any more"


async def test_a_wish_to_wait_told_to_one_loop_holds_for_another() -> None:
    state = EndpointPace()
    told = Pace(state, clock=clock, sleep=sleep)
    told.slow(await told.turn(), 10.0)

    def elsewhere() -> float:
        return asyncio.run(Pace(state, clock=clock, sleep=sleep).turn())

    began = clock()
    assert await asyncio.to_thread(elsewhere) - began >= 9


async def test_two_loops_never_call_within_one_interval() -> None:
    state = EndpointPace()
    state.interval = 2.0

    async def turns() -> list[float]:
        pace = Pace(state, clock=clock, sleep=sleep)
        return [await pace.turn() for _ in range(5)]

    both = await asyncio.gather(asyncio.to_thread(asyncio.run, turns()), asyncio.to_thread(asyncio.run, turns()))
    times = sorted([*both[0], *both[1]])
    assert all(later - sooner >= 2.0 for sooner, later in itertools.pairwise(times))
