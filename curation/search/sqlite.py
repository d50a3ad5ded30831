"""SQLite's dialect of search: FTS5 and what is asked of it, marks and tallies a row at a time, statements ended by its own steps.

SQLite has one writer, so there every tally is one row. What an import adds it indexes and counts itself, a batch at a time:
the triggers' own reading of the JSON takes longer than all the rest.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Q
from django.db.models.expressions import RawSQL

from curation.models.records import RecordQuerySet
from curation.records import search_text
from curation.search import tally_sql

FOLLOWS_TEXTS = True  # it has no statistics of texts, so matches are followed in the order of its index
LIMIT = 0.02  # seconds of a plain statement, and again of looking piece by piece
LISTED_BY_ID = "INDEXED BY listed_by_id"  # it would fetch each record instead
ON_MAP = "INDEXED BY record_on_map"
AMONG = "IN (SELECT value FROM json_each(%s))"  # one of many ids, given as one parameter
BOTH, EITHER = " AND ", " OR "  # in a query of the index
TABLE = "curation_record_search"
AUTOMERGE = 4  # pieces of the index that it merges by itself: its own default
MOST_PIECES = 256  # it holds the lock until all are merged when there are so many
MERGED_PAGES = 250  # 1 MB at a time
MADE_OUT = 64  # words of one beginning that are named one by one
FETCHED = 200
CHECKPOINT_PAGES = 12_000  # 48 MB, below the log's size limit
CACHE_KB = 16_000
STEPS = 2000  # of its machine between two looks at the clock
clock = time.thread_time  # it works in this thread's processor
_MATCHES = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608 - a constant, and a parameter


def listed(pks: Sequence[int]) -> str:
    """Return many ids as the parameter of AMONG."""
    return json.dumps(list(pks))


def among(records: RecordQuerySet, pks: Sequence[int]) -> RecordQuerySet:
    """Return the records of many ids, given as one parameter: thousands of them take longer than the query."""
    return records.filter(pk__in=RawSQL("SELECT value FROM json_each(%s)", [listed(pks)]))


# --- statements that end -------------------------------------------------------------------------


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    """End what is asked inside, with an OperationalError, when it takes longer of this thread's processor."""
    connection.ensure_connection()
    end = clock() + seconds
    connection.connection.set_progress_handler(lambda: clock() > end, STEPS)
    try:
        yield
    finally:
        connection.connection.set_progress_handler(None, 0)


def was_ended(error: OperationalError) -> bool:
    return "interrupted" in str(error)


# --- what words ask of the index -----------------------------------------------------------------


def phrase(words: Sequence[str]) -> str:
    return f'"{" ".join(words)}"'


def every(words: Sequence[str], begun: bool = False) -> str:
    """Ask for all of these words; `begun`: the last one perhaps only begun."""
    last = _begun(words[-1]) if begun else f'"{words[-1]}"'
    return BOTH.join([*(f'"{word}"' for word in words[:-1]), last])


def without(query: str, refused: str) -> str:
    return f"({query}) NOT ({refused})"


def matching(query: str) -> Q | None:
    """Return the condition of matching a query, as one set of ids."""
    return Q(pk__in=RawSQL(_MATCHES, [query]))  # noqa: S611


def contains(pk: tuple[str, Any], query: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of asking one record, and its parameters."""
    return (
        f"EXISTS(SELECT 1 FROM {TABLE} WHERE {TABLE} MATCH {query[0]} AND rowid = {pk[0]})",  # noqa: S608
        (*query[1], *pk[1]),
    )


def frequency(query: str, most: int) -> int:
    """Count the matching records of the whole installation, up to a bound."""
    with connection.cursor() as cursor:
        sql = f"SELECT count(*) FROM (SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s LIMIT %s)"  # noqa: S608
        cursor.execute(sql, [query, most])
        return int(cursor.fetchone()[0])


def expected(query: str) -> int:
    """It has no statistics, and gathers nothing before it gives the first match."""
    return 0


def matches_among(query: str, pks: Sequence[int]) -> list[int]:
    """Return the ids that match: one pass through the matches, where the index would otherwise be searched for each id."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_MATCHES} AND +rowid {AMONG}", [query, listed(pks)])
        return [pk for (pk,) in cursor.fetchall()]


def stream(query: str, down: bool, place: tuple[str, int] | None = None) -> Iterator[int]:
    """Yield ids of the whole installation that match, in their order from a place on: (comparison, id).

    Read as far as wanted.
    """
    beyond = f" AND rowid {place[0]} %s" if place else ""
    sql = f"{_MATCHES}{beyond} ORDER BY rowid {'DESC' if down else 'ASC'}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [query, *([place[1]] if place else [])])
        while rows := cursor.fetchmany(FETCHED):
            for (pk,) in rows:
                yield pk


