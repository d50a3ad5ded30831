"""The supervisor: starts, watches and stops the processes of one machine. Used by `manage.py up` and `manage.py demo`."""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 20
RESTART_SECONDS = (1, 2, 5, 10, 30)
LOG_LIMIT = 20 * 2**20
# Looked up before anything is forked: a child of a process with threads must not load libraries.
PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class AlreadyRunning(RuntimeError):
    """Another `up` already holds this data folder."""


@dataclass
class SupervisedProcess:
    """A process that must be up: how to start it, and its state."""

    name: str
    argv: list[str]
    stop_signal: int = signal.SIGTERM
    ends_last: bool = False  # the others need it to end well: workers hang when the broker goes first
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    restarts: int = 0
    started_at: float = 0.0
    due_at: float = 0.0


def _child_setup(death: int) -> None:
    """Prepare the child: a session of its own, so that Ctrl-C reaches only the supervisor; and its end with the supervisor's.

    The signal is the child's own: TERM would let a worker continue until the end of its longest job. This runs between
    fork and exec, where another thread (a progress bar's) may have held any lock: only system calls here.
    """
    os.setsid()
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, death)


class Supervisor:
    """Keeps children running until it is told to stop; each writes to its own log file."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.logs = folder
        self.say = say
        self.children: list[SupervisedProcess] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, child: SupervisedProcess) -> SupervisedProcess:
        path = self.logs / f"{child.name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            child.process = subprocess.Popen(
                child.argv,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **child.environment},
                preexec_fn=partial(_child_setup, child.stop_signal),  # noqa: PLW1509 - system calls only
            )
        child.started_at = time.monotonic()
        if child not in self.children:
            self.children.append(child)
        return child

    def watch(self) -> None:
        """Restart, ever more slowly, processes that ended by themselves. Call it about once a second."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            if not child.due_at:
                if now - child.started_at > 60:
                    child.restarts = 0
                delay = RESTART_SECONDS[min(child.restarts, len(RESTART_SECONDS) - 1)]
                child.due_at, child.restarts = now + delay, child.restarts + 1
                code = child.process.returncode
                self.say(f"{child.name} ended with code {code}; again in {delay} s. See {self.logs / child.name}.log")
            elif now >= child.due_at:
                child.due_at = 0.0
                self.start(child)

    def stop(self) -> None:
        """Stop the children in the reverse order of their start; one that ignores it is killed with its whole session."""
        backwards = self.children[::-1]
        self._end([child for child in backwards if not child.ends_last])
        self._end([child for child in backwards if child.ends_last])

    def _end(self, children: list[SupervisedProcess]) -> None:
        for child in children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(child.stop_signal)
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{child.name} did not end in time; killing it.")
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)  # what it may have left behind
            child.process.wait()


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Lock the data folder. Raises AlreadyRunning when another process has it; the kernel frees it however this one ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                "Atelier is already running with this data folder. Stop it first (Ctrl-C where it runs)."
            ) from error
        yield


def free_port(host: str, first: int) -> int:
    """Return the wanted port, or the next free one after it (at most 50 further)."""
    for port in range(first, first + 50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"No free port from {first} to {first + 49}. Set ATELIER_PORT.")
