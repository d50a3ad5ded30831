"""The pace of calls to one endpoint: a call that is told to wait slows the others, and each answer quickens them again.

The interval between two calls grows by half when the endpoint refuses one and shrinks by a twentieth with each answer, so
calls go about as fast as the endpoint allows, although its limit is not known. All jobs of a process that call one endpoint
share its pace; between processes nothing is shared, and the endpoint's refusals slow each of them.
"""

import asyncio
import threading
import time
import weakref
from collections.abc import Awaitable, Callable

FIRST = 0.25  # seconds between two calls after the first refusal
LONGEST = 30.0
SHORTEST = 0.02  # below that, calls go as they come
SLOWER, QUICKER = 1.5, 0.95


class EndpointPace:
    """What is known of the pace that an endpoint allows; used by several event loops in several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.interval = 0.0
        self.last = self.closed = self.slowed = float("-inf")


# While a job uses one: an endpoint that nobody calls may have other limits afterwards.
_shared: "weakref.WeakValueDictionary[object, EndpointPace]" = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def shared(endpoint: object) -> EndpointPace:
    """Return the pace of an endpoint, named by anything hashable, for all who call it in this process."""
    with _sharing:
        return _shared.setdefault(endpoint, EndpointPace())


class Pace:
    """Lets calls to one endpoint go one after another, in the order in which they came; belongs to one event loop.

    `state` is what it shares with those of other event loops.
    """

    def __init__(
        self,
        state: EndpointPace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.clock, self.sleep = clock, sleep
        self._state = state or EndpointPace()
        self._turn = asyncio.Lock()

    @property
    def interval(self) -> float:
        """Return the seconds between two calls."""
        return self._state.interval

    async def turn(self) -> float:
        """Wait until the next call may begin; return the time at which it does."""
        state = self._state
        async with self._turn:
            while True:
                with state.lock:
                    now = self.clock()
                    wait = max(state.last + state.interval, state.closed) - now
                    if wait <= 0:
                        state.last = now
                        return now
                await self.sleep(wait)

    def slow(self, began: float, wait: float | None) -> None:
        """Note that a call that began at that time was refused, and how long the endpoint wants to be left alone."""
        now, state = self.clock(), self._state
        with state.lock:
            # Calls that were in flight together are refused together: that is one reason to slow down, not many.
            if began > state.slowed:
                state.interval = min(LONGEST, max(FIRST, state.interval * SLOWER))
                state.slowed = now
            state.closed = max(state.closed, now + (state.interval if wait is None else wait))

    def quicken(self) -> None:
        """Note that a call was answered."""
        state = self._state
        with state.lock:
            state.interval = state.interval * QUICKER if state.interval * QUICKER > SHORTEST else 0.0
