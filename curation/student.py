"""What the student would make of records: how many tokens each is, and how many it reads at most."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from curation.checks.records import Content
from curation.tokens import MARKS, Counter, tokenizer_file, written


def tokens(contents: list[Content]) -> list[int]:
    """Tokens of each record with the marks around its messages; an estimate where no tokenizer lies on this machine.

    Of preferences the longer answer counts; of documents the fields.
    """
    said = [list(map(_conversation, _endings(content))) for content in contents]
    texts = [text for endings in said for ending in endings for text in ending]
    counts = iter(_counter().count(texts) if texts else [])
    return [max(sum(next(counts) + MARKS for _ in ending) for ending in endings) for endings in said]


def _endings(content: Content) -> list[list[Any]]:
    answers = [answer for answer in (content.chosen, content.rejected) if answer]
    if not content.messages and not answers:
        fields = [value for value in content.fields.values() if isinstance(value, str)]
        return [[{"role": "user", "content": "\n".join(fields)}]]
    return [content.messages + answer for answer in answers] or [content.messages]


def _conversation(messages: list[Any]) -> list[str]:
    return [written(message) for message in messages if isinstance(message, dict)]


def _counter() -> Counter:
    path = tokenizer_file()
    return _loaded(path, path.stat().st_mtime_ns if path else 0)


@lru_cache(maxsize=2)
def _loaded(path: Path | None, changed: int) -> Counter:
    """One load a process and file: reading a tokenizer takes a fifth of a second."""
    return Counter(path)


def context() -> int | None:
    """Tokens that the student reads at most, by its own configuration; None where that is not on this machine."""
    path = tokenizer_file()
    config = path.parent / "config.json" if path else None
    return _positions(config, config.stat().st_mtime_ns) if config and config.is_file() else None


@lru_cache(maxsize=2)
def _positions(config: Path, changed: int) -> int | None:
    try:
        most = json.loads(config.read_text("utf-8")).get("max_position_embeddings")
    except (OSError, ValueError):
        return None  # a base that is just being fetched: nothing is too long for it yet
    return most if isinstance(most, int) and most > 0 else None
