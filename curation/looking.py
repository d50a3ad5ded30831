"""Bounds for what a page asks of a database: a statement that ends when its time is over, and time to look piece by piece."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

STEPS = 2000  # of SQLite's machine between two looks at the clock
CANCELLED = "57014"  # what PostgreSQL calls a statement that its timeout ended


class TooSlow(Exception):
    """A statement that would have taken longer than it may."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TooSlow when what is asked of the database inside takes longer: of this thread's processor on SQLite, which works
    in it, by the wall on PostgreSQL. Only for reading.
    """
    ended = _sqlite(seconds) if connection.vendor == "sqlite" else _postgres(seconds)
    with ended:
        yield


@contextmanager
def _sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    end = time.thread_time() + seconds
    connection.connection.set_progress_handler(lambda: time.thread_time() > end, STEPS)
    try:
        yield
    except OperationalError as error:
        if "interrupted" not in str(error):
            raise
        raise TooSlow from error
    finally:
        connection.connection.set_progress_handler(None, 0)


@contextmanager
def _postgres(seconds: float) -> Iterator[None]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            before = _timeout(cursor, f"{1000 * seconds:.0f}")
            yield
            _timeout(cursor, before)  # a transaction around this one goes on with its own
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != CANCELLED:
            raise
        raise TooSlow from error


def _timeout(cursor: object, value: str) -> str:
    """Set the timeout until the transaction ends; returns the one before."""
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", [value]
    )
    return str(cursor.fetchone()[0])  # type: ignore[attr-defined]


class Time:
    """How long something may go on looking, on the same clock as `within`; None is for ever."""

    def __init__(self, seconds: float | None) -> None:
        self._clock = time.thread_time if connection.vendor == "sqlite" else time.perf_counter
        self._last = self._clock()
        self._end = None if seconds is None else self._last + seconds

    @property
    def is_over(self) -> bool:
        return self._end is not None and self._clock() > self._end

    def next_size(self, size: int, most: int) -> int:
        """How large the next piece is: twice this one, as far as it fits into what is left by how long this one took."""
        now, wanted = self._clock(), min(2 * size, most)
        took, self._last = now - self._last, now
        return wanted if self._end is None or not took else max(1, min(wanted, int(size * (self._end - now) / took)))
