"""A launcher that becomes another program which ends with its parent: `python launch.py PARENT_PID PROGRAM ARGUMENT...`.

A file that is run, and not a function between fork and exec: that is not safe in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # The kernel sends it when the parent dies, even by SIGKILL; it outlives exec (prctl(2)).
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # The parent died before the kernel was asked.
            sys.exit(1)
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
