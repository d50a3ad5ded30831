"""Counts that are kept, not counted: triggers that keep `Mark` and `Tally` right, whoever writes a record.

A tally is of one value of one facet among the present records of a dataset; the deleted ones have a facet of their own.
SQLite has one writer, so there every tally is one row. On PostgreSQL each transaction takes a slot for itself (an advisory
lock that ends with it), so that writers neither wait for each other's counts nor lock them in different orders.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connections

LENGTHS = (0, 1, 10, 25, 50, 100, 200, 400, 800, 1600, 3200, 10_000)  # words: where each bucket begins
SLOTS = 32
LOCK = 0x7A11  # the space of our advisory locks; the slot is the second key
NAME = "curation_tally"
_KEY = "dataset_id, facet, value, slot"
_BUCKET = "CASE {walk} ELSE '0' END"


def _bucket(row: str) -> str:
    return _BUCKET.format(
        walk=" ".join(f"WHEN {row}words >= {begin} THEN '{begin}'" for begin in reversed(LENGTHS) if begin)
    )


def _scalars(row: str) -> dict[str, str]:
    """The facets that are one value of the record, as SQL; a null is not counted."""
    return {
        "status": f"CAST({row}status AS text)",
        "split": f"CAST({row}split AS text)",
        "length": _bucket(row),
        "source": f"coalesce(CAST({row}imported_by_id AS text), '0')",
        "language": f"CAST(nullif({row}language, '') AS text)",
        "annotator": f"CAST({row}reviewed_by_id AS text)",
        "problems": f"CASE WHEN {row}problem_count > 0 THEN 'some' END",
    }


def _lists(row: str, table: str, vendor: str) -> Iterator[tuple[str, str, str]]:
    """(kind, value as SQL, FROM) of the marks: each label, and each code of a problem."""
    begin = f"FROM {table} r, " if table else "FROM "
    if vendor == "sqlite":
        yield "label", "substr(j.value, 1, 200)", f"{begin}json_each({row}labels) j WHERE j.type = 'text'"
        yield (
            "problem",
            "substr(json_extract(j.value, '$.code'), 1, 200)",
            (f"{begin}json_each({row}problems) j WHERE j.type = 'object'"),
        )
    else:
        for kind, column, value in (
            ("label", "labels", "left(j.value #>> '{}', 200)"), ("problem", "problems", "left(j.value ->> 'code', 200)"),
        ):  # fmt: skip
            listed = f"CASE jsonb_typeof({row}{column}) WHEN 'array' THEN {row}{column} ELSE '[]' END"
            yield kind, value, f"{begin}jsonb_array_elements({listed}) AS j(value) WHERE {row}{column} <> '[]'"


def _marks(row: str, table: str, vendor: str, only: str = "") -> str:
    """(record_id, dataset_id, kind, value), each once. Problems without a code have no mark."""
    return " UNION ".join(
        f"SELECT {row}id AS record_id, {row}dataset_id AS dataset_id, '{kind}' AS kind, {value} AS value {source}"
        f" AND {value} IS NOT NULL{only}"
        for kind, value, source in _lists(row, table, vendor)
    )


def _counted(row: str, table: str, vendor: str, sign: int = 1, lists: bool = True) -> str:
    """(dataset_id, facet, value, change), not summed up."""
    source = f"FROM {table} r " if table else ""
    parts = [
        f"SELECT {row}dataset_id AS dataset_id, '{facet}' AS facet, {value} AS value, {sign} AS change"
        f" {source}WHERE {row}deleted_at IS NULL AND {value} IS NOT NULL"
        for facet, value in _scalars(row).items()
    ]
    parts.append(f"SELECT {row}dataset_id, 'deleted', 'deleted', {sign} {source}WHERE {row}deleted_at IS NOT NULL")
    if lists:
        marks = _marks(row, table, vendor, only=f" AND {row}deleted_at IS NULL")
        parts.append(f"SELECT dataset_id, kind, value, {sign} FROM ({marks}) m")  # noqa: S608
    return " UNION ALL ".join(parts)


def _tally(changes: str, slot: str = "0") -> str:
    """Write the sums of changes, in one order for all. What is deleted with its dataset leaves no count behind."""
    return f"""INSERT INTO {NAME} ({_KEY}, count)
        SELECT dataset_id, facet, value, {slot}, sum(change) FROM ({changes}) c
        WHERE EXISTS (SELECT 1 FROM curation_dataset d WHERE d.id = dataset_id)
        GROUP BY dataset_id, facet, value HAVING sum(change) <> 0 ORDER BY dataset_id, facet, value
        ON CONFLICT ({_KEY}) DO UPDATE SET count = {NAME}.count + excluded.count;"""  # noqa: S608 - our own names


def _learn(marks: str) -> str:
    return f"INSERT INTO curation_mark (record_id, dataset_id, kind, value) SELECT record_id, dataset_id, kind, value FROM ({marks}) m;"  # noqa: S608


def install(using: str = "default", **_: Any) -> None:
    """Make the triggers after every migration, and count anew where there were none: SQLite drops them with a table it remakes."""
    connection = connections[using]
    if not {"curation_record", NAME, "curation_mark"} <= set(connection.introspection.table_names()):
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'curation_tally_%%'"
            )
            fresh = cursor.fetchone()[0] < len(_SQLITE)
            for name, (event, body) in _SQLITE.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {NAME}_{name}")
                cursor.execute(f"CREATE TRIGGER {NAME}_{name} AFTER {event} BEGIN {body} END")
        elif connection.vendor == "postgresql":
            fresh = _install_postgres(cursor)
        else:
            return
    if fresh:
        recount(using)


def recount(using: str = "default") -> None:
    """Write all marks and tallies anew from the records."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM curation_mark")
        cursor.execute(f"DELETE FROM {NAME}")  # noqa: S608
        cursor.execute(_learn(_marks("r.", "curation_record", connection.vendor)))
        cursor.execute(_tally(_counted("r.", "curation_record", connection.vendor)))


