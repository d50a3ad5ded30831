"""The survey of an Argilla dataset's questions: from its settings, and without them from all answers there are."""

from collections import Counter
from typing import Any

from curation.formats.annotation_tools import argilla as tool
from curation.formats.annotation_tools.annotations import (
    ALIKE,
    MOST_RANKED,
    STEPS,
    ToolQuestion,
    alike,
    can_be_labels,
    whole,
)
from curation.formats.annotation_tools.offsets import CountingSurvey, note_of

KINDS = {
    "label_selection": "label", "multi_label_selection": "labels", "rating": "rating", "ranking": "ranking",
    "span": "spans", "text": "comment",
}  # fmt: skip
COMPARED = 200
BROWSERS = "utf-16"  # Argilla marks in a browser, which counts so


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
        self.people.update(tool.people(record))
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
                if isinstance(span, dict) and (at := tool.offsets_of(span)):
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
        described = {
            one["name"]: one
            for one in listed
            if isinstance(one, dict) and isinstance(one.get("name"), str) and one["name"]
        }
        names = list(dict.fromkeys([*described, *self.shapes]))
        return [self._from_settings(described[n]) if n in described else self._from_answers(n) for n in names]

    def _from_settings(self, described: dict[str, Any]) -> ToolQuestion:
        found = described.get("settings")
        inner = found if isinstance(found, dict) else {}
        kind = KINDS.get(str(inner.get("type")), "")
        question = ToolQuestion(
            str(described["name"]),
            kind,
            str(described.get("title") or described["name"]),
            str(described.get("description") or ""),
        )
        question.required = bool(described.get("required"))
        listed = inner.get("options")
        options = [option for option in listed if isinstance(option, dict)] if isinstance(listed, list) else []
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
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        keys = {"ranking": "value", "spans": "label"}
        return next((shape for shape, key in keys.items() if all(key in item for item in value)), "")
    return "labels" if isinstance(value, list) and all(isinstance(item, str) for item in value) and value else ""
