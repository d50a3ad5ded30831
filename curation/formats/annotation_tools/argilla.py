"""Imports of Argilla 2 datasets: `records.json` with its `.argilla/settings.json`, or the columns that it writes for
`datasets`.

The settings define the questions; without them the answers do. Neither form names people: a response has the id of a
user.
"""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from curation.formats.annotation_tools.annotations import (  # fmt: skip
    ToolAnswer,
    ToolQuestion,
    ToolSuggestion,
    ToolTask,
    score_of,
    whole,
)
from curation.formats.annotation_tools.offsets import place
from curation.formats.readers.rows import SourceRow, bad_row

NAME = "Argilla"
KEY, META = "argilla_id", "argilla_metadata"
RECORD = {"id", "fields", "responses", "suggestions"}
SETTINGS = {"questions", "fields", "guidelines"}
OWN_FILES = ("dataset.json", "version.json")
STATES = {"submitted": "submitted", "discarded": "skipped", "draft": "draft"}


def is_record(data: dict[str, Any]) -> bool:
    return data.keys() >= RECORD and isinstance(data["fields"], dict) and isinstance(data["responses"], dict)


def _is_whole(record: dict[str, Any]) -> bool:
    """Return whether the answers and suggestions of a record have the forms that Argilla gives them."""
    suggestions, given = record["suggestions"], record["responses"].values()
    return (
        isinstance(suggestions, dict)
        and all(isinstance(one, dict) for one in suggestions.values())
        and all(isinstance(some, list | None) for some in given)
        and all(isinstance(one, dict) for some in given for one in some or [])
    )


def is_flat(data: dict[str, Any]) -> bool:
    """Return whether this is a row of the columns that Argilla writes for `datasets`."""
    return (
        "_server_id" in data
        and "status" in data
        and any(".responses.users" in name or ".suggestion.agent" in name for name in data)
    )


def is_settings(data: dict[str, Any]) -> bool:
    return data.keys() >= SETTINGS and isinstance(data["questions"], list)


def rows(source: Iterator[SourceRow]) -> Iterator[SourceRow]:
    """Yield each record as a row of its fields, with the whole record beside it. Argilla's other files are no rows."""
    for row in source:
        if PurePosixPath(row.file).name in OWN_FILES or (row.data is not None and is_settings(row.data)):
            continue
        if row.data is None:
            yield row
        elif is_record(row.data) and not _is_whole(row.data):
            text = (
                "This record isn't as Argilla writes them: responses must be lists of objects, and suggestions objects."
            )
            yield bad_row(row.line, "not-a-record", text)._replace(file=row.file)
        elif is_record(row.data):
            yield row._replace(data=columns(row.data), task=row.data)
        elif is_flat(row.data):
            record = _record_of(row.data)
            yield row._replace(data=columns(record), task=record)
        else:
            text = "This isn't a record of Argilla, because it has no `fields`, `responses` and `suggestions`."
            yield bad_row(row.line, "not-a-record", text)._replace(file=row.file)


def settings_in(source: Iterator[SourceRow]) -> dict[str, Any]:
    """Return the settings among the files of a folder, or nothing.

    They are in a file of their own, near the beginning or the end.
    """
    return next((row.data for row in source if row.data is not None and is_settings(row.data)), {})


def columns(record: dict[str, Any]) -> dict[str, Any]:
    meta = {META: record["metadata"]} if record.get("metadata") else {}
    return record["fields"] | meta | {KEY: str(record.get("id") or record.get("_server_id") or "")}


