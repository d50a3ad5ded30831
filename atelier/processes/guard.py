"""The guard between worker and trainer: whatever happens to either, nothing that the trainer started lives on.

    python guard.py COMMAND...

Killing a process leaves its children alive, and they keep the accelerator. This one is the reaper of all its
descendants (also of those that forked twice or left the session), reads a pipe that the worker holds open, and ends
every one of them when the command ends, when it gets TERM, or when the pipe closes because the worker is gone.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# Once the worker is gone the whole must be over within ten seconds. A worker that lives decides itself how long it waits.
GRACE_SECONDS, SAVE_SECONDS = 6.0, 120.0
LOOK_SECONDS = 0.2


def main(command: list[str]) -> int:
    """Run the command, and return its exit code (128 + the signal when one ended it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    wanted_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: wanted_end.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the worker's to answer
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)  # noqa: PLW1509 - no threads
    try:
        while child.poll() is None and not wanted_end and worker_lives():
            pass
        if child.poll() is None:
            child.terminate()
        code = wait(child, SAVE_SECONDS if wanted_end else GRACE_SECONDS)
    finally:
        end_descendants()
    return code if code >= 0 else 128 - code


def die_with_parent() -> None:
    """End the child with its parent: even if the guard is killed, the trainer ends too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_lives() -> bool:
    """Wait a moment; return False once the other end of standard input is closed."""
    readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
    return not readable or os.read(0, 64) != b""


def wait(child: "subprocess.Popen[bytes]", seconds: float) -> int:
    """Wait for the command, which may be saving its work, then kill it; return its exit code."""
    until = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < until:
        if not worker_lives():
            until = min(until, time.monotonic() + GRACE_SECONDS)
            time.sleep(LOOK_SECONDS)
    if child.poll() is None:
        child.kill()
    return child.wait()


def end_descendants() -> None:
    """Kill what is left, again and again, for orphans become this process's children only when their parents die."""
    while found := descendants(os.getpid()):
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.02)


def descendants(root: int) -> list[int]:
    """Return all processes below one, zombies included, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    pids, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        pids += children
        waiting += children
    return pids


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
