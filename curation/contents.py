"""What follows from a record's content: its hash, group, preview, length, problems. The same for every way in."""

import dataclasses
from typing import Any

from curation import splits, student
from curation.chat import Problem, count_words, text_of
from curation.checks.language import language_of
from curation.checks.records import Content, Limits, check_form, check_size, check_texts
from curation.formats.drafts import content_hash, source_group
from curation.models import Dataset, Record

PREVIEW = 300
COLUMNS = ("fields", "messages", "tools", "chosen", "rejected")
# What `complete` sets anew whenever content changes: every writer of content writes these too.
COUNTED = ("tokens", "answer_tokens", "counted_by")
DERIVED = ("content_hash", "preview", "words", "problems", "problem_count", "language", *COUNTED, "is_checked")
MOST_PROBLEMS = 50


def source_text(content: Content) -> str:
    """Where it comes from: what the user says first, else all fields."""
    for message in content.messages:
        if isinstance(message, dict) and message.get("role") == "user":
            return text_of(message)
    return field_text(content)


def field_text(content: Content) -> str:
    return "\n".join(value if isinstance(value, str) else str(value) for value in content.fields.values())


def preview(content: Content) -> str:
    """The first words: of what the user says, else of the source, else of what there is."""
    said = (text_of(message) for message in content.messages if isinstance(message, dict))
    text = source_text(content) or next(filter(None, said), "") or field_text(content)
    # Nearly always a little more than what is shown is enough, and the rest is not even split.
    begin = " ".join(text[: PREVIEW + PREVIEW // 4].split())
    return (begin if len(begin) >= PREVIEW else " ".join(text[: 4 * PREVIEW].split()))[:PREVIEW]


def words(content: Content) -> int:
    """Of the conversation and its answers; of the fields when there is none."""
    said = [m for m in (*content.messages, *content.chosen, *content.rejected) if isinstance(m, dict)]
    return sum(count_words(text_of(message)) for message in said) if said else count_words(field_text(content))


def learned_text(content: Content) -> str:
    """What would be learned: the last answer, of preferences the better one; of documents the fields."""
    for message in reversed([*content.messages, *content.chosen]):
        if isinstance(message, dict) and message.get("role") == "assistant" and (text := text_of(message)).strip():
            return text
    return source_text(content)


def compared_text(content: Content) -> str:
    """What near-duplicates have in common: all that is said but the system's part, which many records share on purpose."""
    said = [m for m in (*content.messages, *content.chosen, *content.rejected) if isinstance(m, dict)]
    if not said:
        return field_text(content)
    return "\n".join(text_of(message) for message in said if message.get("role") != "system")


def problems(content: Content, kind: str) -> list[dict[str, Any]]:
    """All that keeps the record from being learned from, as stored in `Record.problems`. Quick: no text is read closely."""
    return stored(check_form(content, kind))


def all_problems(content: Content, kind: str, tokens: int, limits: Limits) -> list[dict[str, Any]]:
    """Those, then what its texts and its size show."""
    size = check_size(words(content), tokens, limits)
    return stored([*check_form(content, kind), *size, *check_texts(content, kind)])


def stored(found: list[Problem]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(problem) for problem in found[:MOST_PROBLEMS]]


def complete(
    record: Record, dataset: Dataset | None = None, *, texts: bool = True, limits: Limits | None = None
) -> Record:
    """Fill in, on an unsaved or edited record, all that follows from its content; a group and split it has stay.

    Without `texts` the slower half is left to the dataset's next check of texts: for many records in one transaction.
    """
    dataset = dataset or record.dataset
    _identify(record, dataset)
    if texts:
        examine(record, dataset.kind, limits or Limits(context=student.context()))
    else:
        record.problems, record.language, record.is_checked = problems(record, dataset.kind), "", False
        record.tokens = record.answer_tokens = record.counted_by = None
    record.problem_count = len(record.problems)
    return record


def complete_all(records: list[Record], dataset: Dataset) -> None:
    """`complete` for many records of one dataset, whose tokens are counted together: one by one that takes half the time."""
    if not records:
        return
    limits = Limits(context=student.context())
    for record, count in zip(records, student.counts(records), strict=True):
        _identify(record, dataset)
        examine(record, dataset.kind, limits, count)
        record.problem_count = len(record.problems)


def _identify(record: Record, dataset: Dataset) -> None:
    said = (record.messages, record.chosen, record.rejected, record.tools)
    record.content_hash = content_hash(dataset.kind, record.fields, *said)
    record.preview, record.words = preview(record), words(record)
    record.source_group = record.source_group or source_group("", record.fields, record.messages)
    record.split = record.split or splits.assign(dataset.seed, record.source_group, dataset.shares)


def examine(record: Record, kind: str, limits: Limits, count: student.Count | None = None) -> None:
    """Read the record's texts closely: problems, language, tokens (counted unless given)."""
    count = count or student.counts([record])[0]
    record.tokens, record.answer_tokens, record.counted_by = count
    record.language = language_of(learned_text(record))[:8]
    record.problems = all_problems(record, kind, count.tokens, limits)
    record.is_checked = True
