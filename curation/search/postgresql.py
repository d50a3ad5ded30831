"""PostgreSQL's dialect of search: a column of words with a GIN index, marks and tallies a statement at a time, timeouts.

Each transaction that counts takes a slot for itself (an advisory lock that ends with it), so that writers neither wait for each
other's counts nor lock them in different orders.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from curation.models.records import RecordQuerySet
from curation.search import tally_sql

FOLLOWS_TEXTS = False  # it chooses its way by its statistics
# Seconds of a plain statement, and again of looking piece by piece. It looks at the clock only now and then, so that some of its
# statements take twice as long.
LIMIT = 0.015
LISTED_BY_ID = ON_MAP = ""
AMONG = "= ANY(%s)"  # one of many ids, given as one parameter
BOTH, EITHER = " & ", " | "  # in a query of the index
INDEX = "curation_record_search"
VECTOR = "search_vector"  # a column of records that Django does not know
CANCELLED = "57014"  # what it calls a statement that its timeout ended
SLOTS = 32
LOCK = 0x7A11  # the space of our advisory locks; the slot is the second key
clock = time.perf_counter


def listed(pks: Sequence[int]) -> list[int]:
    """Return many ids as the parameter of AMONG."""
    return list(pks)


def among(records: RecordQuerySet, pks: Sequence[int]) -> RecordQuerySet:
    """Return the records of many ids, given as one parameter: thousands of them take longer than the query."""
    return records.extra(where=["curation_record.id = ANY(%s)"], params=[listed(pks)])


# --- statements that end -------------------------------------------------------------------------


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    """End what is asked inside, with an OperationalError, when it takes longer by the wall. Only for reading."""
    with transaction.atomic(), connection.cursor() as cursor:
        before = _timeout(cursor, f"{1000 * seconds:.0f}")
        yield
        _timeout(cursor, before)  # a transaction around this one goes on with its own


def was_ended(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", "") == CANCELLED


def _timeout(cursor: Any, value: str) -> str:
    """Set the timeout until the transaction ends; return the one before."""
    cursor.execute("SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true)", [value])
    return str(cursor.fetchone()[0])


# --- what words ask of the index -----------------------------------------------------------------


def phrase(words: Sequence[str]) -> str:
    return f"({' <-> '.join(words)})"


def every(words: Sequence[str], begun: bool = False) -> str:
    """Ask for all of these words; `begun`: the last one perhaps only begun."""
    return BOTH.join(words) + (":*" if begun else "")


def without(query: str, refused: str) -> str:
    return f"({query}) & !({refused})"


def matching(query: str) -> Q | None:
    """No set of ids: each record is asked, by the index."""
    return None


def contains(pk: tuple[str, Any], query: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of asking one record, and its parameters."""
    table = pk[0].rpartition(".")[0]
    return f"{table}.{VECTOR} @@ to_tsquery('simple', {query[0]})", (*pk[1], *query[1])


def expected(query: str) -> int:
    """How many matches it expects by its statistics, in half a millisecond."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) SELECT FROM curation_record WHERE {VECTOR} @@ to_tsquery('simple', %s)", [query]
        )
        (plan,) = cursor.fetchone()[0]
    return int(plan["Plan"]["Plan Rows"])


# --- an import, which the database indexes and counts by itself ------------------------------------


def prepare_import() -> None:
    """Nothing is to be prepared."""


def add_imported(import_id: int, texts: Sequence[tuple[int, str]]) -> None:
    """The triggers have counted them."""


def merge() -> None:
    """The index has no pieces."""


def settle() -> None:
    """Make statistics after many rows came. Without them every list is taken for a short one until autovacuum comes by: each
    record's text is read for a search, a millisecond and a half each, and each mark of a dataset for every record.
    """
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE curation_record, curation_mark")


# --- the index -----------------------------------------------------------------------------------


# Marks become blanks, so that "example.com" is found by "example" as on SQLite; a tsvector holds at most 1 MB, so a very
# long record is found by its first 200,000 characters. The pattern takes a ninth of the time of `translate`, which asks each
# character for each mark. The cost keeps the planner from calling it row by row.
_FUNCTION = r"""
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
_WORDS = "to_tsvector('simple'::regconfig, atelier_record_text(fields, messages, chosen, rejected, metadata))"