def _begun(word: str) -> str:
    """A beginning. It would put the matches of all its words together before it gives the first; words that are named one by one
    are followed as far as wanted.
    """
    if not word.isascii():  # the index may write it otherwise
        return f'"{word}" *'
    named, place, end = [], word.lower(), word.lower() + "\U0010ffff"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{TABLE}_words USING fts5vocab(main, {TABLE}, instance)"
        )
        while len(named) <= MADE_OUT:
            cursor.execute(
                f"SELECT term FROM temp.{TABLE}_words WHERE term >= %s AND term < %s LIMIT 1",  # noqa: S608
                [place, end],
            )
            if (row := cursor.fetchone()) is None:
                break
            named.append(row[0])
            place = row[0] + "\x01"  # what comes next in the order of words
    if not 0 < len(named) <= MADE_OUT:
        return f'"{word}" *'
    return f"({EITHER.join(quoted)})" if len(quoted := [f'"{name}"' for name in named]) > 1 else quoted[0]


# --- an import -----------------------------------------------------------------------------------


def prepare_import() -> None:
    """Let the log grow before it is copied into the database, once a batch would cost as much as the writing; and hold a batch's
    pages in memory, for what does not fit is written twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES:d}")
        cursor.execute(f"PRAGMA cache_size=-{CACHE_KB:d}")


def add_imported(import_id: int, texts: Sequence[tuple[int, str]]) -> None:
    """Count and index rows that an import just inserted, given as (line, text) in the order of their lines, in the same
    transaction: the triggers leave rows with an `import_line` alone.
    """
    lines = texts[0][0], texts[-1][0]
    with connection.cursor() as cursor:
        _count_imported(cursor, import_id, lines)
        _index_imported(cursor, import_id, lines, texts)


def _index_imported(cursor: Any, import_id: int, lines: tuple[int, int], texts: Sequence[tuple[int, str]]) -> None:
    cursor.execute(
        "SELECT import_line, id FROM curation_record WHERE imported_by_id = %s AND import_line BETWEEN %s AND %s",
        [import_id, *lines],
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
    """Make one of the pieces of the index that imports left, a search looking into each: in short transactions, for each
    holds the lock. Merging them all once costs half of what FTS5 takes that merges four by four while they come.
    """
    changes, before = lambda: connection.connection.total_changes, -2
    with connection.cursor() as cursor:
        while changes() - before >= 2:  # as FTS5 says that there is more to do
            before = changes()
            _set(cursor, "merge", MERGED_PAGES)


def settle() -> None:
    """Put in order what many new rows left."""
    merge()


# --- the index -----------------------------------------------------------------------------------


_KEYS = ", ".join(f"'{key}'" for key in sorted(search_text.KEYS))
_COLUMNS = ("fields", "messages", "chosen", "rejected", "metadata")


def text(row: str) -> str:
    """The SQL expression for the same text as `search_text.gather`."""
    everything = "(SELECT group_concat(atom, ' ') FROM json_tree({row}{column}) WHERE type = 'text')"
    spoken_only = everything.replace("WHERE", f"WHERE key IN ({_KEYS}) AND")
    parts = [
        (spoken_only if column in ("messages", "chosen", "rejected") else everything).format(row=row, column=column)
        for column in _COLUMNS
    ]
    return " || ' ' || ".join(f"coalesce({part}, '')" for part in parts)


def install_index(cursor: Any, tables: Sequence[str]) -> None:
    """Make the index and the triggers that keep it right: a migration drops them with a table that it remakes."""
    cursor.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE}"
        " USING fts5(body, content='', tokenize='unicode61 remove_diacritics 2')"
    )
    _set(cursor, "crisismerge", MOST_PIECES)
    old, new = text("old."), text("new.")
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
    if TABLE not in tables:
        cursor.execute(f"INSERT INTO {TABLE} (rowid, body) SELECT id, {text('r.')} FROM curation_record r")  # noqa: S608


# --- marks and tallies ---------------------------------------------------------------------------


def lists(row: str, table: str) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, value as SQL, FROM) of the marks: each label, and each code of a problem."""
    begin = f"FROM {table} r, " if table else "FROM "
    yield "label", "substr(j.value, 1, 200)", f"{begin}json_each({row}labels) j WHERE j.type = 'text'"
    yield (
        "problem",
        "substr(json_extract(j.value, '$.code'), 1, 200)",
        (f"{begin}json_each({row}problems) j WHERE j.type = 'object'"),
    )


_WATCHED = (
    "dataset_id", "status", "split", "words", "imported_by_id", "language", "reviewed_by_id", "problem_count", "deleted_at",
)  # fmt: skip


def _differ(*columns: str) -> str:
    return " OR ".join(f"old.{column} IS NOT new.{column}" for column in columns)


