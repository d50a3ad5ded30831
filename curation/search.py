"""Full-text search in records, the same words on SQLite (FTS5) and PostgreSQL (a GIN index).

The database itself keeps the index right, whoever writes a record: triggers on SQLite, an expression index on PostgreSQL.
The one exception is the import on SQLite, which gives the text along (`add`): the trigger's own reading of the JSON takes
longer than all the rest. Both read the same strings, which a test proves, for a contentless index can only forget a text
that it is told again exactly.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection, connections
from django.db.models import BigIntegerField, F, Func, QuerySet
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from curation.models import Record

TABLE = "curation_record_search"
MAX_WORDS = 16
TEXT_KEYS = frozenset({"content", "text", "thinking", "arguments"})
_KEYS = ", ".join(f"'{key}'" for key in sorted(TEXT_KEYS))
_WORD = re.compile(r"[^\W_]+")


def words(query: str) -> list[str]:
    """The plain words of what somebody typed: no operator, quote or wildcard of a query language is left."""
    return _WORD.findall(unicodedata.normalize("NFC", query))[:MAX_WORDS]


def matching(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """The records that contain every word; the last one may be the beginning of a word."""
    found = words(query)
    if not found:
        return records.none() if query.strip() else records
    if connections[records.db].vendor == "sqlite":
        terms = " ".join(f'"{word}"' for word in found) + " *"
        sql = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608 - a constant, and a parameter
        # The plus keeps SQLite from fetching every match to sort them: it walks the list in its order and asks of each
        # whether it matches, until the page is full.
        place = Func(F("pk"), template="+%(expressions)s", output_field=BigIntegerField())
        return records.alias(place=place).filter(place__in=RawSQL(sql, [terms]))  # noqa: S611
    sql = f"SELECT id FROM curation_record WHERE {_PG_VECTOR} @@ to_tsquery('simple', %s)"  # noqa: S608
    return records.filter(pk__in=RawSQL(sql, [" & ".join(found) + ":*"]))  # noqa: S611


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def spoken(messages: Any) -> Iterator[str]:
    """What is said in messages: their contents, text parts, thoughts and call arguments; no roles, no types."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if isinstance(inner, str):
                if key in TEXT_KEYS:
                    yield inner
            else:
                yield from spoken(inner)
    elif isinstance(messages, list):
        for inner in messages:
            yield from spoken(inner)


def text_of(fields: Any, messages: Any, chosen: Any, rejected: Any, metadata: Any) -> str:
    """What the index holds of a record: exactly what the triggers read."""
    pieces = [*strings(fields), *spoken(messages), *spoken(chosen), *spoken(rejected), *strings(metadata)]
    return " ".join(pieces)


def add(cursor: Any, import_id: int, texts: Sequence[tuple[int, str]]) -> None:
    """Index freshly imported rows, given as (line, text) in the order of their lines, in the same transaction. Only for
    SQLite.
    """
    cursor.execute(
        "SELECT import_line, id FROM curation_record WHERE imported_by_id = %s AND import_line BETWEEN %s AND %s",
        [import_id, texts[0][0], texts[-1][0]],
    )
    ids = dict(cursor.fetchall())
    # Rows one by one as VALUES: for an INSERT from a SELECT, FTS5 writes out its index after each row, at three times the cost.
    cursor.executemany(
        f"INSERT INTO {TABLE} (rowid, body) VALUES (%s, %s)",  # noqa: S608 - a name of our own
        [(ids[line], text) for line, text in texts],
    )


