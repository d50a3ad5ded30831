"""Datasets and ledgers as JSONL, streaming."""

from collections.abc import Iterator
from typing import Any

import orjson

from curation import versions
from curation.models import Distillation, Generation, Version

BATCH = 500
BARE_KEYS = ("messages", "prompt", "chosen", "rejected", "tools")


def export_version(version: Version, split: str, bare: bool = False) -> Iterator[bytes]:
    """A split as chat JSONL, a piece a line, its hash checked before the first one.

    `bare` leaves out our id and the metadata, for trainers that know messages and tools alone. Raises ValidationError
    before anything is given when there is no such split or the file is not what was frozen.
    """
    stream = versions.open_split(version, split)
    return _lines(stream, bare)


def _lines(stream: Any, bare: bool) -> Iterator[bytes]:
    with stream:
        for line in stream:
            yield _bare(line) if bare else line


def _bare(line: bytes) -> bytes:
    row = orjson.loads(line)
    return orjson.dumps({key: row[key] for key in BARE_KEYS if key in row}, option=orjson.OPT_APPEND_NEWLINE)


def ledger_lines(job: Distillation) -> Iterator[bytes]:
    """The ledger of a distillation, a row a line, by key."""
    last = 0
    while page := list(job.generations.filter(pk__gt=last).select_related("record").order_by("pk")[:BATCH]):
        for unit in page:
            yield orjson.dumps(ledger_row(unit), option=orjson.OPT_APPEND_NEWLINE)
        last = page[-1].pk


def ledger_row(unit: Generation) -> dict[str, Any]:
    return {
        "id": unit.pk,
        "record": unit.record_id,
        "key": unit.record.key if unit.record else "",
        "outcome": unit.outcome,
        "reason": unit.reason,
        "prompt": unit.prompt,
        "answer": unit.answer,
        "reasoning": unit.reasoning,
        "prompt_tokens": unit.prompt_tokens,
        "completion_tokens": unit.completion_tokens,
        "cost": str(unit.cost),
        "seconds": round(unit.seconds, 3),
        "attempts": unit.attempts,
        "result": unit.result_id,
        "at": unit.at.isoformat(),
    }
