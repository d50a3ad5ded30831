"""The view of records that the project's base has: how many tokens each has, and how many the base reads at most."""

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


def counts(contents: list[Content], base: str = "") -> list[TokenCount]:
    """Count the tokens of records by the tokenizer of the project's base, the student's if it names none.

    An estimate if that is not installed on this machine. Of preferences the longer answer counts; of documents the fields.
    """
    counter = _counter(base)
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


def _counter(base: str) -> TokenCounter:
    path = tokenizer_file(base)
    return _loaded(path, path.stat().st_mtime_ns if path else 0)


@lru_cache(maxsize=4)
def _loaded(path: Path | None, changed: int) -> TokenCounter:
    """Load a tokenizer once per process and file: reading one takes a fifth of a second."""
    return TokenCounter(path)


def context(base: str = "") -> int | None:
    """Return the context length of the project's base in tokens, by its own files; None if they are not on this machine."""
    path = tokenizer_file(base)
    # The second is in Mistral's own format.
    for name in ("config.json", "params.json") if path else ():
        config = path.parent / name
        if config.is_file() and (most := _positions(config, config.stat().st_mtime_ns)):
            return most
    return None


@lru_cache(maxsize=4)
def _positions(config: Path, changed: int) -> int | None:
    try:
        found = json.loads(config.read_text("utf-8"))
        # A model that also sees has the configuration of its text beside that of its eyes.
        for place in (found, found.get("text_config") or {}):
            for name in ("max_position_embeddings", "max_seq_len"):
                if isinstance(most := place.get(name), int) and most > 0:
                    return most
    except (OSError, ValueError, AttributeError):
        return None  # a base that is just being fetched: nothing is too long for it yet
    return None
