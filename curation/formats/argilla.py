"""Datasets of Argilla 2: `records.json` with its `.argilla/settings.json`, and the columns that it writes for `datasets`.

The settings say what is asked; without them the answers do. Neither form names people: a response has the id of a user.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from curation.formats.moves import (
    ALIKE,
    MOST_RANKED,
    STEPS,
    Asked,
    Given,
    Moved,
    Proposed,
    alike,
    can_be_labels,
    score_of,
    whole,
)  # fmt: skip
from curation.formats.rows import Row, bad_row

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


def is_record(data: dict[str, Any]) -> bool:
    return data.keys() >= RECORD and isinstance(data["fields"], dict) and isinstance(data["responses"], dict)


def is_flat(data: dict[str, Any]) -> bool:
    """A row of the columns that Argilla writes for `datasets`."""
    return (
        "_server_id" in data
        and "status" in data
        and any(".responses.users" in name or ".suggestion.agent" in name for name in data)
    )


def is_settings(data: dict[str, Any]) -> bool:
    return data.keys() >= SETTINGS and isinstance(data["questions"], list)


def rows(source: Iterator[Row]) -> Iterator[Row]:
    """Each record as a row of its fields, with the whole record beside it. What else Argilla writes is no row."""
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
            text = "This is no record of Argilla: it has no `fields`, `responses` and `suggestions`."
            yield bad_row(row.line, "not-a-record", text)._replace(file=row.file)


def settings_in(source: Iterator[Row]) -> dict[str, Any]:
    """The settings among the files of a folder, or nothing. They stand in a file of their own, near the beginning or the end."""
    return next((row.data for row in source if row.data is not None and is_settings(row.data)), {})


def columns(record: dict[str, Any]) -> dict[str, Any]:
    meta = {META: record["metadata"]} if record.get("metadata") else {}
    return record["fields"] | meta | {KEY: str(record.get("id") or record.get("_server_id") or "")}


def _record_of(row: dict[str, Any]) -> dict[str, Any]:
    """A record from its columns. Fields and metadata stand side by side there, so all of them are fields here."""
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


class Survey:
    """Looks at every record, and then says what is asked."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.settings = settings or {}
        self.texts: Counter[str] = Counter()
        self.people: Counter[str] = Counter()
        self.values: dict[str, Counter[str]] = {}
        self.shapes: dict[str, set[str]] = {}
        self.numbers: dict[str, list[int]] = {}
        self.likeness: dict[str, list[tuple[float, str]]] = {}

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

    def asked(self) -> list[Asked]:
        listed = self.settings.get("questions") or []
        described = {one["name"]: one for one in listed if isinstance(one, dict) and one.get("name")}
        names = list(dict.fromkeys([*described, *self.shapes]))
        return [self._from_settings(described[n]) if n in described else self._from_answers(n) for n in names]

    def _from_settings(self, one: dict[str, Any]) -> Asked:
        inner = one.get("settings") or {}
        kind = KINDS.get(str(inner.get("type")), "")
        found = Asked(str(one["name"]), kind, str(one.get("title") or one["name"]), str(one.get("description") or ""))
        found.required = bool(one.get("required"))
        options = [option for option in inner.get("options") or [] if isinstance(option, dict)]
        values = [str(option.get("value")) for option in options]
        if kind in ("label", "labels", "spans"):
            texts = {value: str(option.get("text") or "") for value, option in zip(values, options, strict=True)}
            found.labels = {value: text if text != value else "" for value, text in texts.items()}
        if kind == "rating":
            steps = [step for step in (whole(option.get("value")) for option in options) if step is not None]
            found.low, found.high = min(steps, default=1), max(steps, default=5)
        if kind == "ranking":
            found.pieces = values
        if kind == "spans":
            found.columns = [str(inner.get("field") or "")]
        if kind == "comment":
            self._as_text(found)
        return self._checked(found)

    def _from_answers(self, name: str) -> Asked:
        shapes = self.shapes[name]
        kind = next((shape for shape in ("spans", "ranking", "labels", "text", "rating") if shape in shapes), "")
        found = Asked(name, kind, name)
        values = self.values[name]
        if kind == "text":
            self._as_text(found)
            if (
                found.kind == "comment"
                and len(values) <= 50
                and sum(values.values()) > len(values)
                and can_be_labels(values)
            ):
                found.kind, found.labels = "label", dict.fromkeys(sorted(values), "")
        elif kind in ("labels", "spans"):
            found.labels = dict.fromkeys(sorted(values), "")
            found.columns = [name for name, _ in self.texts.most_common(1)] if kind == "spans" else []
        elif kind == "ranking":
            found.pieces = sorted(values)
        elif kind == "rating" and self.numbers[name]:
            found.low, found.high = self.numbers[name][0], max(self.numbers[name][1], self.numbers[name][0] + 1)
        return self._checked(found)

    def _as_text(self, found: Asked) -> None:
        """A text that shares most words with a field is that field, edited; any other is a comment."""
        found.kind, known = "comment", self.likeness.get(found.source, [])
        if known and sum(share for share, _ in known) / len(known) >= ALIKE:
            found.kind, found.columns = "text", [Counter(column for _, column in known).most_common(1)[0][0]]

    def _checked(self, found: Asked) -> Asked:
        if found.kind in ("label", "labels", "spans") and not can_be_labels(found.labels):
            found.kind, found.note = "", "A question takes 1 to 200 labels of at most 100 characters."
        elif found.kind == "rating" and found.high - found.low >= STEPS:
            found.kind, found.note = "comment", f"A rating has {STEPS} steps of whole numbers: it comes as text."
        elif found.kind == "ranking" and not 2 <= len(found.pieces) <= MOST_RANKED:
            found.kind, found.note = "", f"A ranking is of 2 to {MOST_RANKED} answers."
        elif not found.kind:
            found.note = "Argilla's question has a form that is not known here."
        return found


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