def _insert() -> str:
    """Return the SQL that counts the facets of one new record, without lists: by far the most frequent case.

    The import counts its own records.
    """
    values = ", ".join(f"('{facet}', {value})" for facet, value in tally_sql.scalars("new.").items())
    return f"""INSERT INTO {tally_sql.NAME} ({tally_sql.KEY}, count)
        SELECT new.dataset_id, column1, column2, 0, 1 FROM (VALUES {values}) WHERE column2 IS NOT NULL
        ON CONFLICT ({tally_sql.KEY}) DO UPDATE SET count = count + 1;"""  # noqa: S608


def _change(old: str, new: str) -> str:
    return tally_sql.tally(f"{old} UNION ALL {new}")


def _of_marks(row: str, sign: int) -> str:
    marks = tally_sql.marks(row, "", lists, only=f" AND {row}deleted_at IS NULL")
    return f"SELECT dataset_id, kind AS facet, value, {sign} AS change FROM ({marks}) m"  # noqa: S608


_FORGET = "DELETE FROM curation_mark WHERE record_id = old.id;"
_ALONE = "new.import_line IS NULL"  # as the search has it: an import sees to its own batches
_LISTED = "({row}labels <> '[]' OR {row}problems <> '[]')"
_TRIGGERS = {
    "insert": (f"INSERT ON curation_record WHEN {_ALONE} AND new.deleted_at IS NULL", _insert()),
    "insert_deleted": (
        f"INSERT ON curation_record WHEN {_ALONE} AND new.deleted_at IS NOT NULL",
        tally_sql.tally(tally_sql.counted("new.", "", None)),
    ),
    "insert_lists": (
        f"INSERT ON curation_record WHEN {_ALONE} AND {_LISTED.format(row='new.')}",
        tally_sql.learn(tally_sql.marks("new.", "", lists)) + tally_sql.tally(_of_marks("new.", 1)),
    ),
    "update": (
        f"UPDATE OF {', '.join(_WATCHED)} ON curation_record WHEN {_differ(*_WATCHED)}",
        _change(tally_sql.counted("old.", "", None, -1), tally_sql.counted("new.", "", None)),
    ),
    "update_lists": (
        "UPDATE OF labels, problems, deleted_at, dataset_id ON curation_record"
        f" WHEN ({_differ('labels', 'problems', 'deleted_at', 'dataset_id')})"
        f" AND ({_LISTED.format(row='old.')} OR {_LISTED.format(row='new.')})",
        _FORGET + tally_sql.learn(tally_sql.marks("new.", "", lists)) + _change(_of_marks("old.", -1), _of_marks("new.", 1)),
    ),
    "delete": ("DELETE ON curation_record", tally_sql.tally(tally_sql.counted("old.", "", lists, -1)) + _FORGET),
    # Records that go after the tallies of their dataset leave some again; they go with the dataset.
    "dataset": ("DELETE ON curation_dataset", f"DELETE FROM {tally_sql.NAME} WHERE dataset_id = old.id;"),  # noqa: S608
}  # fmt: skip


def install_tallies(cursor: Any) -> bool:
    """Make the triggers. Whether some were missing: then all is counted anew."""
    cursor.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'curation_tally_%%'")
    missing = cursor.fetchone()[0] < len(_TRIGGERS)
    for name, (event, body) in _TRIGGERS.items():
        cursor.execute(f"DROP TRIGGER IF EXISTS {tally_sql.NAME}_{name}")
        cursor.execute(f"CREATE TRIGGER {tally_sql.NAME}_{name} AFTER {event} BEGIN {body} END")
    return bool(missing)


_COUNTED = "id, dataset_id, status, split, words, imported_by_id, language, reviewed_by_id, problem_count, deleted_at, labels, problems"


def _count_imported(cursor: Any, import_id: int, lines: tuple[int, int]) -> None:
    """Count what an import just inserted, its lines from one to another (both included)."""
    chosen = f"SELECT {_COUNTED} FROM curation_record WHERE imported_by_id = %s AND import_line BETWEEN %s AND %s"  # noqa: S608
    for sql in (
        tally_sql.learn(tally_sql.marks("r.", "new_rows", lists)),
        tally_sql.tally(tally_sql.counted("r.", "new_rows", lists)),
    ):
        cursor.execute(f"WITH new_rows AS MATERIALIZED ({chosen}) {sql}", [import_id, *lines])


def drop_triggers(cursor: Any) -> None:
    """Drop the triggers of the index and of the tallies."""
    cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    for (name,) in cursor.fetchall():
        if name.startswith((f"{TABLE}_", f"{tally_sql.NAME}_")):
            cursor.execute(f'DROP TRIGGER "{name}"')