def _record_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record from its columns. Fields and metadata are mixed there, so all of them are fields here."""
    answered = [name.removesuffix(".responses") for name in row if name.endswith(".responses")]
    proposed = [name.removesuffix(".suggestion") for name in row if name.endswith(".suggestion")]
    own = {"id", "status", "_server_id"}
    fields = {n: v for n, v in row.items() if n not in own and ".responses" not in n and ".suggestion" not in n}
    return {
        "id": row.get("id"),
        "_server_id": row.get("_server_id"),
        "fields": {name: value for name, value in fields.items() if value is not None},
        "responses": {name: _responses(row, name) for name in answered},
        "suggestions": {
            name: {part: row.get(f"{name}.suggestion.{part}") for part in ("score", "agent")}
            | {"value": row[f"{name}.suggestion"]}
            for name in proposed
            if row[f"{name}.suggestion"] is not None
        },
    }


def _responses(row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    values, users = _listed(row[f"{name}.responses"]), _listed(row.get(f"{name}.responses.users"))
    states = _listed(row.get(f"{name}.responses.status")) or [None] * len(users)
    return [
        {"value": value, "user_id": user, "status": state}
        for value, user, state in zip(values, users, states, strict=False)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- what a record says ----------------------------------------------------------------------------


def people(record: dict[str, Any]) -> Iterator[str]:
    yield from {str(one.get("user_id")): None for given in record["responses"].values() for one in given or []}


def translate(record: dict[str, Any], questions: dict[str, ToolQuestion]) -> ToolTask:
    """Return the answers of people and models to a record."""
    task = ToolTask()
    by_person: dict[str, ToolAnswer] = {}
    for name, responses in record["responses"].items():
        for response in responses or []:
            who = str(response.get("user_id"))
            answer = by_person.setdefault(who, ToolAnswer(who, STATES.get(str(response.get("status")), "submitted")))
            value = _answer(name, response.get("value"), questions, task, record)
            if value is not None:
                answer.answers[name] = value
    task.answers = list(by_person.values())
    _propose(record, questions, task)
    if isinstance(vectors := record.get("vectors"), dict) and vectors:
        task.leave("vectors", f"{len(vectors)} vectors, which records cannot store.")
    return task


def _propose(record: dict[str, Any], questions: dict[str, ToolQuestion], task: ToolTask) -> None:
    by_agent: dict[str, ToolSuggestion] = {}
    for name, suggestion in record["suggestions"].items():
        value = _answer(name, suggestion.get("value"), questions, task, record)
        if value is None:
            continue
        agent = str(suggestion.get("agent") or NAME)
        proposed = by_agent.setdefault(agent, ToolSuggestion(agent))
        proposed.answers[name], proposed.scores[name] = value, score_of(suggestion.get("score"))
        if proposed.scores[name] is None and suggestion.get("score") is not None:
            task.leave(
                "scores",
                f"The score {str(suggestion['score'])[:40]} isn't from 0 to 1, so the suggestion is imported without it.",
            )
    task.suggestions = list(by_agent.values())


def _answer(name: str, value: Any, questions: dict[str, ToolQuestion], task: ToolTask, record: dict[str, Any]) -> Any:
    question = questions.get(name)
    if value is None:
        return None
    if question is None or not question.kind:
        task.leave(
            f"question-{name}"[:40], question.note if question else f"{name}: this question does not exist.", value
        )
        return None
    if question.kind == "spans" and isinstance(value, list):
        return _spans(question, value, record["fields"], task)
    read = _READ.get(question.kind)
    answer = read(value) if read else value
    if answer is None:
        task.leave(question.kind, f"{question.title}: this answer cannot be imported.", value)
    return answer


def _ranking(value: Any) -> list[str] | None:
    """Return the values, the best first; None if two share a rank."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) and "rank" in entry for entry in value):
        return None
    ranks = [entry["rank"] for entry in value]
    if not all(isinstance(rank, int) for rank in ranks) or len(set(ranks)) < len(ranks):
        return None
    return [str(entry.get("value")) for entry in sorted(value, key=lambda entry: entry["rank"])]


def _spans(
    question: ToolQuestion, value: list[Any], fields: dict[str, Any], task: ToolTask
) -> list[dict[str, Any]] | None:
    """Return the spans at their places here. An empty answer says that nothing is to be marked; one that lost all is none."""
    text = fields.get(question.columns[0]) if question.columns else None
    spans = []
    for span in value:
        at = offsets_of(span) if isinstance(span, dict) else None
        placed = place(text, *at, countings=question.countings) if at and isinstance(text, str) else None
        if placed is None:
            task.leave("span-place", f"{question.title}: this span isn't at whole words of its text.", span)
            continue
        spans.append({"start": placed[0], "end": placed[1], "label": span.get("label")})
    return spans if spans or not value else None


def offsets_of(span: dict[str, Any]) -> tuple[int, int] | None:
    """Return where a span starts and ends, as the tool counts."""
    start, end = span.get("start"), span.get("end")
    if isinstance(start, bool) or isinstance(end, bool) or not isinstance(start, int) or not isinstance(end, int):
        return None
    return start, end


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None


def _label(value: Any) -> str | None:
    """Return a label, or None for a number without its name.

    In a table for `datasets` a suggested label may be such a number, which is useless here.
    """
    return value if isinstance(value, str) else None


_READ: dict[str, Callable[[Any], Any]] = {
    "label": _label, "ranking": _ranking, "text": _text, "comment": _text, "rating": whole,
}  # fmt: skip
