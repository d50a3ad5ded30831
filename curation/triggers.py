"""SQLite checks every trigger of the schema when a migration remakes a table, and refuses while one names the table that is
away. So ours go before a migration and come back after it (`search.install`, `tallying.install`, which counts anew)."""

from typing import Any

from django.db import connections

NAMES = ("curation_record_search_", "curation_tally_")


def put_away(using: str = "default", plan: Any = (), **_: Any) -> None:
    """Drop our triggers when there is something to migrate. A migration that writes records must mind the search index."""
    connection = connections[using]
    if connection.vendor != "sqlite" or not plan:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in cursor.fetchall():
            if name.startswith(NAMES):
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")
