"""One base model kept served: its vLLM process, which adapters it holds, and when to try again after a failure."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path

from inference.serving import Server, ServerError

RETRY_SECONDS = (5, 15, 60, 300)
STEADY_SECONDS = 300  # after so long without a failure it counts from one again
REFUSED_SECONDS = 30
MISSES = 15  # unanswered looks, two seconds and a half each, before a process that lives is given up


class Keeper:
    """Steps towards what is wanted. `step` never waits: loading and stopping go on beside it, one thing at a time."""

    def __init__(self, slug: str, beside: Executor) -> None:
        self.slug, self.beside = slug, beside
        self.state, self.message = "starting", ""
        self.server: Server | None = None
        self.wanted: dict[str, Path] = {}
        self.loaded: set[str] = set()
        self.refused: dict[str, tuple[float, str]] = {}  # adapter -> when, and vLLM's words
        self.rank = self.served_rank = 16
        self.share = 0.0  # of the GPU's memory
        self.is_wanted, self.is_ending = True, False
        self.since: datetime | None = None
        self.failures, self.due_at, self.ready_at, self.misses = 0, 0.0, 0.0, 0
        self.doing: Future[None] | None = None

    @property
    def url(self) -> str:
        return self.server.spec.url if self.server else ""

    def want(self, adapters: dict[str, Path], rank: int, since: datetime) -> None:
        """Take in the wish; a newer one ends the waiting after a failure."""
        if self.since is not None and since > self.since:
            self.failures, self.due_at = 0, 0.0
            self.refused.clear()
        self.is_wanted, self.wanted, self.rank, self.since = True, adapters, rank, since

    def want_nothing(self) -> None:
        self.is_wanted, self.wanted = False, {}

    def is_due(self) -> bool:
        """True when a process has to be started now."""
        return self.server is None and self.doing is None and self.is_wanted and time.monotonic() >= self.due_at

    def start(self, server: Server, rank: int) -> None:
        self.server, self.served_rank, self.loaded, self.misses = server, rank, set(), 0
        self.state, self.message = "starting", "Starting vLLM"
        try:
            server.start()
        except (ServerError, OSError) as error:
            self.fail(f"vLLM could not be started: {error}")

    def fail(self, words: str) -> None:
        """Note why, end what is left of the process, and wait ever longer before the next try."""
        if self.ready_at and time.monotonic() - self.ready_at > STEADY_SECONDS:
            self.failures = 0
        pause = RETRY_SECONDS[min(self.failures, len(RETRY_SECONDS) - 1)]
        self.failures += 1
        self.ready_at, self.due_at, self.loaded = 0.0, time.monotonic() + pause, set()
        self.state = "failed"
        self.message = f"{words} (It is tried again after {pause} seconds.)"
        if self.server:
            self.do(self.server.stop)

    def step(self) -> None:
        """One look at the process, and the next thing to do."""
        if not self.settle():
            return
        if self.is_ending:
            self.is_ending, self.server, self.share = False, None, 0.0
            self.state, self.due_at = ("starting" if self.is_wanted else "stopped"), 0.0
        elif not self.is_wanted:
            self.end()
        elif self.server is None or self.state == "failed":
            self.server = None
        elif self.rank > self.served_rank:
            self.state, self.message, self.due_at = "starting", "Starting again with room for a larger adapter", 0.0
            self.replace()
        else:
            self.look()

    def settle(self) -> bool:
        """False while something is being done beside the loop."""
        if self.doing is not None and not self.doing.done():
            return False
        self.doing = None
        return True

    def end(self) -> None:
        if self.server is None:
            self.state, self.share = "stopped", 0.0
            return
        self.is_ending, self.state, self.message, self.loaded = True, "stopping", "", set()
        self.do(self.server.stop)

    def replace(self) -> None:
        server, self.server, self.loaded = self.server, None, set()
        if server:
            self.do(server.stop)

    def look(self) -> None:
        """The health of the process, then the adapters."""
        if self.server is None:
            return
        health = self.server.health()
        if health.state in ("failed", "stopped"):
            self.misses += 1
            # A busy machine may be late with an answer; only an ended process is surely gone.
            if not self.server.is_running or self.misses >= MISSES:
                self.fail(health.message or "vLLM ended.")
        elif health.state == "starting":
            self.message = health.message or "Starting vLLM"
        else:
            self.misses = 0
            if self.state != "ready":
                self.state, self.message, self.ready_at = "ready", "", time.monotonic()
            self.sync()

    def sync(self) -> None:
        """Load or unload one adapter beside the loop, if there is one to."""
        for name in self.loaded - self.wanted.keys():
            self.do(self.unload, name)
            return
        for name, path in self.wanted.items():
            tried = self.refused.get(name)
            if name not in self.loaded and (tried is None or time.monotonic() - tried[0] > REFUSED_SECONDS):
                self.do(self.load, name, path)
                return

    def load(self, name: str, path: Path) -> None:
        server = self.server
        if server is None:
            return
        try:
            server.load_adapter(name, path.resolve())
        except ServerError as error:
            if "already been loaded" not in str(error):
                self.refused[name] = (time.monotonic(), str(error))
                return
        self.refused.pop(name, None)
        self.loaded = self.loaded | {name}

    def unload(self, name: str) -> None:
        server = self.server
        if server is None:
            return
        try:
            server.unload_adapter(name)
        except ServerError as error:
            self.message = str(error)
        self.loaded = self.loaded - {name}

    def words_for(self, names: list[str]) -> str:
        """What to tell a deployment with these adapters: the process's words, and why an adapter was refused."""
        refused = [f"An adapter was refused: {self.refused[name][1]}" for name in names if name in self.refused]
        return " ".join([self.message, *refused]).strip()

    def do(self, work: Callable[..., None], *args: object) -> None:
        self.doing = self.beside.submit(work, *args)

    def end_now(self) -> None:
        """At the very end, whatever was going on."""
        if self.server:
            self.server.stop()
