"""Prefetching: the next item is made by a thread while the one before is used.

Worth it if using an item mostly waits for the database, which on SQLite is this very process, but needs no interpreter
lock.
"""

import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
LOOK_SECONDS = 1.0
SWITCH = 0.0005  # seconds; with Python's own five milliseconds whoever comes back from the database waits longer than it was there


def ahead(make: Callable[[], T | None], look: Callable[[], object] | None = None) -> Generator[T, None, None]:
    """Yield what `make` returns, call after call, up to its first None; each call starts only after the one before has ended.

    What it raises is raised where its item would come. It runs in a thread of its own, so it must not use the database;
    `look` is called here about once a second while an item is waited for, and may raise. Closing the iterator waits for
    the call that is under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool, _quick_turns():
        coming = pool.submit(make)
        while (item := _result(coming, look)) is not None:
            coming = pool.submit(make)
            yield item


def _result(coming: "Future[T | None]", look: Callable[[], object] | None) -> T | None:
    while look is not None and not wait([coming], LOOK_SECONDS).done:
        look()
    return coming.result()


@contextmanager
def _quick_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
