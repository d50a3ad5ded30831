"""Between the worker and the trainer: whatever becomes of either, nothing that the trainer started lives on.

    python -m training.guard COMMAND...

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
GRACE_SECONDS = 6.0  # the whole must be over within ten
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
        code = wait(child, GRACE_SECONDS)
    finally:
        end_descendants()
    return code if code >= 0 else 128 - code


def die_with_parent() -> None:
    """In the child: when even the guard is killed, the trainer goes too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def worker_lives() -> bool:
    """Wait a moment; False once the other end of standard input is closed."""
    readable, _, _ = select.select([0], [], [], LOOK_SECONDS)
    return not readable or os.read(0, 64) != b""


def wait(child: "subprocess.Popen[bytes]", seconds: float) -> int:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def end_descendants() -> None:
    """Kill what is left, again and again, for orphans become our children only when their parents die."""
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
    """All processes below one, zombies included, from /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
