"""Importing: the file into records, checked and searchable; the floor does only the reading, writing and indexing."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench import workshop
from tests.bench.figures import Clock, Figure, memory, rates
from tests.bench.workshop import Options

REFERENCE = "orjson, executemany, full-text index alone"
BATCH = 400


def measure(options: Options) -> list[Figure]:
    path = workshop.make_rows(options)
    workshop.open_installation()
    before = memory("VmRSS")
    with Clock() as ours:
        workshop.import_rows(path, workshop.DATASET)
    peak = memory("VmHWM")
    with Clock() as bare:
        floor(path)
    return [
        *rates("import", options.rows, ours, REFERENCE, bare),
        Figure("import, peak memory of the worker", peak, "MiB", "the same process before it began", before),
    ]


def floor(path: Path) -> None:
    """Insert the same rows into a table of the same columns, in transactions of the same size, and into a full-text index."""
    from django.db import connection, transaction

    from curation.records.store import COLUMNS, JSON

    sqlite = connection.vendor == "sqlite"
    places = ", ".join("%s" if sqlite or name not in JSON else "%s::jsonb" for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE floor_record AS SELECT {', '.join(COLUMNS)} FROM curation_record LIMIT 0")
        if sqlite:
            cursor.execute("CREATE VIRTUAL TABLE floor_search USING fts5(body, content='')")
        else:
            # As ours does, so the database indexes each row when it comes.
            cursor.execute("CREATE INDEX ON floor_record USING gin (to_tsvector('simple', messages::text))")
        rows = enumerate(values(path), 1)
        while batch := list(islice(rows, BATCH)):
            with transaction.atomic():
                cursor.executemany(f"INSERT INTO floor_record VALUES ({places})", [row for _, (row, _) in batch])
                if sqlite:
                    texts = [(number, text) for number, (_, text) in batch]
                    cursor.executemany("INSERT INTO floor_search (rowid, body) VALUES (%s, %s)", texts)


def values(path: Path) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield what a row of the floor's table holds, and its text for the index."""
    import orjson
    from django.utils import timezone

    now = timezone.now().isoformat()
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            row = orjson.loads(line)
            text = " ".join(message["content"] for message in row["messages"])
            messages, metadata = orjson.dumps(row["messages"]).decode(), orjson.dumps(row["metadata"]).decode()
            yield (
                "{}", messages, "[]", "[]", "[]", metadata, "[]", "[]", 1, "new", "", "0" * 64, "0" * 64, "train", "",
                text[:300], 450, 0, "", False, 1, 1, number, "imported", now, now,
            ), text  # fmt: skip
