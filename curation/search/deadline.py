"""Time limits for a page's database queries: a statement timeout, and time to search piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError

from curation.search.dialect import dialect


class StatementTooSlow(Exception):
    """A statement that would have taken longer than it may."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise StatementTooSlow if the queries inside take longer than `seconds`. Only for reading.

    On SQLite, which works in this thread, processor time counts; on PostgreSQL wall time.
    """
    try:
        with dialect.ending_after(seconds):
            yield
    except OperationalError as error:
        if not dialect.was_ended(error):
            raise
        raise StatementTooSlow from error


class TimeLeft:
    """The time left to search, on the same clock as `within`; None is for ever."""

    def __init__(self, seconds: float | None) -> None:
        self._last = dialect.clock()
        self._end = None if seconds is None else self._last + seconds

    @property
    def is_over(self) -> bool:
        return self._end is not None and dialect.clock() > self._end

    def next_size(self, size: int, most: int) -> int:
        """Return the size of the next piece: twice this one, unless its expected time exceeds the time left."""
        now, wanted = dialect.clock(), min(2 * size, most)
        took, self._last = now - self._last, now
        return wanted if self._end is None or not took else max(1, min(wanted, int(size * (self._end - now) / took)))
