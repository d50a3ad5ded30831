"""How long a test may wait on this machine, as fast as it is now."""

import statistics
import time

LOOPS = 200_000
USUAL_SECONDS = 0.01  # for that many loops, on a quiet core of 2024
MARGIN = 3


def slowness() -> float:
    """How many times longer than usual this machine takes just now, by the wall; at least 1."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        for number in range(LOOPS):
            number + 1
        took.append(time.monotonic() - began)
    return max(1.0, statistics.median(took) / USUAL_SECONDS)


def patient(seconds: float) -> float:
    """Return the seconds to grant to what takes less than `seconds` on a usual machine.

    A test bounds a time only to tell a hang, or a cost that grows with the square, from what is merely slow: machines
    that share their cores give a sixth of their usual speed at times.
    """
    return seconds * MARGIN * slowness()
