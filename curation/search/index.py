"""The full-text index of records: the same words on SQLite (FTS5) and PostgreSQL (a GIN index). `curation.search.fulltext` asks it.

The database itself keeps the index right, whoever writes a record: triggers on SQLite, an expression index on PostgreSQL.
The one exception is the import on SQLite, which gives the text along (`sqlite.add_imported`). Both read the same strings, which a
test proves, for a contentless index can only forget a text that it is told again exactly.
"""

from typing import Any

from django.db import connections

from curation.search.dialect import dialect


def install(using: str = "default", **_: Any) -> None:
    """Create the index and its triggers, after every migration: SQLite drops triggers with a table it rebuilds."""
    connection = connections[using]
    tables = connection.introspection.table_names()
    if "curation_record" in tables:
        with connection.cursor() as cursor:
            dialect.install_index(cursor, tables)
