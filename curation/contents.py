"""What follows from a record's content: its hash, group, preview, length, problems. The same for every way in."""

import dataclasses
from typing import Any, Protocol

from curation import splits
from curation.chat import Problem, text_of
from curation.checks.conversation import check
from curation.formats.drafts import content_hash, source_group
from curation.models import Dataset, Record

PREVIEW = 300
COLUMNS = ("fields", "messages", "tools", "chosen", "rejected")
# What `complete` sets anew whenever content changes: every writer of content writes these too.
DERIVED = ("content_hash", "preview", "words", "problems", "problem_count")


class Content(Protocol):
    """A record, or the draft of one."""

    fields: dict[str, Any]
    messages: list[Any]
    tools: list[Any]
    chosen: list[Any]
    rejected: list[Any]


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
    return " ".join(text[: 4 * PREVIEW].split())[:PREVIEW]


def words(content: Content) -> int:
    """Of the conversation and its answers; of the fields when there is none."""
    said = [m for m in (*content.messages, *content.chosen, *content.rejected) if isinstance(m, dict)]
    return sum(len(text_of(message).split()) for message in said) if said else len(field_text(content).split())


def problems(content: Content, kind: str) -> list[dict[str, Any]]:
    """All that keeps the record from being learned from, as stored in `Record.problems`."""
    if kind == Dataset.Kind.DOCUMENTS:
        empty = not field_text(content).strip()
        found = [Problem("empty-document", "The document has no text: write some, or delete it.")] if empty else []
    elif kind == Dataset.Kind.PREFERENCES:
        found = _preference_problems(content)
    else:
        found = check(content.messages, content.tools or None)
    return [dataclasses.asdict(problem) for problem in found[:50]]


def _preference_problems(content: Content) -> list[Problem]:
    """Each answer is checked as the end of the same conversation; what is wrong with the prompt is said once."""
    found: list[Problem] = []
    turns = len(content.messages)
    for name, answer in (("chosen", content.chosen), ("rejected", content.rejected)):
        for problem in check([*content.messages, *answer], content.tools or None):
            inside = any(problem.where.startswith(f"message {number + 1}") for number in range(turns))
            placed = problem if inside else dataclasses.replace(problem, where=f"{name}, {problem.where}".rstrip(", "))
            if placed not in found:
                found.append(placed)
    if content.chosen and content.chosen == content.rejected:
        found.append(Problem("same-answers", "Chosen and rejected are the same: there is no preference to learn."))
    return found


def complete(record: Record, dataset: Dataset | None = None) -> Record:
    """Fill in, on an unsaved or edited record, all that follows from its content; a group and split it has stay."""
    dataset = dataset or record.dataset
    said = (record.messages, record.chosen, record.rejected, record.tools)
    record.content_hash = content_hash(dataset.kind, record.fields, *said)
    record.preview, record.words = preview(record), words(record)
    record.problems = problems(record, dataset.kind)
    record.problem_count = len(record.problems)
    record.source_group = record.source_group or source_group("", record.fields, record.messages)
    record.split = record.split or splits.assign(dataset.seed, record.source_group, dataset.shares)
    return record
