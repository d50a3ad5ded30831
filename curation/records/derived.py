"""Values derived from a record's content: its hash, group, preview, length, problems. The same for every way in."""

import dataclasses
import json
from hashlib import blake2b
from typing import Any, NamedTuple

from curation.chat import Problem, count_words, text_of
from curation.checks.language import language_of
from curation.checks.record import CheckLimits, Content, check_form, check_size, check_texts
from curation.content import Draft, content_hash, source_group
from curation.models import Dataset, Record
from curation.records import search_text, splits
from curation.tokens import student

PREVIEW = 300
COLUMNS = ("fields", "messages", "tools", "chosen", "rejected")
# What `complete` sets anew whenever content changes: every writer of content writes these too.
AT_ONCE = ("content_hash", "preview", "words", "problems", "problem_count")
UNREAD: dict[str, Any] = {"is_checked": False, "tokens": None, "answer_tokens": None, "counted_by": None}
DERIVED = (*AT_ONCE, "language", *UNREAD)
MOST_PROBLEMS = 50


class DerivedColumns(NamedTuple):
    """What follows from content without a close look at its texts, by column; and its text for SQLite's search."""

    content_hash: str
    source_group: str
    split: str
    preview: str
    words: int
    problems: list[dict[str, Any]]
    search_text: str


def columns(content: Draft | Record, dataset: Dataset, *, searched: bool = False) -> DerivedColumns:
    """Return all that follows from a draft, or from a record, which keeps a group and split that it has.

    `search_text` is empty unless `searched`. Raises TypeError for text that is no Unicode (a lone surrogate).
    """
    fields, messages, chosen, rejected = content.fields, content.messages, content.chosen, content.rejected
    group = content.source_group or source_group("", fields, messages)
    split = content.split if isinstance(content, Record) else ""
    return DerivedColumns(
        content_hash(dataset.kind, fields, messages, chosen, rejected, content.tools),
        group,
        split or splits.assign(dataset.seed, group, dataset.shares),
        preview(content),
        words(content),
        problems(content, dataset.kind),
        search_text.gather(fields, messages, chosen, rejected, content.metadata) if searched else "",
    )


def source_text(content: Content) -> str:
    """Return the source text of a record: the first user message, else all fields."""
    for message in content.messages:
        if isinstance(message, dict) and message.get("role") == "user":
            return text_of(message)
    return field_text(content)


def field_text(content: Content) -> str:
    return "\n".join(value if isinstance(value, str) else str(value) for value in content.fields.values())


def preview(content: Content) -> str:
    """Return the first words: of the user's message, else of the source, else of what there is."""
    said = (text_of(message) for message in content.messages if isinstance(message, dict))
    text = source_text(content) or next(filter(None, said), "") or field_text(content)
    # Nearly always a little more than what is shown is enough, and the rest is not even split.
    begin = " ".join(text[: PREVIEW + PREVIEW // 4].split())
    return (begin if len(begin) >= PREVIEW else " ".join(text[: 4 * PREVIEW].split()))[:PREVIEW]


def words(content: Content) -> int:
    """Count the words of the conversation and its answers; of the fields if there is none."""
    said = [m for m in (*content.messages, *content.chosen, *content.rejected) if isinstance(m, dict)]
    return sum(count_words(text_of(message)) for message in said) if said else count_words(field_text(content))


def learned_text(content: Content) -> str:
    """Return the text that would be learned: the last answer, of preferences the better one; of documents the fields."""
    for message in reversed([*content.messages, *content.chosen]):
        if isinstance(message, dict) and message.get("role") == "assistant" and (text := text_of(message)).strip():
            return text
    return source_text(content)


def compared_text(content: Content) -> str:
    """Return the text to compare for near-duplicates.

    It is all messages but the system's, which many records share on purpose.
    """
    said = [m for m in (*content.messages, *content.chosen, *content.rejected) if isinstance(m, dict)]
    if not said:
        return field_text(content)
    return "\n".join(text_of(message) for message in said if message.get("role") != "system")


def distinguishing_text(content: Content) -> str:
    """Return the compared text, and after it one word for each system text and each part that is no text.

    So the same question about two pictures, or about two texts that the system message holds, is told apart.
    """
    marks = [
        f"part{_digest(part)}"
        for message in (*content.messages, *content.chosen, *content.rejected)
        if isinstance(message, dict)
        for part in _beside_text(message)
    ]
    return "\n".join([compared_text(content), " ".join(marks)]) if marks else compared_text(content)


def _beside_text(message: dict[str, Any]) -> list[Any]:
    """Return the text of a system message, and of the others the parts that are neither text nor thinking."""
    if message.get("role") == "system":
        return [text] if (text := text_of(message).strip()) else []
    parts = message.get("content")
    if not isinstance(parts, list):
        return []
    return [part for part in parts if not (isinstance(part, dict) and part.get("type") in ("text", "thinking"))]


def _digest(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=6).hexdigest()


def problems(content: Content, kind: str) -> list[dict[str, Any]]:
    """Return the problems that keep the record from being trained on, as stored in `Record.problems`.

    Quick: no text is read closely.
    """
    return stored(check_form(content, kind))


def all_problems(content: Content, kind: str, tokens: int, limits: CheckLimits) -> list[dict[str, Any]]:
    """Return the problems that keep the record from being trained on, then those of its texts and its size."""
    size = check_size(words(content), tokens, limits)
    return stored([*check_form(content, kind), *size, *check_texts(content, kind)])


def stored(found: list[Problem]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(problem) for problem in found[:MOST_PROBLEMS]]


def complete(
    record: Record, dataset: Dataset | None = None, *, texts: bool = True, limits: CheckLimits | None = None
) -> Record:
    """Fill in, on an unsaved or edited record, all that is derived from its content; an existing group and split stay.

    Without `texts` the slower half is left to the dataset's next check of texts: for many records in one transaction.
    """
    dataset = dataset or record.dataset
    _fill(record, dataset)
    if texts:
        base = dataset.project.base
        (count,) = student.counts([record], base)
        examine(record, dataset.kind, limits or CheckLimits(context=student.context(base)), count)
    return record


def complete_all(records: list[Record], dataset: Dataset) -> None:
    """Fill in what is derived for many records of one dataset. Their tokens are counted together, in half the time."""
    if not records:
        return
    base = dataset.project.base
    limits = CheckLimits(context=student.context(base))
    for record, count in zip(records, student.counts(records, base), strict=True):
        _fill(record, dataset)
        examine(record, dataset.kind, limits, count)


def _fill(record: Record, dataset: Dataset) -> None:
    """Set what follows at once; the texts count as unread."""
    following = columns(record, dataset)._asdict() | UNREAD | {"language": ""}
    del following["search_text"]
    for name, value in following.items():
        setattr(record, name, value)
    record.problem_count = len(record.problems)


def examine(record: Record, kind: str, limits: CheckLimits, count: student.TokenCount) -> None:
    """Read the record's texts closely: set problems, language and tokens."""
    record.tokens, record.answer_tokens, record.counted_by = count
    record.language = language_of(learned_text(record))[:8]
    record.problems = all_problems(record, kind, count.tokens, limits)
    record.problem_count = len(record.problems)
    record.is_checked = True
