"""How much memory this very process takes, so that a test can say that an attack did not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Peak:
    """The most that was added, in bytes; known when the context is left."""

    grown = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Forget the peak so far, and measure how much higher it gets."""
    found = Peak()
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    yield found
    found.grown = _resident("VmHWM") - before


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) << 10