def settle() -> None:
    """After many rows came. Without statistics PostgreSQL takes every list for a short one, and reads each record's text
    for a search, a millisecond and a half each, until its autovacuum comes by.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE curation_record")


def install(using: str = "default", **_: Any) -> None:
    """Make the index and what keeps it right, after every migration: SQLite drops triggers with a table it remakes."""
    connection = connections[using]
    tables = connection.introspection.table_names()
    if "curation_record" not in tables:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            _install_sqlite(cursor, fresh=TABLE not in tables)
        elif connection.vendor == "postgresql":
            cursor.execute(_PG_FUNCTION)
            cursor.execute("SELECT to_regclass(%s)", [TABLE])
            if cursor.fetchone()[0] is None:
                cursor.execute(_PG_INDEX)


def _install_sqlite(cursor: Any, fresh: bool) -> None:
    cursor.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE}"
        " USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2')"
    )
    old, new = _sqlite_text("old."), _sqlite_text("new.")
    forget = f"INSERT INTO {TABLE} ({TABLE}, rowid, body) VALUES ('delete', old.id, {old});"  # noqa: S608 - names of our own
    learn = f"INSERT INTO {TABLE} (rowid, body) VALUES (new.id, {new});"  # noqa: S608
    changed = " OR ".join(f"old.{column} IS NOT new.{column}" for column in _COLUMNS)
    for name, event, body in (
        ("insert", "AFTER INSERT ON curation_record WHEN new.import_line IS NULL", learn),
        ("update", f"AFTER UPDATE OF {', '.join(_COLUMNS)} ON curation_record WHEN {changed}", forget + learn),
        ("delete", "AFTER DELETE ON curation_record", forget),
    ):
        cursor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_{name}")
        cursor.execute(f"CREATE TRIGGER {TABLE}_{name} {event} BEGIN {body} END")
    if fresh:
        cursor.execute(f"INSERT INTO {TABLE} (rowid, body) SELECT id, {_sqlite_text('r.')} FROM curation_record r")  # noqa: S608


_COLUMNS = ("fields", "messages", "chosen", "rejected", "metadata")


def _sqlite_text(row: str) -> str:
    """The SQL expression for the same text as `text_of`."""
    everything = "(SELECT group_concat(atom, ' ') FROM json_tree({row}{column}) WHERE type = 'text')"
    said = everything.replace("WHERE", f"WHERE key IN ({_KEYS}) AND")
    parts = [
        (said if column in ("messages", "chosen", "rejected") else everything).format(row=row, column=column)
        for column in _COLUMNS
    ]
    return " || ' ' || ".join(f"coalesce({part}, '')" for part in parts)


# Marks become blanks, so that "example.com" is found by "example" as on SQLite; a tsvector holds at most 1 MB, so a very
# long record is found by its first 200,000 characters. The cost keeps the planner from calling it row by row.
_PG_FUNCTION = r"""
CREATE OR REPLACE FUNCTION atelier_record_text(fields jsonb, messages jsonb, chosen jsonb, rejected jsonb, metadata jsonb)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20000 AS $$
  SELECT translate(left(coalesce(string_agg(piece #>> '{}', ' '), ''), 200000),
                   '-_./@:,;!?''"()[]{}<>&|*+=#%~^`$\', repeat(' ', 31))
  FROM (
    SELECT jsonb_path_query(fields, 'strict $.** ? (@.type() == "string")', '{}', true)
    UNION ALL SELECT jsonb_path_query(said, path, '{}', true)
      FROM unnest(ARRAY[messages, chosen, rejected]) AS said, unnest(ARRAY[
        'strict $.**.content ? (@.type() == "string")', 'strict $.**.text ? (@.type() == "string")',
        'strict $.**.thinking ? (@.type() == "string")', 'strict $.**.arguments ? (@.type() == "string")'
      ]::jsonpath[]) AS path
    UNION ALL SELECT jsonb_path_query(metadata, 'strict $.** ? (@.type() == "string")', '{}', true)
  ) AS pieces(piece)
$$
"""
_PG_VECTOR = "to_tsvector('simple'::regconfig, atelier_record_text(fields, messages, chosen, rejected, metadata))"
_PG_INDEX = f"CREATE INDEX {TABLE} ON curation_record USING gin ({_PG_VECTOR})"