def translate(record: dict[str, Any], asked: dict[str, Asked]) -> Moved:
    """The answers of people and models about a record."""
    moved = Moved()
    by_person: dict[str, Given] = {}
    for name, responses in record["responses"].items():
        for one in responses or []:
            who = str(one.get("user_id"))
            given = by_person.setdefault(who, Given(who, STATES.get(str(one.get("status")), "submitted")))
            value = _answer(name, one.get("value"), asked, moved)
            if value is not None:
                given.answers[name] = value
    moved.given = list(by_person.values())
    _propose(record, asked, moved)
    if record.get("vectors"):
        moved.leave("vectors", f"{len(record['vectors'])} vectors: records have no place for them.")
    return moved


def _propose(record: dict[str, Any], asked: dict[str, Asked], moved: Moved) -> None:
    by_agent: dict[str, Proposed] = {}
    for name, one in record["suggestions"].items():
        value = _answer(name, one.get("value"), asked, moved)
        if value is None:
            continue
        agent = str(one.get("agent") or NAME)
        proposed = by_agent.setdefault(agent, Proposed(agent))
        proposed.answers[name], proposed.scores[name] = value, score_of(one.get("score"))
        if proposed.scores[name] is None and one.get("score") is not None:
            moved.leave(
                "scores", f"The score {str(one['score'])[:40]} is not from 0 to 1: the suggestion comes without it."
            )
    moved.proposed = list(by_agent.values())


def _answer(name: str, value: Any, asked: dict[str, Asked], moved: Moved) -> Any:
    question = asked.get(name)
    if value is None:
        return None
    if question is None or not question.kind:
        moved.leave(
            f"question-{name}"[:40], question.note if question else f"{name}: there is no such question.", value
        )
        return None
    read = _READ.get(question.kind)
    answer = read(value) if read else value
    if answer is None:
        moved.leave(question.kind, f"{question.title}: this is no answer that can be taken over.", value)
    return answer


def _ranking(value: Any) -> list[str] | None:
    """The values, the best first; None where two share a rank."""
    if not isinstance(value, list) or not all(isinstance(one, dict) and "rank" in one for one in value):
        return None
    ranks = [one["rank"] for one in value]
    if len(set(ranks)) < len(ranks) or not all(isinstance(rank, int) for rank in ranks):
        return None
    return [str(one.get("value")) for one in sorted(value, key=lambda one: one["rank"])]


def _spans(value: Any) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return None
    return [{name: one.get(name) for name in ("start", "end", "label")} for one in value]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None


def _label(value: Any) -> str | None:
    """In a table for `datasets` a suggested label may be a number without its name, which says nothing here."""
    return value if isinstance(value, str) else None


_READ: dict[str, Callable[[Any], Any]] = {
    "label": _label, "ranking": _ranking, "spans": _spans, "text": _text, "comment": _text, "rating": whole,
}  # fmt: skip
