"""The pace of calls to one endpoint: a call that is told to wait slows the others, and each answer quickens them again.

The interval between two calls grows by half when the endpoint refuses one and shrinks by a twentieth with each answer, so
calls go about as fast as the endpoint allows, although its limit is not known.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

FIRST = 0.25  # seconds between two calls after the first refusal
LONGEST = 30.0
SHORTEST = 0.02  # below that, calls go as they come
SLOWER, QUICKER = 1.5, 0.95


class Pace:
    """Lets calls to one endpoint go one after another, in the order in which they came; belongs to one event loop."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.interval = 0.0
        self.clock, self.sleep = clock, sleep
        self._turn = asyncio.Lock()
        self._last = self._closed = self._slowed = float("-inf")

    async def turn(self) -> float:
        """Wait until the next call may begin; return the time at which it does."""
        async with self._turn:
            while (wait := max(self._last + self.interval, self._closed) - self.clock()) > 0:
                await self.sleep(wait)
            self._last = self.clock()
            return self._last

    def slow(self, began: float, wait: float | None) -> None:
        """Note that a call that began at that time was refused, and how long the endpoint wants to be left alone."""
        now = self.clock()
        # Calls that were in flight together are refused together: that is one reason to slow down, not many.
        if began > self._slowed:
            self.interval = min(LONGEST, max(FIRST, self.interval * SLOWER))
            self._slowed = now
        self._closed = max(self._closed, now + (self.interval if wait is None else wait))

    def quicken(self) -> None:
        """Note that a call was answered."""
        self.interval = self.interval * QUICKER if self.interval * QUICKER > SHORTEST else 0.0
