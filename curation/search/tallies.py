"""Counts that are kept, not counted: triggers that keep `Mark` and `Tally` right, whoever writes a record.

A tally is of one value of one facet among the present records of a dataset; the deleted ones have a facet of their own.
"""

from typing import Any

from django.db import connections

from curation.search import tally_sql
from curation.search.dialect import dialect


def install(using: str = "default", **_: Any) -> None:
    """Create the triggers after every migration, and recount if there were none: SQLite drops them with a table it rebuilds."""
    connection = connections[using]
    if not {"curation_record", tally_sql.NAME, "curation_mark"} <= set(connection.introspection.table_names()):
        return
    with connection.cursor() as cursor:
        fresh = dialect.install_tallies(cursor)
    if fresh:
        recount(using)


def recount(using: str = "default") -> None:
    """Rebuild all marks and tallies from the records."""
    with connections[using].cursor() as cursor:
        cursor.execute("DELETE FROM curation_mark")
        cursor.execute(f"DELETE FROM {tally_sql.NAME}")  # noqa: S608
        cursor.execute(tally_sql.learn(tally_sql.marks("r.", "curation_record", dialect.lists)))
        cursor.execute(tally_sql.tally(tally_sql.counted("r.", "curation_record", dialect.lists)))
