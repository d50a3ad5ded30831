"""Looking at real processes through /proc: who is below whom, and what of an installation is still alive."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.speed import patient

T = TypeVar("T")


def alive(pid: int) -> bool:
    """Return whether a process is alive. A zombie is dead: it holds nothing but its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(root: int) -> list[int]:
    """Return all living processes below one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def of_folder(folder: Path) -> list[tuple[int, str]]:
    """Return (pid, command line) of every living process that names the folder in its command line or its environment."""
    wanted = str(folder).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            named = wanted in words or wanted in (entry / "environ").read_bytes()
        except OSError:
            continue
        if named and alive(int(entry.name)):
            found.append((int(entry.name), words.replace(b"\0", b" ").decode(errors="replace").strip()))
    return found


def wait_for(look: Callable[[], T], seconds: float, what: str = "what should have come") -> T:
    """Return the first true answer of `look`. Fails the test when none comes in time."""
    deadline = time.monotonic() + patient(seconds)
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patient(seconds):.0f} s in vain for {what}"
        time.sleep(0.05)