# --- SQLite: a row at a time ---------------------------------------------------------------------

_WATCHED = (
    "dataset_id", "status", "split", "words", "imported_by_id", "language", "reviewed_by_id", "problem_count", "deleted_at",
)  # fmt: skip


def _differ(*columns: str) -> str:
    return " OR ".join(f"old.{column} IS NOT new.{column}" for column in columns)


def _sqlite_insert() -> str:
    """The facets of one new record, without lists: by far the most frequent case. What an import adds, it counts itself."""
    values = ", ".join(f"('{facet}', {value})" for facet, value in _scalars("new.").items())
    return f"""INSERT INTO {NAME} ({_KEY}, count)
        SELECT new.dataset_id, column1, column2, 0, 1 FROM (VALUES {values}) WHERE column2 IS NOT NULL
        ON CONFLICT ({_KEY}) DO UPDATE SET count = count + 1;"""  # noqa: S608


def _change(old: str, new: str) -> str:
    return _tally(f"{old} UNION ALL {new}")


def _of_marks(row: str, sign: int) -> str:
    marks = _marks(row, "", "sqlite", only=f" AND {row}deleted_at IS NULL")
    return f"SELECT dataset_id, kind AS facet, value, {sign} AS change FROM ({marks}) m"  # noqa: S608


_FORGET = "DELETE FROM curation_mark WHERE record_id = old.id;"
_ALONE = "new.import_line IS NULL"  # as the search has it: an import sees to its own batches
_LISTED = "({row}labels <> '[]' OR {row}problems <> '[]')"
_SQLITE = {
    "insert": (f"INSERT ON curation_record WHEN {_ALONE} AND new.deleted_at IS NULL", _sqlite_insert()),
    "insert_deleted": (
        f"INSERT ON curation_record WHEN {_ALONE} AND new.deleted_at IS NOT NULL",
        _tally(_counted("new.", "", "sqlite", lists=False)),
    ),
    "insert_lists": (
        f"INSERT ON curation_record WHEN {_ALONE} AND {_LISTED.format(row='new.')}",
        _learn(_marks("new.", "", "sqlite")) + _tally(_of_marks("new.", 1)),
    ),
    "update": (
        f"UPDATE OF {', '.join(_WATCHED)} ON curation_record WHEN {_differ(*_WATCHED)}",
        _change(_counted("old.", "", "sqlite", -1, lists=False), _counted("new.", "", "sqlite", lists=False)),
    ),
    "update_lists": (
        "UPDATE OF labels, problems, deleted_at, dataset_id ON curation_record"
        f" WHEN ({_differ('labels', 'problems', 'deleted_at', 'dataset_id')})"
        f" AND ({_LISTED.format(row='old.')} OR {_LISTED.format(row='new.')})",
        _FORGET + _learn(_marks("new.", "", "sqlite")) + _change(_of_marks("old.", -1), _of_marks("new.", 1)),
    ),
    "delete": ("DELETE ON curation_record", _tally(_counted("old.", "", "sqlite", -1)) + _FORGET),
    # Records that go after the tallies of their dataset leave some again; they go with the dataset.
    "dataset": ("DELETE ON curation_dataset", f"DELETE FROM {NAME} WHERE dataset_id = old.id;"),  # noqa: S608
}  # fmt: skip


