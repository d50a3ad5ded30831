"""The student model's view of records: how many tokens each has, and how many the student reads at most."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from curation.checks.record import Content
from curation.tokens.counting import MARKS, TokenCounter, tokenizer_file, written


class TokenCount(NamedTuple):
    """The tokens of a record including chat-template tokens, those of the assistant, and the mark of the tokenizer.

    The assistant's are None if a record has two endings.
    """

    tokens: int
    answer: int | None
    by: int


def counts(contents: list[Content]) -> list[TokenCount]:
    """Count the tokens of records by the student's tokenizer; an estimate if none is installed on this machine.

    Of preferences the longer answer counts; of documents the fields.
    """
    counter = _counter()
    said = [_endings(content) for content in contents]
    texts = [written(message) for endings in said for ending in endings for message in ending]
    found = iter(counter.count(texts) if texts else [])
    return [_count([[next(found) + MARKS for _ in ending] for ending in endings], endings, counter) for endings in said]


def _count(numbers: list[list[int]], endings: list[list[Any]], counter: TokenCounter) -> TokenCount:
    longest = max(map(sum, numbers))
    if len(endings) > 1:
        return TokenCount(longest, None, counter.mark)
    turns = zip(numbers[0], endings[0], strict=True)
    answer = sum(number for number, message in turns if message.get("role") == "assistant")
    return TokenCount(longest, answer, counter.mark)


def _endings(content: Content) -> list[list[Any]]:
    """Return the messages of each of the conversation's endings."""
    answers = [answer for answer in (content.chosen, content.rejected) if answer]
    if not content.messages and not answers:
        fields = [value for value in content.fields.values() if isinstance(value, str)]
        return [[{"role": "user", "content": "\n".join(fields)}]]
    whole = [content.messages + answer for answer in answers] or [content.messages]
    return [[message for message in ending if isinstance(message, dict)] for ending in whole]


def _counter() -> TokenCounter:
    path = tokenizer_file()
    return _loaded(path, path.stat().st_mtime_ns if path else 0)


@lru_cache(maxsize=2)
def _loaded(path: Path | None, changed: int) -> TokenCounter:
    """Load a tokenizer once per process and file: reading one takes a fifth of a second."""
    return TokenCounter(path)


def context() -> int | None:
    """Return the context length of the student in tokens, by its own configuration; None if that is not on this machine."""
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
