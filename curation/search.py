"""Full-text search in records, the same words on SQLite (FTS5) and PostgreSQL (a GIN index).

The database itself keeps the index right, whoever writes a record: triggers on SQLite, an expression index on PostgreSQL.
The one exception is the import on SQLite, which gives the text along (`add`): the trigger's own reading of the JSON takes
longer than all the rest. Both read the same strings, which a test proves, for a contentless index can only forget a text
that it is told again exactly.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, connections
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from curation.models import Record

TABLE = "curation_record_search"
MAX_WORDS = 16
GATHERED = 100_000  # matches that are left out as one set; of more, each record is asked
SHORTEST = 3  # letters of a beginning; what is shorter is a whole word
AUTOMERGE = 4  # pieces of SQLite's index that it merges by itself: its own default
MOST_PIECES = 256  # it holds the lock until all are merged when there are so many
MERGED_PAGES = 250  # 1 MB at a time
VECTOR = "search_vector"  # a column of records on PostgreSQL alone, which Django does not know
_MATCHES = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608 - a constant, and a parameter
TEXT_KEYS = frozenset({"content", "text", "thinking", "arguments"})
_KEYS = ", ".join(f"'{key}'" for key in sorted(TEXT_KEYS))
_WORD = re.compile(r"[^\W_]+")


def words(query: str) -> list[str]:
    """The plain words of what somebody typed: no operator, quote or wildcard of a query language is left."""
    return _WORD.findall(unicodedata.normalize("NFC", query))[:MAX_WORDS]


@dataclass(frozen=True)
class Said:
    """Words that a record must contain: anywhere, the last one perhaps only begun; or as a phrase, one after the other."""

    text: str
    is_phrase: bool = False


def matching(records: "QuerySet[Record]", query: str) -> "QuerySet[Record]":
    """The records that contain every word; the last one may be the beginning of a word."""
    return narrowed(records, [Said(query)] if query.strip() else [])


def narrowed(records: "QuerySet[Record]", wanted: Sequence[Said]) -> "QuerySet[Record]":
    """The records that contain all of it. What is nothing but punctuation is in none."""
    return saying(records, query_of(wanted, using=records.db))


def query_of(wanted: Sequence[Said], unwanted: Sequence[Said] = (), using: str = "default") -> str | None:
    """All of it in the index's language: empty when nothing is wanted, None when no record can contain it."""
    vendor = connections[using].vendor
    terms = [_term(said, vendor) for said in sorted(wanted, key=lambda said: not said.is_phrase)]
    if not all(terms):
        return None
    found = (" " if vendor == "sqlite" else " & ").join(terms)
    refused = [term for said in unwanted if (term := _term(said, vendor))] if found else []
    if vendor == "sqlite":
        return f"({found}) NOT ({' OR '.join(refused)})" if refused else found
    return " & ".join([found, *(f"!({term})" for term in refused)])


def saying(records: "QuerySet[Record]", query: str | None) -> "QuerySet[Record]":
    """The records that a query of the index matches."""
    if not query:
        return records if query == "" else records.none()
    if connections[records.db].vendor == "sqlite":
        return records.filter(pk__in=RawSQL(_MATCHES, [query]))  # noqa: S611
    return records.filter(Contains(F("pk"), query=query))


def without(records: "QuerySet[Record]", unwanted: Said) -> "QuerySet[Record]":
    """The records that do not contain it."""
    vendor = connections[records.db].vendor
    query = _term(unwanted, vendor)
    if not query:
        return records
    if vendor == "sqlite" and frequency(query, GATHERED + 1, records.db) <= GATHERED:
        return records.exclude(pk__in=RawSQL(_MATCHES, [query]))  # noqa: S611
    return records.filter(~Q(Contains(F("pk"), query=query)))


def frequency(query: str, most: int, using: str = "default") -> int:
    """How many records of the whole installation match, up to a bound. Only for SQLite."""
    with connections[using].cursor() as cursor:
        sql = f"SELECT count(*) FROM (SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s LIMIT %s)"  # noqa: S608
        cursor.execute(sql, [query, most])
        return int(cursor.fetchone()[0])


class Contains(Func):
    """Whether the record with this id has what a query of the index asks for. Quick for one record, slow for very many."""

    output_field = BooleanField()

    def __init__(self, pk: Any, query: str = "", **extra: Any) -> None:
        super().__init__(pk, Value(query), **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        pk, query = (compiler.compile(part) for part in self.source_expressions)
        return (
            f"EXISTS(SELECT 1 FROM {TABLE} WHERE {TABLE} MATCH {query[0]} AND rowid = {pk[0]})",  # noqa: S608
            (*query[1], *pk[1]),
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        pk, query = (compiler.compile(part) for part in self.source_expressions)
        table = pk[0].rpartition(".")[0]
        return f"{table}.{VECTOR} @@ to_tsquery('simple', {query[0]})", (*pk[1], *query[1])


def _term(said: Said, vendor: str) -> str:
    """In the index's language, made of plain words alone; empty when there are none."""
    found = words(said.text)
    if not found:
        return ""
    begun = not said.is_phrase and _may_be_begun(found[-1])
    if vendor == "sqlite":
        if said.is_phrase:
            return f'"{" ".join(found)}"'
        return " ".join(f'"{word}"' for word in found) + (" *" if begun else "")
    return " <-> ".join(found) if said.is_phrase else " & ".join(found) + (":*" if begun else "")


def _may_be_begun(word: str) -> bool:
    """Very short beginnings stand for so many words that putting their matches together takes up to a second. In scripts
    other than ours a few signs are a word.
    """
    return len(word) >= SHORTEST or not word.isascii()


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
    """After many rows came. Without statistics PostgreSQL takes every list for a short one, and reads each record's text
    for a search, a millisecond and a half each, until its autovacuum comes by.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE curation_record")
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
