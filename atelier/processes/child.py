"""A child process under guard: started with a clean environment, watched for life, and ended with all it started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from atelier.processes import guard
from atelier.processes.guard import descendants

ROOT = Path(__file__).resolve().parent.parent.parent
GUARD = Path(guard.__file__).resolve()  # run as a file: with `-m` it would load the application to watch over a child
# All that a trainer may know of us: no database, no broker, no secret and nobody's key is among it.
KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "USER")
KEPT_FAMILIES = (
    "LC_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "ONEDNN_", "OPENBLAS_", "TORCH_", "PYTORCH_", "BNB_",
)  # fmt: skip
END_SECONDS = 9.0  # for a child to end by itself


class GuardedProcess:
    """A command under `atelier.processes.guard`, its output in a log file, its identity in a file beside it."""

    def __init__(self, command: list[str], log: Path, *, extra: dict[str, str] | None = None) -> None:
        self.command, self.log, self.extra = command, log, extra or {}
        self.identity = log.with_suffix(".pid")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, once anything that an earlier worker left running under the same name is dead."""
        end_left_over(self.identity)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(GUARD), *self.command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
                env=environment() | self.extra,
            )
        pid = self.process.pid
        self.identity.write_text(json.dumps({"pid": pid, "began": began(pid), "machine": machine()}))

    def poll(self) -> int | None:
        """Return the exit code (128 + the signal that ended it), or None while it lives."""
        return self.process.poll() if self.process else None

    def end(self, seconds: float = END_SECONDS) -> None:
        """Send TERM, then KILL after so many seconds. When this returns, nothing of it lives, and its log is complete."""
        if self.process is None:
            return
        end_session(self.process.pid, self.process.poll, seconds)
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self.identity.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Return what a child may see of the environment."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_FAMILIES)}
    return kept | {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}


def began(pid: int) -> str:
    """Return when a process started, in the kernel's ticks since boot, or "" if there is none: a pid alone is reused."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def machine() -> str:
    """Return the identity of this boot and this container: elsewhere the same pid is another process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def end_left_over(identity: Path) -> bool:
    """End the guard (and so all below it) that the file names, if that very process still lives."""
    try:
        facts = json.loads(identity.read_text())
        pid, at, where = int(facts["pid"]), str(facts["began"]), str(facts["machine"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    alive = bool(at) and began(pid) == at and where == machine()
    if alive:
        end_session(pid, lambda: None if began(pid) == at else 0)
    elif not began(pid) and where == machine():
        kill_session(pid)  # the guard was killed; a session's number is not given again while it has members
    identity.unlink(missing_ok=True)
    return alive


def end_session(leader: int, poll: Callable[[], int | None], seconds: float = END_SECONDS) -> None:
    """TERM to the leader, which ends its tree; then, after so many seconds, KILL for all that is still in its session."""
    with contextlib.suppress(ProcessLookupError):
        if poll() is None:  # else its number may be another's by now
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # A guard that could not do its work: what it watches over is still below it, also what left the session.
    for pid in descendants(leader) if poll() is None else []:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    kill_session(leader)


def kill_session(leader: int) -> None:
    """KILL every process whose session this was: its group, and on Linux also those that left the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                os.kill(int(entry.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


class FilePulse:
    """Checks whether files still change: a child that writes none for long is stalled.

    Measured on this process's own clock from the moment a change was seen, so that clocks of file servers do not
    matter.
    """

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.seen: object = None
        self.at = time.monotonic()

    def silent_for(self) -> float:
        """Return the seconds since any of the files was last seen to change."""
        now = [(path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in self.paths]
        if now != self.seen:
            self.seen, self.at = now, time.monotonic()
        return time.monotonic() - self.at
