"""The sandbox: work on people's files, templates and patterns by a child process with limits, never by the requesting one.

with SandboxChild("curation.distillation.template_process", setup, ChildLimits(seconds=1)) as child:
    for answer in child.each(questions): ...

A fresh interpreter is started (never a fork of a process with threads). It has limits on processor time, memory, files
and the length of its answers, no secrets in its environment, a session of its own, and it ends with its parent. What
comes back is bytes, never anything that is run. A broken limit is an `LimitExceeded` with a sentence; the next question
then gets a fresh child. A disk that is full for the child raises here the OSError that it raised there. See
`sandbox_child` for the other half.
"""

import gc
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, cast

from atelier.processes import sandbox_child as protocol

log = logging.getLogger(__name__)
PROGRAM = Path(protocol.__file__).resolve()
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
# One thread, one arena: each more would take address space that the limit counts. One XML parser, the one we guard.
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENPYXL_LXML": "False",
}  # fmt: skip
CHILDREN = 4  # of one process at once, so that their memory together is bounded too
PER_ASKER = CHILDREN  # of them for one `asker`
ROOM_SECONDS = 20.0
LOOK_SECONDS = 0.5
AHEAD, AHEAD_BYTES = 64, 1 << 20  # questions sent before their answers came
CHUNK = 1 << 16
asker: ContextVar[str] = ContextVar("asker", default="")  # for whom children are started here; empty: not counted


class LimitExceeded(Exception):
    """A limit that the child broke, or its end. The message is a sentence."""


class TooSlow(LimitExceeded):
    """The child took more processor time, or more time altogether, than it may."""


class TooMuchMemory(LimitExceeded):
    """The child needed more memory than it may have."""


class TooLong(LimitExceeded):
    """The child's answer is longer than allowed."""


class ChildDied(LimitExceeded):
    """The child ended without an answer: damaged input that its libraries do not survive, or somebody killed it."""


class Busy(LimitExceeded):
    """As many children as allowed already run."""


class WorkRefused(Exception):
    """A refusal by the work itself. The message is its sentence."""


@dataclass(frozen=True)
class ChildLimits:
    """The limits of a child. `seconds` of processor time and `wall` seconds altogether are for one answer; sizes in bytes."""

    seconds: float = 1.0
    wall: float = 30.0
    memory: int = 512 << 20  # of address space, libraries included
    answer: int = 4 << 20
    files: int = 0  # the longest file that it may write


class ChildRoom:
    """Places for children, and how many of them each requester has."""

    def __init__(self, places: int) -> None:
        self.free, self._held = places, Counter[str]()
        self._changed = threading.Condition(threading.RLock())  # a child may be collected, and give back, while we take

    def take(self, who: str) -> bool:
        """Take a place, waiting for one up to ROOM_SECONDS.

        A child that its owner lost in a circle of references, as tracebacks are, holds one until it is
        garbage-collected.
        """
        with self._changed:
            if not self._is_free(who):
                gc.collect()
            if not self._changed.wait_for(lambda: self._is_free(who), ROOM_SECONDS):
                return False
            self.free -= 1
            self._held[who] += 1
            return True

    def give(self, who: str) -> None:
        """Release a place."""
        with self._changed:
            self.free += 1
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]
            self._changed.notify_all()  # another asker's may be the one that can be used

    def _is_free(self, who: str) -> bool:
        return self.free > 0 and (not who or self._held[who] < PER_ASKER)


_room = ChildRoom(CHILDREN)


def _nothing() -> None: ...


before_wait: Callable[[], object] = _nothing  # called whenever a child is waited for: to let go of what others want


