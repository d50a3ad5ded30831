"""The child process of `atelier.processes.sandbox`: limits first, then questions on standard input, answers on standard output.

Run as a file (`python -I .../sandbox_child.py MODULE LIMITS PARENT`) and not with `-m`, so that nothing of the
application is imported but the module that does the work. That module has

    work(setup: bytes) -> Callable[[bytes], bytes | Iterator[bytes]]

which is called once and returns the function that answers questions, and REFUSALS, the exceptions whose message is a
sentence for people. An answer that is an iterator is sent piece by piece; an empty piece only shows that the work
continues.
"""

import contextlib
import ctypes
import errno
import importlib
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

ANSWER, END, REFUSED, SLOW, MEMORY, LONG, BROKEN, TICK, DISK = b"a", b"z", b"r", b"s", b"m", b"l", b"x", b"t", b"d"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # not EFBIG, which is our own limit
HEAD, QUESTION = struct.Struct(">cI"), struct.Struct(">I")
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
GRACE = 2  # seconds of processor time between our own signal and the kernel's end, for work that never looks at signals
START_SECONDS = 10  # of processor time for imports


class _TimeOver(BaseException):
    """The time of this answer is over. No plain Exception, so that no code in between handles it as its own."""


def main() -> None:
    module, given, parent = sys.argv[1:4]
    limits = json.loads(given)
    confine(limits, int(parent))
    sys.path.insert(0, str(Path(__file__).parents[2]))
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library may print is no answer
    _Loop(importlib.import_module(module), limits, out).run()


def confine(limits: dict[str, Any], parent: int) -> None:
    """Remove from this process what its work does not need, and end it with its parent."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked to be told
            os._exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["files"], limits["files"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing raises OSError
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    signal.signal(signal.SIGPROF, _too_late)
    _kernel_ends_after(START_SECONDS)


def _too_late(*_: object) -> NoReturn:
    raise _TimeOver


def _kernel_ends_after(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + GRACE
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


class _Loop:
    """The loop over questions, until the parent closes the pipe or an answer broke a limit."""

    def __init__(self, module: Any, limits: dict[str, Any], out: Any) -> None:
        self.work, self.refusals = module.work, module.REFUSALS
        self.seconds, self.longest = limits["seconds"], limits["answer"]
        self.out = out
        self.answers: Callable[[bytes], bytes | Iterator[bytes]] | None = None

    def run(self) -> None:
        while (question := self._question()) is not None:
            if not self._settle(question):
                # What is left behind after a broken limit may be anything: the parent starts a fresh process.
                os._exit(0)

    def _question(self) -> bytes | None:
        head = sys.stdin.buffer.read(QUESTION.size)
        return sys.stdin.buffer.read(QUESTION.unpack(head)[0]) if len(head) == QUESTION.size else None

    def _settle(self, question: bytes) -> bool:
        """Answer one question; return False when this process must end."""
        try:
            self._start_clock()
            self._answer(question)
            self._stop_clock()
        except self.refusals as error:
            self._stop_clock()
            self._send(REFUSED, str(error).encode("utf-8", "replace")[: self.longest])
        except _TimeOver:
            return self._send(SLOW)
        except MemoryError:
            self._stop_clock()
            return self._send(MEMORY)
        except Exception as error:
            self._stop_clock()
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                return self._send(DISK, b"%d" % error.errno)
            return self._send(BROKEN, f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace"))
        return True

    def _answer(self, question: bytes) -> None:
        if self.answers is None:
            self.answers = self.work(question)
            self._stop_clock()
            self._send(END)
            return
        answer = self.answers(question)
        if isinstance(answer, bytes):
            self._stop_clock()
            self._send(ANSWER, answer)
            return
        for piece in answer:
            self._stop_clock()
            self._send(ANSWER if piece else TICK, piece)
            self._start_clock()
        self._stop_clock()
        self._send(END)

    def _send(self, kind: bytes, payload: bytes = b"") -> bool:
        if len(payload) > self.longest:
            kind, payload = LONG, b""
        self.out.write(HEAD.pack(kind, len(payload)))
        self.out.write(payload)
        self.out.flush()
        if kind == LONG:
            os._exit(0)
        return False

    def _start_clock(self) -> None:
        _kernel_ends_after(self.seconds)
        signal.setitimer(signal.ITIMER_PROF, self.seconds)

    def _stop_clock(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # the parent has no more use for us
        main()