# --- PostgreSQL: a statement at a time -----------------------------------------------------------

_PG_SLOT = f"""
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
_PG_CHANGED = (
    "SELECT n.* FROM new_rows n JOIN old_rows o USING (id)"
    " WHERE (o.labels, o.problems, o.dataset_id) IS DISTINCT FROM (n.labels, n.problems, n.dataset_id)"
)


_PG_FUNCTION = f"""
CREATE OR REPLACE FUNCTION atelier_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mine smallint;
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT 1 FROM new_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    {_learn(_marks("r.", "new_rows", "postgresql"))}
    {_tally(_counted("r.", "new_rows", "postgresql"), "mine")}
  ELSIF TG_OP = 'UPDATE' THEN
    IF NOT EXISTS (SELECT 1 FROM new_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    DELETE FROM curation_mark m USING ({_PG_CHANGED}) c WHERE m.record_id = c.id;
    {_learn(_marks("r.", f"({_PG_CHANGED})", "postgresql"))}
    {_tally(_counted("r.", "old_rows", "postgresql", -1) + " UNION ALL " + _counted("r.", "new_rows", "postgresql"), "mine")}
  ELSE
    IF NOT EXISTS (SELECT 1 FROM old_rows) THEN RETURN NULL; END IF;
    mine := atelier_tally_slot();
    DELETE FROM curation_mark m USING old_rows c WHERE m.record_id = c.id;
    {_tally(_counted("r.", "old_rows", "postgresql", -1), "mine")}
  END IF;
  RETURN NULL;
END $$
"""  # noqa: S608 - our own names
_PG_DATASET = f"""
CREATE OR REPLACE FUNCTION atelier_tally_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM {NAME} WHERE dataset_id = OLD.id;
  RETURN NULL;
END $$
"""  # noqa: S608
_PG_TRIGGERS = {
    "insert": "INSERT ON curation_record REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "update": "UPDATE ON curation_record REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"
    " FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "delete": "DELETE ON curation_record REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION atelier_tally()",
    "dataset": "DELETE ON curation_dataset FOR EACH ROW EXECUTE FUNCTION atelier_tally_dataset()",
}


def _install_postgres(cursor: Any) -> bool:
    """Whether triggers were missing. Those that are there stay: making one locks the table against writers."""
    for function in (_PG_SLOT, _PG_FUNCTION, _PG_DATASET):
        cursor.execute(function)
    cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'curation_tally_%%'")
    there = {name for (name,) in cursor.fetchall()}
    missing = {name: body for name, body in _PG_TRIGGERS.items() if f"{NAME}_{name}" not in there}
    for name, body in missing.items():
        cursor.execute(f"CREATE TRIGGER {NAME}_{name} AFTER {body}")
    return bool(missing)


# --- an import on SQLite: a batch at a time --------------------------------------------------------

_COUNTED = "id, dataset_id, status, split, words, imported_by_id, language, reviewed_by_id, problem_count, deleted_at, labels, problems"


def count_imported(cursor: Any, import_id: int, lines: tuple[int, int]) -> None:
    """Count what an import just inserted, its lines from one to another (both included), in the same transaction: SQLite's
    triggers leave rows with an `import_line` alone. PostgreSQL's have counted them.
    """
    chosen = f"SELECT {_COUNTED} FROM curation_record WHERE imported_by_id = %s AND import_line BETWEEN %s AND %s"  # noqa: S608
    for sql in (_learn(_marks("r.", "new_rows", "sqlite")), _tally(_counted("r.", "new_rows", "sqlite"))):
        cursor.execute(f"WITH new_rows AS MATERIALIZED ({chosen}) {sql}", [import_id, *lines])
