"""Imports of Argilla 2 datasets: `records.json` with its `.argilla/settings.json`, or the columns that it writes for
`datasets`.

The settings define the questions; without them the answers do. Neither form names people: a response has the id of a
user.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from curation.formats.annotation_tools.annotations import (  # fmt: skip
    ALIKE,
    MOST_RANKED,
    STEPS,
    ToolAnswer,
    ToolQuestion,
    ToolSuggestion,
    ToolTask,
    alike,
    can_be_labels,
    score_of,
    whole,
)
from curation.formats.annotation_tools.offsets import CountingSurvey, note_of, place
from curation.formats.readers.rows import SourceRow, bad_row

NAME = "Argilla"
KEY, META = "argilla_id", "argilla_metadata"
RECORD = {"id", "fields", "responses", "suggestions"}
SETTINGS = {"questions", "fields", "guidelines"}
OWN_FILES = ("dataset.json", "version.json")
KINDS = {
    "label_selection": "label", "multi_label_selection": "labels", "rating": "rating", "ranking": "ranking",
    "span": "spans", "text": "comment",
}  # fmt: skip
STATES = {"submitted": "submitted", "discarded": "skipped", "draft": "draft"}
COMPARED = 200
BROWSERS = "utf-16"  # Argilla marks in a browser, which counts so


def is_record(data: dict[str, Any]) -> bool:
    return data.keys() >= RECORD and isinstance(data["fields"], dict) and isinstance(data["responses"], dict)


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
    values, users = row[f"{name}.responses"] or [], row.get(f"{name}.responses.users") or []
    states = row.get(f"{name}.responses.status") or [None] * len(users)
    return [
        {"value": value, "user_id": user, "status": state}
        for value, user, state in zip(values, users, states, strict=False)
    ]


# --- what is asked ---------------------------------------------------------------------------------


class ArgillaSurvey:
    """Looks at every record, and then returns the questions."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.settings = settings or {}
        self.texts: Counter[str] = Counter()
        self.people: Counter[str] = Counter()
        self.values: dict[str, Counter[str]] = {}
        self.shapes: dict[str, set[str]] = {}
        self.numbers: dict[str, list[int]] = {}
        self.likeness: dict[str, list[tuple[float, str]]] = {}
        self.countings: dict[tuple[str, str], CountingSurvey] = {}  # by question and column

    def see(self, record: dict[str, Any]) -> None:
        texts = {name: value for name, value in record["fields"].items() if isinstance(value, str)}
        for name, value in texts.items():
            self.texts[name] += len(value)
        self.people.update(people(record))
        for name, given in record["responses"].items():
            for one in given or []:
                self._see(name, one.get("value"), texts)
        for name, one in record["suggestions"].items():
            self._see(name, one.get("value"), texts)

    def _see(self, name: str, value: Any, texts: dict[str, str]) -> None:
        shape = _shape(value)
        self.shapes.setdefault(name, set()).add(shape)
        values, numbers = self.values.setdefault(name, Counter()), self.numbers.setdefault(name, [])
        if shape == "spans":
            self._see_spans(name, value, texts)
        if shape == "rating" and (rated := whole(value)) is not None:
            numbers[:] = [min([*numbers, rated]), max([*numbers, rated])]
        elif shape in ("labels", "ranking", "spans") and len(values) < 1000:
            parts = {"ranking": "value", "spans": "label"}
            values.update(str(item[parts[shape]]) if isinstance(item, dict) else str(item) for item in value)
        elif shape == "text":
            if len(values) < 1000:
                values[value] += 1
            known = self.likeness.setdefault(name, [])
            if len(known) < COMPARED:
                known.append(max(((alike(text, value), column) for column, text in texts.items()), default=(0.0, "")))

    def _see_spans(self, name: str, value: list[Any], texts: dict[str, str]) -> None:
        for column, text in texts.items():
            seen = self.countings.setdefault((name, column), CountingSurvey(BROWSERS))
            for span in value:
                if isinstance(span, dict) and (at := _offsets(span)):
                    seen.see(text, *at)

    def asked(self) -> list[ToolQuestion]:
        questions = self._asked()
        # Argilla quotes no words, so all of the file's spans together tell how it counts.
        whole = CountingSurvey(BROWSERS)
        marked = [question for question in questions if question.kind == "spans" and question.columns]
        for question in marked:
            if seen := self.countings.get((question.source, question.columns[0])):
                whole.add(seen)
        for question in marked:
            question.countings = whole.decided()
            question.note = question.note or note_of(question.countings)
        return questions

    def _asked(self) -> list[ToolQuestion]:
        listed = self.settings.get("questions") or []
        described = {one["name"]: one for one in listed if isinstance(one, dict) and one.get("name")}
        names = list(dict.fromkeys([*described, *self.shapes]))
        return [self._from_settings(described[n]) if n in described else self._from_answers(n) for n in names]

    def _from_settings(self, described: dict[str, Any]) -> ToolQuestion:
        inner = described.get("settings") or {}
        kind = KINDS.get(str(inner.get("type")), "")
        question = ToolQuestion(
            str(described["name"]),
            kind,
            str(described.get("title") or described["name"]),
            str(described.get("description") or ""),
        )
        question.required = bool(described.get("required"))
        options = [option for option in inner.get("options") or [] if isinstance(option, dict)]
        values = [str(option.get("value")) for option in options]
        if kind in ("label", "labels", "spans"):
            texts = {value: str(option.get("text") or "") for value, option in zip(values, options, strict=True)}
            question.labels = {value: text if text != value else "" for value, text in texts.items()}
        if kind == "rating":
            steps = [step for step in (whole(option.get("value")) for option in options) if step is not None]
            question.low, question.high = min(steps, default=1), max(steps, default=5)
        if kind == "ranking":
            question.pieces = values
        if kind == "spans":
            question.columns = [str(inner.get("field") or "")]
        if kind == "comment":
            self._as_text(question)
        return self._checked(question)

    def _from_answers(self, name: str) -> ToolQuestion:
        shapes = self.shapes[name]
        kind = next((shape for shape in ("spans", "ranking", "labels", "text", "rating") if shape in shapes), "")
        question = ToolQuestion(name, kind, name)
        values = self.values[name]
        if kind == "text":
            self._as_text(question)
            if (
                question.kind == "comment"
                and len(values) <= 50
                and sum(values.values()) > len(values)
                and can_be_labels(values)
            ):
                question.kind, question.labels = "label", dict.fromkeys(sorted(values), "")
        elif kind in ("labels", "spans"):
            question.labels = dict.fromkeys(sorted(values), "")
            question.columns = [name for name, _ in self.texts.most_common(1)] if kind == "spans" else []
        elif kind == "ranking":
            question.pieces = sorted(values)
        elif kind == "rating" and self.numbers[name]:
            question.low, question.high = self.numbers[name][0], max(self.numbers[name][1], self.numbers[name][0] + 1)
        return self._checked(question)

    def _as_text(self, question: ToolQuestion) -> None:
        """Make a text question: a text that shares most words with a field is that field, edited; any other is a comment."""
        question.kind, known = "comment", self.likeness.get(question.source, [])
        if known and sum(share for share, _ in known) / len(known) >= ALIKE:
            question.kind, question.columns = "text", [Counter(column for _, column in known).most_common(1)[0][0]]

    def _checked(self, question: ToolQuestion) -> ToolQuestion:
        if question.kind in ("label", "labels", "spans") and not can_be_labels(question.labels):
            question.kind, question.note = "", "A question can have 1 to 200 labels of at most 100 characters."
        elif question.kind == "rating" and question.high - question.low >= STEPS:
            question.kind, question.note = (
                "comment",
                f"A rating can have {STEPS} steps of whole numbers, so it is imported as text.",
            )
        elif question.kind == "ranking" and not 2 <= len(question.pieces) <= MOST_RANKED:
            question.kind, question.note = "", f"A ranking needs 2 to {MOST_RANKED} answers."
        elif not question.kind:
            question.note = "Argilla's question has an unknown form."
        return question


