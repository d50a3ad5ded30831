"""The pace of a job's writes: batch sizes, and pauses for others, so that nobody waits longer than a quarter of a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from atelier.jobs.claims import Claim

MOST = 500  # rows in one transaction
LONGEST = 0.1  # seconds that a transaction should take at most: others want to write too
LONGEST_REST = 0.2


def paced(size: int, seconds: float, most: int = MOST, longest: float = LONGEST) -> int:
    """Return how many rows the next batch takes, by how long the last one held the database."""
    if seconds > longest:
        return max(10, size // 2)
    return min(most, size * 2) if seconds < longest / 3 else size


@dataclass
class TimedTransaction:
    """A transaction of a job; the time it held the database is known when it is over."""

    seconds: float = 0.0


@contextmanager
def taking_turns(claim: Claim[Any], **fields: Any) -> Iterator[TimedTransaction]:
    """Open `claim.writing`, and then rest as long as it held the database, its commit included: that may take most of it.

    SQLite has one lock and no queue for it: a waiting process only tries now and then, and never finds it free while a
    job takes it again at once. So a long row of short transactions would be as bad as one long one.
    """
    turn = TimedTransaction()
    with claim.writing(**fields):
        started = time.monotonic()
        yield turn
    turn.seconds = time.monotonic() - started
    if connection.vendor == "sqlite":
        time.sleep(min(turn.seconds, LONGEST_REST))