class SandboxChild:
    """A process that answers questions, started when it is first needed. Used by one thread at a time.

    `look` is called about twice a second while an answer is waited for, and may raise: a request to cancel is obeyed at
    once. The process ends with the thread that started it.
    """

    def __init__(
        self, module: str, setup: bytes, limits: ChildLimits = ChildLimits(), look: Callable[[], object] | None = None
    ) -> None:
        self.module, self.setup, self.limits, self.look = module, setup, limits, look
        self._process: subprocess.Popen[bytes] | None = None
        self._out, self._in = bytearray(), bytearray()
        self._looked = time.monotonic()
        self._asker = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and let it read its setup. Raises WorkRefused for a setup it cannot use, LimitExceeded."""
        if self._process is not None:
            return
        before_wait()
        self._asker = asker.get()
        if not _room.take(self._asker):
            raise Busy("This machine is reading too many files at once. Try again in a minute.")
        limits = json.dumps({name: getattr(self.limits, name) for name in ("seconds", "memory", "answer", "files")})
        command = [sys.executable, "-I", "-X", "utf8", str(PROGRAM), self.module, limits, str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
                env={name: os.environ[name] for name in KEPT if name in os.environ} | ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            _room.give(self._asker)
            raise
        try:
            for pipe in (self._process.stdin, self._process.stdout):
                os.set_blocking(cast(IO[bytes], pipe).fileno(), False)
            self._put(self.setup)
            self._answer()
        except BaseException:  # a refused setup too: nothing can be asked of such a child
            self.close()
            raise

    def ask(self, question: bytes) -> bytes:
        """Return the answer to one question. Raises WorkRefused or LimitExceeded."""
        self.start()
        self._put(question)
        return self._answer()[1]

    def each(self, questions: Iterable[bytes]) -> "Iterator[bytes | WorkRefused | LimitExceeded]":
        """Yield the answer to each question, or why there is none, in their order. Raises what `start` raises."""
        coming, waiting = iter(questions), deque[bytes]()
        while True:
            self._ask_ahead(coming, waiting)
            if not waiting:
                return
            try:
                answer: bytes | WorkRefused | LimitExceeded = self._answer()[1]
            except (WorkRefused, LimitExceeded) as error:
                answer = error
            waiting.popleft()
            if self._process is None:  # a limit ended it: a fresh one is asked what is left
                self.start()
                for question in waiting:
                    self._put(question)
            yield answer

    def stream(self, question: bytes) -> Iterator[bytes]:
        """Yield the pieces of a long answer, each within the limits of its own. Raises WorkRefused or LimitExceeded."""
        self.start()
        self._put(question)
        kind = b""
        try:
            while kind != protocol.END:
                kind, piece = self._answer()
                if kind == protocol.ANSWER:
                    yield piece
        finally:
            if kind != protocol.END:
                self.close()  # or the next question would get what is left of this answer

    def kill(self) -> None:
        """Kill the process from another thread; the thread that waits for its answer gets ChildDied.

        The owner still has to close it.
        """
        if (process := self._process) is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and all it started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            cast(IO[bytes], pipe).close()
        self._out.clear()
        self._in.clear()
        _room.give(self._asker)

    # --- bytes there and back ------------------------------------------------------------------------

    def _put(self, question: bytes) -> None:
        self._out += protocol.QUESTION.pack(len(question)) + question

    def _ask_ahead(self, coming: Iterator[bytes], waiting: "deque[bytes]") -> None:
        self.start()
        while len(waiting) < AHEAD and len(self._out) < AHEAD_BYTES and (question := next(coming, None)) is not None:
            waiting.append(question)
            self._put(question)

    def _answer(self) -> tuple[bytes, bytes]:
        """Return the next frame.

        Raises WorkRefused, or LimitExceeded or OSError (the disk is full) after which the process is gone.
        """
        try:
            kind, payload = self._frame()
        except BaseException:
            self.close()
            raise
        if kind == protocol.REFUSED:
            raise WorkRefused(payload.decode())
        if kind in (protocol.ANSWER, protocol.END, protocol.TICK):
            return kind, payload
        self.close()
        raise self._error(kind, payload)

    def _error(self, kind: bytes, payload: bytes) -> LimitExceeded | OSError:
        if kind == protocol.SLOW:
            return TooSlow(f"This takes more than {self.limits.seconds:g} seconds of processor time.")
        if kind == protocol.MEMORY:
            return TooMuchMemory(f"This needs more than the {self.limits.memory >> 20} MB of memory that are allowed.")
        if kind == protocol.LONG:
            return TooLong(f"The result is larger than {self.limits.answer >> 20} MB.")
        if kind == protocol.DISK:
            number = int(payload)
            return OSError(number, os.strerror(number))
        log.error("%s broke: %s", self.module, payload.decode("utf-8", "replace"))
        return ChildDied(f"This could not be read ({payload.decode('utf-8', 'replace')[:200]}).")

    def _frame(self) -> tuple[bytes, bytes]:
        """Write what waits and read until a whole frame is there."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ChildDied("This was stopped.")
        until = time.monotonic() + self.limits.wall
        self._look(until)
        if frame := self._buffered():
            return frame
        before_wait()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            if self._out:
                ready.register(process.stdin, selectors.EVENT_WRITE)
            while not (frame := self._buffered()):
                self._look(until)
                for key, _ in ready.select(LOOK_SECONDS):
                    if key.fileobj is process.stdout:
                        self._read(process)
                    elif not self._write(process.stdin):
                        ready.unregister(process.stdin)
        return frame

    def _buffered(self) -> tuple[bytes, bytes] | None:
        size = protocol.HEAD.size
        if len(self._in) < size:
            return None
        kind, length = protocol.HEAD.unpack_from(self._in)
        if length > self.limits.answer:
            return protocol.LONG, b""
        if len(self._in) < size + length:
            return None
        payload = bytes(memoryview(self._in)[size : size + length])
        del self._in[: size + length]
        return kind, payload

    def _look(self, until: float) -> None:
        now = time.monotonic()
        if now > until:
            raise TooSlow(f"This takes more than {self.limits.wall:g} seconds.")
        if self.look is not None and now - self._looked > LOOK_SECONDS:
            self.look()
            self._looked = time.monotonic()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        try:
            block = os.read(process.stdout.fileno(), 16 * CHUNK) if process.stdout else b""
        except (BlockingIOError, InterruptedError):
            return
        if not block:
            raise self._ended(process)
        self._in += block

    def _ended(self, process: "subprocess.Popen[bytes]") -> LimitExceeded:
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        if process.returncode == -signal.SIGXCPU:
            return TooSlow(f"This takes more than {self.limits.seconds:g} seconds of processor time.")
        if process.returncode in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
            # Libraries that get no memory end like this.
            return TooMuchMemory(f"This needs more than the {self.limits.memory >> 20} MB of memory that are allowed.")
        return ChildDied(f"The process that read this ended (code {process.returncode}).")

    def _write(self, pipe: IO[bytes]) -> bool:
        """Write to the pipe; return whether there is more to write."""
        try:
            del self._out[: os.write(pipe.fileno(), memoryview(self._out)[:CHUNK].tobytes())]
        except (BlockingIOError, InterruptedError):
            return True
        except BrokenPipeError:  # it ended: reading tells why
            return False
        return bool(self._out)
