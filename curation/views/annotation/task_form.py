"""The annotation form: each question as it is shown, and the answers that a plain form sends."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from atelier.web import border
from curation.annotation import questions, suggestions
from curation.models import Annotation, Question, Record, Suggestion
from curation.records import targets

Kind = Question.Kind
PREFIX = "q."
NOTHING = ".none"  # after the name of a question about spans: there is nothing to mark
SEARCHED = 9  # with more labels than digits there is a search


@dataclass
class QuestionField:
    """A question on the page: its options, the answer so far, a model's suggestion."""

    question: Question
    number: int
    value: Any = None
    error: str = ""
    suggestion: Suggestion | None = None
    options: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""  # of the piece that it is about
    is_missing: bool = False  # the record has no such text
    revision: int = 0  # of the record whose text is shown

    @property
    def nothing(self) -> bool:
        """Return whether the answer is that there is nothing to mark, which is another than none."""
        return self.question.kind == Kind.SPANS and self.value == []

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.question.name}"

    @property
    def searched(self) -> bool:
        return len(self.options) > SEARCHED

    @property
    def lines(self) -> str:
        """Return spans as a plain form holds them: start, end and label, one a line."""
        return span_lines(self.value)

    @property
    def suggested(self) -> str:
        """Return the suggestion as the form's script takes it: JSON."""
        return json.dumps(self.suggestion.value) if self.suggestion else ""

    @property
    def exact(self) -> str:
        """Return the text as JSON: HTML would change its line ends, and spans count characters."""
        return json.dumps(self.text)

    @property
    def suggested_words(self) -> str:
        return words(self.question, self.suggestion.value) if self.suggestion else ""


def shown(
    annotation: Annotation, given: dict[str, Any] | None = None, errors: dict[str, str] | None = None
) -> list[QuestionField]:
    """Return the dataset's questions for this record, with the draft or what was just sent."""
    record = annotation.record
    answers = annotation.answers if given is None else given
    best = suggestions.best(record)
    fields = []
    for number, question in enumerate(annotation.task.queue.dataset.questions.all(), 1):
        field = QuestionField(question, number, answers.get(question.name), (errors or {}).get(question.name, ""))
        field.suggestion, field.revision = best.get(question.pk), record.revision
        _complete(field, record)
        fields.append(field)
    return fields


def _complete(field: QuestionField, record: Record) -> None:
    question, kind = field.question, field.question.kind
    if kind in (Kind.TEXT, Kind.SPANS):
        piece = targets.piece(record, question.options.get("piece", ""))
        field.text, field.is_missing = (piece.text, False) if piece else ("", True)
    if kind == Kind.TEXT and field.value is None:
        field.value = field.text
    if kind in (Kind.LABEL, Kind.LABELS, Kind.SPANS):
        field.options = [
            label | {"checked": _has(field.value, label["value"])} for label in questions.colored(question)
        ]
    if kind == Kind.RATING:
        steps = range(question.options["low"], question.options["high"] + 1)
        field.options = [{"value": n, "text": str(n), "checked": n == field.value} for n in steps]
    if kind == Kind.RANKING:
        field.options = _ranked(field, record)
    for digit, option in enumerate(field.options, 1):
        option["digit"] = digit if digit <= SEARCHED else ""


def _has(value: Any, label: Any) -> bool:
    return label == value if isinstance(value, str) else isinstance(value, list) and label in value


def _ranked(field: QuestionField, record: Record) -> list[dict[str, Any]]:
    """Return what is ranked, with its text in this record and the rank it has so far."""
    names = field.question.options.get("pieces", [])
    ranks = {name: n for n, name in enumerate(field.value, 1)} if isinstance(field.value, list) else {}
    places = range(1, len(names) + 1)
    return [
        {
            "value": str(index),
            "name": name,
            "text": targets.words(name) if targets.is_name(name) else name,
            "body": piece.text if targets.is_name(name) and (piece := targets.piece(record, name)) else "",
            "rank": ranks.get(name),
            "places": places,
        }
        for index, name in enumerate(names)
    ]


def words(question: Question, value: Any) -> str:
    """Describe an answer in few words."""
    if question.kind == Kind.SPANS:
        return "nothing to mark" if not value else f"{len(value)} span{'' if len(value) == 1 else 's'}"
    if isinstance(value, list):
        return (" > " if question.kind == Kind.RANKING else ", ").join(map(str, value))
    return str(value)


# --- reading what was sent -------------------------------------------------------------------------


def read(asked: list[Question], sent: QueryDict) -> dict[str, Any]:
    """Return the answers of the form by question, as they were sent; `values` validates them."""
    found = {question.name: _read(question, sent) for question in asked}
    return {name: value for name, value in found.items() if value is not None}


def _read(question: Question, sent: QueryDict) -> Any:
    name = f"{PREFIX}{question.name}"
    if question.kind == Kind.RANKING:
        return _read_ranking(question, name, sent)
    if question.kind == Kind.SPANS:
        return _read_spans(name, sent)
    if name not in sent:
        return None
    if question.kind == Kind.LABELS:
        return sent.getlist(name)
    if question.kind == Kind.RATING:
        number = border.whole(sent[name].removeprefix("-"), most=9999)
        return sent[name] if number is None else -number if sent[name].startswith("-") else number
    return sent[name]


def _read_spans(name: str, sent: QueryDict) -> Any:
    """Return the spans; an empty list if it was said that there is nothing to mark; None if nothing was said."""
    spans = read_spans(sent.get(name, ""))
    if f"{name}{NOTHING}" not in sent:
        return spans or None
    return sent[name] if spans else []  # both is no answer, which `values` says


def seen(sent: QueryDict) -> int | None:
    """Return the revision of the record whose text a form showed, if it asked about a text."""
    return border.whole(sent.get("revision"))


def _read_ranking(question: Question, name: str, sent: QueryDict) -> list[str] | None:
    """Return names by the ranks that were chosen; None until one is chosen."""
    names = question.options.get("pieces", [])
    ranks = [(sent.get(f"{name}.{index}", ""), piece) for index, piece in enumerate(names)]
    chosen = [(number, piece) for rank, piece in ranks if (number := border.whole(rank, most=99)) is not None]
    if not chosen:
        return None
    if len({rank for rank, _ in chosen}) < len(chosen):
        return [piece for _, piece in chosen[:1]]  # two on one place: no ranking, which `values` says
    return [piece for _, piece in sorted(chosen)]


def read_spans(text: str) -> list[Any]:
    """Read spans from their lines; a line that is none stays a text, for `values` to refuse."""
    spans: list[Any] = []
    for line in text.splitlines():
        start, _, rest = line.strip().partition(" ")
        end, _, label = rest.partition(" ")
        first, last = (border.whole(place, most=border.BIGGEST_INT) for place in (start, end))
        if line.strip():
            is_span = first is not None and last is not None
            spans.append({"start": first, "end": last, "label": label.strip()} if is_span else line)
    return spans


def span_lines(value: Any) -> str:
    good = [span for span in value if isinstance(span, dict)] if isinstance(value, list) else []
    return "\n".join(f"{span['start']} {span['end']} {span['label']}" for span in good)
