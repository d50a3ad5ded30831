"""The full-text index of records: the same words on SQLite (FTS5) and PostgreSQL (a GIN index). `curation.texts` asks it.

The database itself keeps the index right, whoever writes a record: triggers on SQLite, an expression index on PostgreSQL.
The one exception is the import on SQLite, which gives the text along (`add`): the trigger's own reading of the JSON takes
longer than all the rest. Both read the same strings, which a test proves, for a contentless index can only forget a text
that it is told again exactly.
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection, connections

TABLE = "curation_record_search"
AUTOMERGE = 4  # pieces of SQLite's index that it merges by itself: its own default
MOST_PIECES = 256  # it holds the lock until all are merged when there are so many
MERGED_PAGES = 250  # 1 MB at a time
VECTOR = "search_vector"  # a column of records on PostgreSQL alone, which Django does not know
TEXT_KEYS = frozenset({"content", "text", "thinking", "arguments"})
_KEYS = ", ".join(f"'{key}'" for key in sorted(TEXT_KEYS))


def strings(value: Any, found: list[str]) -> list[str]:
    """Adds every string in a JSON value, in its order. A list that grows, for generators cost an import three times as much."""
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for inner in value.values():
            strings(inner, found)
    elif isinstance(value, list):
        for inner in value:
            strings(inner, found)
    return found


def spoken(messages: Any, found: list[str]) -> list[str]:
    """Adds what is said in messages: their contents, text parts, thoughts and call arguments; no roles, no types."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if isinstance(inner, str):
                if key in TEXT_KEYS:
                    found.append(inner)
            else:
                spoken(inner, found)
    elif isinstance(messages, list):
        for inner in messages:
            spoken(inner, found)
    return found


def text_of(fields: Any, messages: Any, chosen: Any, rejected: Any, metadata: Any) -> str:
    """What the index holds of a record: exactly what the triggers read."""
    found = strings(fields, [])
    for said in (messages, chosen, rejected):
        spoken(said, found)
    return " ".join(strings(metadata, found))


def add(cursor: Any, import_id: int, texts: Sequence[tuple[int, str]]) -> None:
    """Index freshly imported rows, given as (line, text) in the order of their lines, in the same transaction. Only for
    SQLite.
    """
    cursor.execute(
        "SELECT import_line, id FROM curation_record WHERE imported_by_id = %s AND import_line BETWEEN %s AND %s",
        [import_id, texts[0][0], texts[-1][0]],
    )
    ids = dict(cursor.fetchall())
    # Given as VALUES: for an INSERT from a SELECT, FTS5 writes out its index after each row, at three times the cost. All in
    # one statement, for with it FTS5 writes out what it has.
    places = ", ".join(["(%s, %s)"] * len(texts))
    values = [value for line, text in texts for value in (ids[line], text)]
    _set(cursor, "automerge", 0)
    cursor.execute(f"INSERT INTO {TABLE} (rowid, body) VALUES {places}", values)  # noqa: S608 - a name of our own
    _set(cursor, "automerge", AUTOMERGE)


def _set(cursor: Any, name: str, value: int) -> None:
    cursor.execute(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES (%s, %s)", [name, value])  # noqa: S608


def merge() -> None:
    """Make one of the pieces of SQLite's index that `add` left, a search looking into each: in short transactions, for each
    holds the lock. Merging them all once costs half of what FTS5 takes that merges four by four while they come.
    """
    changes, before = lambda: connection.connection.total_changes, -2
    with connection.cursor() as cursor:
        while changes() - before >= 2:  # as FTS5 says that there is more to do
            before = changes()
            _set(cursor, "merge", MERGED_PAGES)


def settle() -> None:
    """After many rows came. Without statistics PostgreSQL takes every list for a short one until its autovacuum comes by: it
    reads each record's text for a search, a millisecond and a half each, and each mark of a dataset for every record.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE curation_record, curation_mark")
    else:
        merge()


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
            _install_postgres(cursor)


def _install_postgres(cursor: Any) -> None:
    cursor.execute(_PG_FUNCTION)
    cursor.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = 'curation_record'::regclass AND attname = %s AND NOT attisdropped",
        [VECTOR],
    )
    if cursor.fetchone() is None:
        cursor.execute("SET statement_timeout = 0")  # a quarter of a millisecond for each record that is there
        cursor.execute(f"DROP INDEX IF EXISTS {TABLE}")
        cursor.execute(
            f"ALTER TABLE curation_record ADD COLUMN {VECTOR} tsvector GENERATED ALWAYS AS ({_PG_VECTOR}) STORED"
        )
    cursor.execute("SELECT to_regclass(%s)", [TABLE])
    if cursor.fetchone()[0] is None:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"CREATE INDEX {TABLE} ON curation_record USING gin ({VECTOR})")
    cursor.execute("RESET statement_timeout")


def _install_sqlite(cursor: Any, fresh: bool) -> None:
    cursor.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE}"
        " USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2')"
    )
    _set(cursor, "crisismerge", MOST_PIECES)
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
# long record is found by its first 200,000 characters. The pattern takes a ninth of the time of `translate`, which asks each
# character for each mark. The cost keeps the planner from calling it row by row.
_PG_FUNCTION = r"""
CREATE OR REPLACE FUNCTION atelier_record_text(fields jsonb, messages jsonb, chosen jsonb, rejected jsonb, metadata jsonb)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 20000 AS $$
  SELECT regexp_replace(left(coalesce(string_agg(piece #>> '{}', ' '), ''), 200000),
                        '[\-_./@:,;!?''"()\[\]{}<>&|*+=#%~\^`$\\]', ' ', 'g')
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
