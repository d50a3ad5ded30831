"""A base model that is kept served: its vLLM process, which adapters it has loaded, and when to retry after a failure."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from atelier import secrets
from atelier.files.local_paths import hidden
from inference.vllm import Server, ServerError

RETRY_SECONDS = (5, 15, 60, 300)
STEADY_SECONDS = 300  # after so long without a failure it counts from one again
REFUSED_SECONDS = 30
QUIET_SECONDS = 10.0  # without an answer being written, before a process is started again for a larger adapter
LEAST_RANK = 16  # room for the recipes' default
TOO_LARGE = "The model restarts with room for an adapter of rank {} once it has been idle for {:.0f} seconds, because others use it too."
MISSES = 15  # unanswered looks, two seconds and a half each, before a process that lives is given up


class WantedAdapter(NamedTuple):
    """The path of an adapter, and the rank that the process needs room for."""

    path: Path
    rank: int


class ServedBase:
    """Takes steps towards what is wanted. `step` never waits: loading and stopping run beside it, one thing at a time."""

    def __init__(self, slug: str, beside: Executor) -> None:
        self.slug, self.beside = slug, beside
        self.state, self.message = "starting", ""
        self.server: Server | None = None
        self.wanted: dict[str, WantedAdapter] = {}
        self.loaded: set[str] = set()
        self.refused: dict[str, tuple[float, str]] = {}  # adapter -> when, and vLLM's words
        self.misfits: dict[str, str] = {}  # adapter -> why it does not belong to the base's files on disk
        self.digest = ""  # of the base's files when the process was started
        self.sealed_key = ""  # of the process, as rows keep it
        self.served_rank = LEAST_RANK
        self.share = 0.0  # of the GPU's memory
        self.is_wanted, self.is_ending = True, False
        self.since: datetime | None = None
        self.failures, self.due_at, self.ready_at, self.misses = 0, 0.0, 0.0, 0
        self.doing: Future[None] | None = None

    @property
    def url(self) -> str:
        return self.server.spec.url if self.server else ""

    @property
    def rank(self) -> int:
        """Return the rank that all wanted adapters need room for."""
        return max([LEAST_RANK, *(adapter.rank for adapter in self.wanted.values())])

    def want(self, adapters: dict[str, WantedAdapter], since: datetime) -> None:
        """Set the wanted adapters; a newer request ends the waiting after a failure."""
        if self.since is not None and since > self.since:
            self.failures, self.due_at = 0, 0.0
            self.refused.clear()
        self.is_wanted, self.wanted, self.since = True, adapters, since

    def want_nothing(self) -> None:
        self.is_wanted, self.wanted = False, {}

    def is_due(self) -> bool:
        """Return whether a process has to be started now."""
        return self.server is None and self.doing is None and self.is_wanted and time.monotonic() >= self.due_at

    def start(self, server: Server) -> None:
        self.server, self.served_rank, self.loaded, self.misses = server, server.spec.max_lora_rank, set(), 0
        self.sealed_key = secrets.seal(server.spec.key)
        self.state, self.message = "starting", "Starting vLLM"
        try:
            server.start()
        except (ServerError, OSError) as error:
            self.fail(f"vLLM could not be started: {error}")

    def fail(self, words: str) -> None:
        """Note the failure, end what is left of the process, and wait ever longer before the next try."""
        if self.ready_at and time.monotonic() - self.ready_at > STEADY_SECONDS:
            self.failures = 0
        pause = RETRY_SECONDS[min(self.failures, len(RETRY_SECONDS) - 1)]
        self.failures += 1
        self.ready_at, self.due_at, self.loaded = 0.0, time.monotonic() + pause, set()
        self.state = "failed"
        self.message = f"{words} (Next try in {pause} seconds.)"
        if self.server:
            self.do(self.server.stop)

    def step(self) -> None:
        """Check the process, and do the next thing."""
        if not self.settle():
            return
        if self.is_ending:
            self.is_ending, self.server, self.share = False, None, 0.0
            self.state, self.due_at = ("starting" if self.is_wanted else "stopped"), 0.0
        elif not self.is_wanted:
            self.end()
        elif self.server is None or self.state == "failed":
            self.server = None
        elif self.is_too_small():
            self.replace()
        else:
            self.look()

    def settle(self) -> bool:
        """Clear a finished step beside the loop; return False while one still runs."""
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

    def is_too_small(self) -> bool:
        """Return whether the process has to be restarted with room for a larger adapter, and nobody would notice.

        The model answers other teams too, so the person who deploys the adapter waits, and not they.
        """
        if self.rank <= self.served_rank or self.server is None or self.state != "ready":
            return False
        try:
            return self.server.quiet_seconds() >= QUIET_SECONDS
        except ServerError:
            return False  # what ails it is seen by the next look

    def replace(self) -> None:
        self.state, self.message, self.due_at = "starting", "Restarting with room for a larger adapter", 0.0
        server, self.server, self.loaded = self.server, None, set()
        if server:
            self.do(server.stop)

    def look(self) -> None:
        """Check the health of the process, then the adapters."""
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
        """Load or unload one adapter beside the loop, if there is one to load or unload."""
        for name in self.loaded - self.wanted.keys():
            self.do(self.unload, name)
            return
        for name, adapter in self.wanted.items():
            tried = self.refused.get(name)
            is_due = tried is None or time.monotonic() - tried[0] > REFUSED_SECONDS
            if name not in self.loaded and is_due and adapter.rank <= self.served_rank:
                self.do(self.load, name, adapter.path)
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
        """Return the message for a deployment with these adapters: the process's words, and why an adapter was refused.

        Viewers read it, so it names no path of this machine.
        """
        more = []
        more += [self.misfits[name] for name in names if name in self.misfits]
        if self.state == "ready":  # what it was refused by is gone else
            more += [f"An adapter was refused: {self.refused[name][1]}" for name in names if name in self.refused]
            if any(name in self.wanted and self.wanted[name].rank > self.served_rank for name in names):
                more.append(TOO_LARGE.format(self.rank, QUIET_SECONDS))
        roots = (settings.DATA_DIR, settings.MODELS_DIR, settings.RUNS_DIR, settings.LOG_DIR, settings.BASE_DIR)
        return hidden(" ".join([self.message, *more]).strip(), [*roots, sys.prefix])

    def do(self, work: Callable[..., None], *args: object) -> None:
        self.doing = self.beside.submit(work, *args)

    def end_now(self) -> None:
        """End the process at the very end, whatever is in progress."""
        if self.server:
            self.server.stop()
