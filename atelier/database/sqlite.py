"""SQLite in a process that serves many requests: a connection that stays open."""

import sqlite3
from pathlib import Path

from django.conf import settings

_held: list[sqlite3.Connection] = []


def hold_open() -> None:
    """Keep one idle connection for as long as this process lives, if the database is SQLite and already there.

    The first connection creates the write-ahead log and its index, the last one removes them. Between two requests
    there may be no connection: then on a full disk not even a reader could open the database again.
    """
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.sqlite3" or not Path(database["NAME"]).exists():
        return
    connection = sqlite3.connect(database["NAME"], check_same_thread=False)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # opens the log; no transaction stays open
    _held.append(connection)
