"""Calls to a teacher, many in flight at once, on an event loop in a thread of their own.

The thread that works on the job keeps the database to itself: it starts calls and takes outcomes. A slot becomes free
only when the job's thread says that the outcome is stored, so a killed process loses no more than what was in flight.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from curation.chat import Answer, Client, ClientError, Sampling


@dataclass(frozen=True)
class Outcome:
    """What came of one call: an answer, or the sentence that says why there is none."""

    key: int
    answer: Answer | None
    error: str = ""
    seconds: float = 0.0


class Calls:
    """Keeps calls in flight. A context manager: leaving it cancels what still is, and closes the client."""

    def __init__(self, client: Client, sampling: Sampling) -> None:
        self._client = client
        self._sampling = sampling
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="teacher calls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, calls: Sequence[tuple[int, list[dict[str, Any]]]]) -> None:
        """Begin calls, each a key and its messages."""
        if calls:
            self._loop.call_soon_threadsafe(self._begin, calls)

    def take(self, seconds: float) -> list[Outcome]:
        """All outcomes there are; waits at most so long for the first."""
        found: list[Outcome] = []
        try:
            found.append(self._outcomes.get(timeout=seconds))
            while True:
                found.append(self._outcomes.get_nowait())
        except queue.Empty:
            return found

    def _begin(self, calls: Sequence[tuple[int, list[dict[str, Any]]]]) -> None:
        for key, messages in calls:
            task = self._loop.create_task(self._call(key, messages))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, key: int, messages: list[dict[str, Any]]) -> None:
        began = time.monotonic()
        try:
            answer = await self._client.complete(messages, self._sampling)
        except ClientError as error:
            outcome = Outcome(key, None, str(error), time.monotonic() - began)
        except Exception as error:  # whatever a client does, the row says it and the others go on
            outcome = Outcome(key, None, f"The call broke ({type(error).__name__}: {error}).", time.monotonic() - began)
        else:
            outcome = Outcome(key, answer, "", answer.seconds or time.monotonic() - began)
        self._outcomes.put(outcome)

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()
