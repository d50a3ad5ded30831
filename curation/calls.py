"""Many calls to models in flight at once: the one engine of whatever asks models about very many rows.

Calls run on an event loop in a thread of their own. The thread that works on the job keeps the database to itself: it
starts calls, takes their outcomes and stores them. A slot becomes free only when its outcome is stored, so a killed
process loses no more than what was in flight.
"""

import asyncio
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Self, TypeVar

from atelier.characters import storable
from curation.chat import Answer, ChatClient, ClientError, Message, Sampling

WAIT_SECONDS = 0.5
Unit = TypeVar("Unit", bound=Hashable)  # what is asked about: a row of a ledger


@dataclass(frozen=True)
class CallOutcome(Generic[Unit]):
    """The outcome of one call: an answer, or the sentence that states why there is none."""

    unit: Unit
    answer: Answer | None
    error: str = ""
    seconds: float = 0.0


class Question(NamedTuple, Generic[Unit]):
    """What is asked about a row: the messages, and the tools on offer."""

    unit: Unit
    messages: list[Message]
    tools: list[Any] = []


class Calls(Generic[Unit]):
    """Keeps calls to clients in flight. A context manager: leaving it cancels what still is, and closes the clients."""

    def __init__(self, clients: Mapping[int, ChatClient], sampling: Sampling) -> None:
        self.clients = clients
        self._sampling = sampling
        self._outcomes: queue.SimpleQueue[CallOutcome[Unit]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="model calls", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, client: int, question: Question[Unit]) -> None:
        """Begin a call."""
        self._loop.call_soon_threadsafe(self._begin, client, question)

    def take(self, seconds: float) -> list[CallOutcome[Unit]]:
        """Take all outcomes there are; wait at most so many seconds for the first."""
        outcomes: list[CallOutcome[Unit]] = []
        try:
            outcomes.append(self._outcomes.get(timeout=seconds))
            while True:
                outcomes.append(self._outcomes.get_nowait())
        except queue.Empty:
            return outcomes

    def _begin(self, client: int, question: Question[Unit]) -> None:
        task = self._loop.create_task(self._call(self.clients[client], question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, client: ChatClient, question: Question[Unit]) -> None:
        began, unit = time.monotonic(), question.unit
        try:
            answer = await client.complete(question.messages, self._sampling, question.tools)
            outcome = CallOutcome(unit, answer, "", answer.seconds or time.monotonic() - began)
        except Exception as error:  # whatever a client does, the row says it and the others go on
            known = isinstance(error, ClientError)
            why = str(error) if known else storable(f"The call failed ({type(error).__name__}: {error}).")
            outcome = CallOutcome(unit, None, why, time.monotonic() - began)
        self._outcomes.put(outcome)

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self.clients.values()), return_exceptions=True)


class CallRun(ABC, Generic[Unit]):
    """Asks about every row that waits and stores what comes, until nothing is left; `job.concurrency` calls for each client.

    `PATIENCE` has what may end a run before, from the weakest to the strongest, each with the seconds that calls in flight
    are then waited for, which are paid for whether we listen or not. Meanwhile a stronger one replaces a weaker one.
    """

    PATIENCE: Mapping[type[Exception], float]

    def __init__(self, calls: Calls[Unit], job: Any) -> None:
        self.calls, self.job = calls, job
        self.flying: dict[Unit, int] = {}  # each with its client

    @abstractmethod
    def _next(self, client: int, until: float) -> Question[Unit] | None:
        """The next row to ask a client about, and what; None when none may be asked about now, or none was ready until then."""

    @abstractmethod
    def _store(self, outcomes: list[CallOutcome[Unit]]) -> None:
        """Store outcomes, all or none."""

    @abstractmethod
    def _obey(self) -> None:
        """Raise what people or other teams want."""

    @abstractmethod
    def _check(self) -> None:
        """Raise when it makes no sense to go on."""

    def _is_over(self) -> bool:
        """Whether nothing is left, now that nothing is in flight."""
        return True

    def run(self) -> None:
        """Ask about all. Raises what ended it before; what was answered is stored then too."""
        try:
            while self._step():
                pass
        except tuple(self.PATIENCE) as reason:
            raise self._drain(reason) from reason.__cause__
        except BaseException:
            self._land(0)
            raise

    def _step(self) -> bool:
        """Fill the free slots and store what was answered. Returns False when nothing is left."""
        self._fill()
        if not self.flying and self._is_over():
            return False
        self._land(WAIT_SECONDS)
        self._check()
        self._obey()
        return True

    def _fill(self) -> None:
        """Start calls in the free slots. Slow prompts are not waited for once something can be done."""
        until = time.monotonic() + WAIT_SECONDS
        busy = Counter(self.flying.values())
        for client in self.calls.clients:
            while busy[client] < self.job.concurrency and (question := self._next(client, until)):
                self.flying[question.unit] = client
                self.calls.start(client, question)
                busy[client] += 1
                if time.monotonic() > until:
                    break

    def _land(self, seconds: float) -> None:
        """Store what came, waited for at most so long; only then are its slots free."""
        outcomes = self.calls.take(seconds) if self.flying else []
        self._store(outcomes)
        for outcome in outcomes:
            del self.flying[outcome.unit]

    def _drain(self, reason: Exception) -> Exception:
        """Ask nothing more, and store what is in flight as it comes. Returns what ends the run."""
        strength = list(self.PATIENCE).index
        until = time.monotonic() + self.PATIENCE[type(reason)]
        while True:
            self._land(max(0.0, min(WAIT_SECONDS, until - time.monotonic())))
            if not self.flying or time.monotonic() >= until:
                return reason
            try:
                self._obey()
            except tuple(self.PATIENCE) as other:
                if strength(type(other)) > strength(type(reason)):
                    reason, until = other, time.monotonic() + self.PATIENCE[type(other)]
