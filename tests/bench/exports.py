"""From records to chat JSONL: freezing a version and downloading it, against a bare select with orjson."""

import tempfile
from pathlib import Path
from typing import Any

from tests.bench import workshop
from tests.bench.figures import Clock, Figure, memory, rates
from tests.bench.workshop import Options

REFERENCE = "bare select and orjson.dumps"
SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    from curation import exports, tasks
    from curation.versions import files as version_files
    from curation.versions import freezes

    dataset = workshop.filled(options)
    version = freezes.create(dataset, None, filters={}, shares=SHARES)
    with Clock() as freezing:
        tasks.freeze(version.pk)
    workshop.finished(version)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.jsonl"
        with Clock() as exported, out.open("wb") as file:
            for split in SHARES:
                file.writelines(version_files.export(version, split, bare=True))
        complete(out, options.rows)
        with Clock() as bare:
            select(dataset, out)
        complete(out, options.rows)
    before = memory("VmRSS")
    with Clock() as job:
        made = exports.begin(dataset, None, "chat")
        tasks.export(made.pk)
    peak = memory("VmHWM")
    workshop.finished(made)
    return [
        *rates("export job, chat with fields and marks", options.rows, job, REFERENCE, bare),
        Figure("export job, peak memory of the worker", peak, "MiB", "the same process before it began", before),
        *rates("freeze", options.rows, freezing, REFERENCE, bare),
        *rates("export", options.rows, exported, REFERENCE, bare),
    ]


def select(dataset: Any, out: Path) -> None:
    """Write every conversation straight from the table into a file."""
    import orjson
    from django.db import connection

    sql = "SELECT messages FROM curation_record WHERE dataset_id = %s AND deleted_at IS NULL ORDER BY id"
    with connection.cursor() as cursor, out.open("wb") as file:
        cursor.execute(sql, [dataset.pk])
        while rows := cursor.fetchmany(500):
            for (messages,) in rows:
                found = orjson.loads(messages) if isinstance(messages, str) else messages
                file.write(orjson.dumps({"messages": found}, option=orjson.OPT_APPEND_NEWLINE))


def complete(path: Path, rows: int) -> None:
    with path.open("rb") as file:
        count = sum(1 for _ in file)
    if count != rows:
        raise RuntimeError(f"{count} of {rows} rows came out.")
