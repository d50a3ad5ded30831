"""A dataset of very many small records, written by SQL alone: what the list is measured on when a file would take too long.

python -m tests.bench.crowd 1000000   fills the installation that the environment names
"""

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import orjson

from tests.bench import gen_chat, workshop

NAME = "Crowd"
TEMPLATES = 20_000  # texts that take turns; what stands beside them differs from row to row
WORDS = 30  # of each message
BATCH = 5000
SEED = 11
COLUMNS = (
    "dataset_id", "fields", "messages", "tools", "chosen", "rejected", "metadata", "problems", "labels", "status", "reviewed_note",
    "reviewed_by_id", "content_hash", "source_group", "split", "key", "preview", "words", "problem_count", "language", "tokens",
    "answer_tokens", "counted_by", "is_checked", "revision", "imported_by_id", "import_line", "origin", "created_at", "changed_at",
)  # fmt: skip


def filled(rows: int) -> Any:
    """Return the dataset, created now unless it exists with so many rows."""
    from curation.models import Dataset

    found = Dataset.objects.filter(name=f"{NAME} {rows}").first()
    return found or fill(rows)


def fill(rows: int) -> Any:
    from django.db import connection, transaction

    from curation.models import Dataset, Import
    from curation.search import index as search_index
    from curation.search.dialect import dialect
    from curation.search.postgresql import INDEX

    dataset = Dataset.objects.create(project=workshop.project(), name=f"{NAME} {rows}")
    job = Import.objects.create(project=dataset.project, dataset=dataset, original_name="crowd.jsonl", status="done")
    sqlite, into = connection.vendor == "sqlite", f"curation_record ({', '.join(COLUMNS)})"
    coming = made(dataset, job.pk, rows)
    with connection.cursor() as cursor:
        if not sqlite:  # made at once at the end it takes a fraction of the time
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(f"DROP INDEX IF EXISTS {INDEX}")
    while batch := list(islice(coming, BATCH)):
        with transaction.atomic(), connection.cursor() as cursor:
            if sqlite:
                places = ", ".join(["%s"] * len(COLUMNS))
                cursor.executemany(f"INSERT INTO {into} VALUES ({places})", [values for values, _ in batch])
                dialect.add_imported(job.pk, [(values[-4], text) for values, text in batch])
            else:
                with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                    for values, _ in batch:
                        copy.write_row(values)
    search_index.install()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA optimize" if sqlite else "VACUUM ANALYZE curation_record")
    dialect.settle()  # as an import does
    return dataset


def made(dataset: Any, import_id: int, rows: int) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield (values in the order of COLUMNS, text for the search) of each row."""
    from django.db import connection
    from django.utils import timezone

    from atelier.accounts.models import User

    chance, begin, member = (
        random.Random(SEED),
        timezone.now() - timedelta(days=60),
        User.objects.get(username="member"),
    )
    for line, (messages, text, preview, count) in enumerate(islice(cycle(templates()), rows), start=1):
        status = chance.choices(["new", "accepted", "rejected", "skipped"], [70, 20, 8, 2])[0]
        labels = sorted(chance.sample(["clear", "short", "doubtful"], chance.choice([0, 0, 0, 1, 2])))
        problems = [{"code": "secret", "message": "A key.", "where": ""}] if chance.random() < 0.01 else []
        day = connection.ops.adapt_datetimefield_value(begin + timedelta(seconds=chance.randrange(5_000_000)))
        said = orjson.dumps({"topic": f"topic{line % 500}", "place": chance.randrange(10)}).decode()
        words = len(text.split()) - chance.randrange(40)
        yield (
            dataset.pk, "{}", messages, "[]", "[]", "[]", said, orjson.dumps(problems).decode(), orjson.dumps(labels).decode(),
            status, "", None if status == "new" else member.pk, _hash(line), f"{line:x}",
            chance.choices(["train", "validation", "test"], [80, 10, 10])[0], "", preview, words, len(problems),
            chance.choices(["de", "fr", "en", "nl"], [60, 30, 9.9, 0.1])[0], *count, True, 1, import_id, line,
            "imported from crowd.jsonl", day, day,
        ), f"{text} topic{line % 500}"  # fmt: skip


def _hash(line: int) -> str:
    """Return a hash that makes every row a content of its own, whatever its template says."""
    return hashlib.blake2b(str(line).encode(), digest_size=32).hexdigest()


def templates() -> list[tuple[str, str, str, tuple[int, int | None, int]]]:
    """Return (messages as JSON, text, preview, the checks' token counts) of some rows of the chat generator, cut short."""
    from curation.models import Record
    from curation.tokens import student

    found = []
    for row, _ in gen_chat.rows(TEMPLATES, workshop.SEED):
        said = [message | {"content": " ".join(str(message["content"]).split()[:WORDS])} for message in row["messages"]]
        text = " ".join(message["content"] for message in said)
        found.append((said, text, said[0]["content"][:300]))
    counts = student.counts([Record(messages=said) for said, _, _ in found])
    return [
        (orjson.dumps(said).decode(), text, preview, tuple(count))
        for (said, text, preview), count in zip(found, counts, strict=True)
    ]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
    workshop.open_installation()
    print(filled(int(sys.argv[1])))
