"""Removal of the SQLite triggers during migrations.

SQLite checks every trigger of the schema when a migration rebuilds a table, and refuses while one names the missing
table. So they are dropped before a migration and created again after it (`index.install`, `tallies.install`, which
recounts).
"""

from typing import Any

from django.db import connections

from curation.search.dialect import dialect


def put_away(using: str = "default", plan: Any = (), **_: Any) -> None:
    """Drop Atelier's triggers when there is something to migrate.

    A migration that writes records must mind the search index.
    """
    if plan:
        with connections[using].cursor() as cursor:
            dialect.drop_triggers(cursor)
