"""How the web process waits for its children: without a database connection, not for long, and with a bound per team.

A file may take a minute to read, whereas all requests share a few connections.
"""

from django.db import connection

from atelier.processes import sandbox

ROOM_SECONDS = 5.0
PER_ASKER = 2


def bound() -> None:
    """Make this process wait so from now on."""
    sandbox.ROOM_SECONDS, sandbox.PER_ASKER = ROOM_SECONDS, PER_ASKER
    sandbox.before_wait = give_connection_back


def give_connection_back() -> None:
    """Close this thread's connection, or return it to the pool, unless a transaction is open; the next query takes another."""
    if not connection.in_atomic_block:
        connection.close()