def _shape(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "rating"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "ranking" if "value" in value[0] else "spans" if "label" in value[0] else ""
    return "labels" if isinstance(value, list) and all(isinstance(item, str) for item in value) and value else ""


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
    if record.get("vectors"):
        task.leave("vectors", f"{len(record['vectors'])} vectors, which records cannot store.")
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
    if len(set(ranks)) < len(ranks) or not all(isinstance(rank, int) for rank in ranks):
        return None
    return [str(entry.get("value")) for entry in sorted(value, key=lambda entry: entry["rank"])]


def _spans(
    question: ToolQuestion, value: list[Any], fields: dict[str, Any], task: ToolTask
) -> list[dict[str, Any]] | None:
    """Return the spans at their places here. An empty answer says that nothing is to be marked; one that lost all is none."""
    text = fields.get(question.columns[0]) if question.columns else None
    spans = []
    for span in value:
        at = _offsets(span) if isinstance(span, dict) else None
        placed = place(text, *at, countings=question.countings) if at and isinstance(text, str) else None
        if placed is None:
            task.leave("span-place", f"{question.title}: this span isn't at whole words of its text.", span)
            continue
        spans.append({"start": placed[0], "end": placed[1], "label": span.get("label")})
    return spans if spans or not value else None


def _offsets(span: dict[str, Any]) -> tuple[int, int] | None:
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
