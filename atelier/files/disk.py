"""Checks for a full or nearly full disk."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator

from django.conf import settings

FULL = "The disk is full, so nothing can be saved. Ask whoever runs this server to free some space."
WAITS = "The disk is full. This continues automatically when there is space."
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
ROOM_BYTES = 16 << 20  # with less, what waits for room would only find none again
POSTGRES_FULL = "53100"  # disk_full
REDIS_FULL = "No space left on device"  # in the words of its MISCONF


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, means that a disk is full: a file's, SQLite's or PostgreSQL's."""
    return any(_says_full(cause) for cause in _causes(error))


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return True
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and free_bytes() < 2**20)
    return getattr(error, "sqlstate", None) == POSTGRES_FULL


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def free_bytes() -> int:
    """Return the bytes that this user may still write where the installation stores its data."""
    return shutil.disk_usage(settings.DATA_DIR).free


def note() -> str:
    """Return a sentence while the disk is nearly full, else an empty one."""
    free = free_bytes()
    if free >= settings.DISK_LOW_BYTES:
        return ""
    return f"The disk is nearly full: only {free / 2**20:,.0f} MB are left. Delete exports, projects or runs that you no longer need."