def install_index(cursor: Any, tables: Sequence[str]) -> None:
    """Make the column of words and its index, which the database keeps right whoever writes a record."""
    cursor.execute(_FUNCTION)
    cursor.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = 'curation_record'::regclass AND attname = %s AND NOT attisdropped",
        [VECTOR],
    )
    if cursor.fetchone() is None:
        cursor.execute("SET statement_timeout = 0")  # a quarter of a millisecond for each record that is there
        cursor.execute(f"DROP INDEX IF EXISTS {INDEX}")
        cursor.execute(
            f"ALTER TABLE curation_record ADD COLUMN {VECTOR} tsvector GENERATED ALWAYS AS ({_WORDS}) STORED"
        )
    cursor.execute("SELECT to_regclass(%s)", [INDEX])
    if cursor.fetchone()[0] is None:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"CREATE INDEX {INDEX} ON curation_record USING gin ({VECTOR})")
    cursor.execute("RESET statement_timeout")


# --- marks and tallies ---------------------------------------------------------------------------


def lists(row: str, table: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, value as SQL, FROM) of the marks: each label, and each code of a problem."""
    begin = f"FROM {table} r, " if table else "FROM "
    for kind, column, value in (
        ("label", "labels", "left(j.value #>> '{}', 200)"), ("problem", "problems", "left(j.value ->> 'code', 200)"),
    ):  # fmt: skip
        listed = f"CASE jsonb_typeof({row}{column}) WHEN 'array' THEN {row}{column} ELSE '[]' END"
        yield kind, value, f"{begin}jsonb_array_elements({listed}) AS j(value) WHERE {row}{column} <> '[]'"


_SLOT = f"""
CREATE OR REPLACE FUNCTION atelier_tally_slot() RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE mine text := current_setting('atelier.slot', true);
BEGIN
  IF mine <> '' THEN RETURN mine::smallint; END IF;
  FOR slot IN 0..{SLOTS - 1} LOOP
    IF pg_try_advisory_xact_lock({LOCK}, slot) THEN
      PERFORM set_config('atelier.slot', slot::text, true);
      RETURN slot;
    END IF;
  END LOOP;
  -- More writers than slots: it shares one, and may wait there.
  RETURN pg_backend_pid() % {SLOTS};
END $$
"""
_CHANGED = (
    "SELECT n.* FROM new_rows n JOIN old_rows o USING (id)"
    " WHERE (o.labels, o.problems, o.dataset_id) IS DISTINCT FROM (n.labels, n.problems, n.dataset_id)"
)


_TALLY = f"""
CREATE OR REPLACE FUNCTION atelier_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mine smallint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT 1 FROM new_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    {tally_sql.learn(tally_sql.marks("r.", "new_rows", lists))}
    {tally_sql.tally(tally_sql.counted("r.", "new_rows", lists), "mine")}
  ELSIF TG_OP = 'UPDATE' THEN
    IF NOT EXISTS (SELECT 1 FROM new_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    DELETE FROM curation_mark m USING ({_CHANGED}) c WHERE m.record_id = c.id;
    {tally_sql.learn(tally_sql.marks("r.", f"({_CHANGED})", lists))}
    {tally_sql.tally(tally_sql.counted("r.", "old_rows", lists, -1) + " UNION ALL " + tally_sql.counted("r.", "new_rows", lists), "mine")}
  ELSE
    IF NOT EXISTS (SELECT 1 FROM old_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    DELETE FROM curation_mark m USING old_rows c WHERE m.record_id = c.id;
    {tally_sql.tally(tally_sql.counted("r.", "old_rows", lists, -1), "mine")}
  END IF;
  RETURN NULL;
END $$
"""  # noqa: S608 - our own names
_OF_DATASET = f"""
CREATE OR REPLACE FUNCTION atelier_tally_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM {tally_sql.NAME} WHERE dataset_id = OLD.id;
  RETURN NULL;
END $$
"""  # noqa: S608
_TRIGGERS = {
    "insert": "INSERT ON curation_record REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "update": "UPDATE ON curation_record REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
    " FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "delete": "DELETE ON curation_record REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "dataset": "DELETE ON curation_dataset FOR EACH ROW EXECUTE FUNCTION atelier_tally_dataset()",
}


def install_tallies(cursor: Any) -> bool:
    """Make the triggers that are missing. Whether some were: then all is counted anew. Those that are there stay: making one locks the table against writers."""
    for function in (_SLOT, _TALLY, _OF_DATASET):
        cursor.execute(function)
    cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'curation_tally_%%'")
    there = {name for (name,) in cursor.fetchall()}
    missing = {name: body for name, body in _TRIGGERS.items() if f"{tally_sql.NAME}_{name}" not in there}
    for name, body in missing.items():
        cursor.execute(f"CREATE TRIGGER {tally_sql.NAME}_{name} AFTER {body}")
    return bool(missing)


def drop_triggers(cursor: Any) -> None:
    """A migration that remakes a table takes its triggers along."""
