"""The SQL of many records at once, given as tuples of column values: what an import adds, and what jobs write into them.

Making model instances of them would take longer than all the rest, and a statement a row nearly as long: SQLite begins and ends a
statement transaction each time for the sake of the triggers, PostgreSQL calls them, and takes the row's values apart, each time.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from django.db import connection

JSON = ("fields", "messages", "tools", "chosen", "rejected", "metadata", "problems", "labels")
COLUMNS = (
    *JSON, "dataset_id", "status", "reviewed_note", "content_hash", "source_group", "split", "key", "preview", "words",
    "problem_count", "language", "is_checked", "revision", "imported_by_id", "import_line", "origin", "created_at", "changed_at",
)  # fmt: skip
INTO = f"curation_record ({', '.join(COLUMNS)})"
GROUPS = (100, 10, 1)  # rows of one statement: few sizes, so that SQLite keeps them compiled; 2,600 values at most


def insert(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert records, their values in the order of COLUMNS, inside a transaction."""
    with connection.wrap_database_errors:
        if connection.vendor != "sqlite":
            with cursor.copy(f"COPY {INTO} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        # Past Django's cursor, which would rewrite each of thousands of placeholders.
        for part in _parts(rows):
            connection.connection.execute(_many(len(part)), list(chain.from_iterable(part)))


def update(columns: Sequence[str], rows: Sequence[tuple[Any, ...]], by: Sequence[str] = ("id",)) -> int:
    """Set these columns of many records, given as their values and then those of `by`, which say which record each is for.

    Returns how many records were written. One prepared statement, for a statement of its own for each row costs ten times as much.
    """
    if not rows:
        return 0
    cast = "::jsonb" if connection.vendor == "postgresql" else ""
    sets = ", ".join(f"{name} = %s{cast if name in JSON else ''}" for name in columns)
    met = " AND ".join(f"{name} = %s" for name in by)
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE curation_record SET {sets} WHERE {met}", rows)  # noqa: S608 - names of our own
        return int(cursor.rowcount)


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    start = 0
    for size in GROUPS:
        while start + size <= len(rows):
            yield rows[start : start + size]
            start += size


@cache
def _many(size: int) -> str:
    row = f"({', '.join('?' * len(COLUMNS))})"
    return f"INSERT INTO {INTO} VALUES {', '.join([row] * size)}"  # noqa: S608
