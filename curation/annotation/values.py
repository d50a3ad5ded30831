"""The values that answer a question: each kind, checked and normalised, with a sentence for what is wrong.

label: a string. labels: a list of strings. rating: a whole number. ranking: a list of names, the best first. text and
comment: a string. spans: a list of {"start", "end", "label"}, in Unicode characters of the named piece, end excluded;
an empty list says that there is nothing to mark, which is another answer than none.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ValidationError

from atelier.characters import flaw
from curation.models import Question, Record
from curation.records import targets

MAX_TEXT, MAX_COMMENT, MAX_SPANS = 200_000, 10_000, 2_000
Kind = Question.Kind


def clean(question: Question, value: Any, record: Record | None = None) -> Any:
    """Normalise an answer; None for no answer. Raises ValidationError with a sentence.

    With the record, spans must be within its piece; without it, only their shape is checked.
    """
    if value is None or value == "" or (value == [] and question.kind != Kind.SPANS):
        return None
    if question.kind == Kind.SPANS:
        return _spans(question, value, record)
    return _CLEAN[Kind(question.kind)](question, value)


def clean_all(
    questions: Iterable[Question], answers: dict[str, Any], record: Record | None = None, *, complete: bool = True
) -> dict[str, Any]:
    """Normalise every answer, without the empty ones. Raises ValidationError with the sentences by question.

    With `complete`, required answers must be there; a draft may lack them.
    """
    all_questions = list(questions)
    wrong: dict[str, str] = dict.fromkeys(
        answers.keys() - {q.name for q in all_questions}, "This dataset has no such question."
    )
    clean_answers: dict[str, Any] = {}
    for question in all_questions:
        try:
            value = clean(question, answers.get(question.name), record)
        except ValidationError as error:
            wrong[question.name] = " ".join(error.messages)
            continue
        if value is not None:
            clean_answers[question.name] = value
        elif complete and question.required:
            wrong[question.name] = f"{question.title}: this question needs an answer."
    if wrong:
        raise ValidationError(wrong)
    return clean_answers


def sound(questions: Iterable[Question], answers: dict[str, Any], record: Record | None = None) -> dict[str, Any]:
    """Return the valid answers of a draft; answers that are invalid by now are left out."""
    sound_answers = {}
    for question in questions:
        try:
            value = clean(question, answers.get(question.name), record)
        except ValidationError:
            continue
        if value is not None:
            sound_answers[question.name] = value
    return sound_answers


def label_values(question: Question) -> list[str]:
    return [str(label["value"]) for label in question.options.get("labels", [])]


def _refuse(question: Question, sentence: str) -> ValidationError:
    return ValidationError(f"{question.title}: {sentence}")


def _text(question: Question, value: Any) -> str | None:
    most = MAX_COMMENT if question.kind == Kind.COMMENT else MAX_TEXT
    if not isinstance(value, str):
        raise _refuse(question, "the answer must be a text.")
    if len(value) > most:
        raise _refuse(question, f"the text can have at most {most:,} characters, and this one has {len(value):,}.")
    if wrong := flaw(value):
        raise _refuse(question, f"the text {wrong}")
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return value if value.strip() else None


def _label(question: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in label_values(question):
        raise _refuse(question, f"the question has no label {str(value)[:60]!r}.")
    return value


def _labels(question: Question, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _refuse(question, "the answer must be a list of labels.")
    chosen = {_label(question, label) for label in value}
    return [label for label in label_values(question) if label in chosen]  # in the order they are offered


def _rating(question: Question, value: Any) -> int:
    low, high = question.options.get("low", 1), question.options.get("high", 5)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _refuse(question, f"choose a whole number from {low} to {high}.")
    return value


def _ranking(question: Question, value: Any) -> list[str]:
    names = question.options.get("pieces", [])
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(names):
        raise _refuse(question, f"put each of {', '.join(names)} in its place once, best first.")
    return [str(name) for name in value]


def _spans(question: Question, value: Any, record: Record | None) -> list[dict[str, Any]]:
    if isinstance(value, str):
        raise _refuse(question, "remove the spans, or clear “Nothing to mark”.")
    if not isinstance(value, list):
        raise _refuse(question, "the answer must be a list of spans, empty if there is nothing to mark.")
    if len(value) > MAX_SPANS:
        raise _refuse(question, f"an answer can have at most {MAX_SPANS:,} spans.")
    room: int | None = None
    if record is not None:
        piece = targets.piece(record, str(question.options.get("piece", "")))
        room = len(piece.text) if piece is not None else 0
    unique = {tuple(_span(question, span, room).values()) for span in value}
    return [{"start": start, "end": end, "label": label} for start, end, label in sorted(unique)]


def _span(question: Question, span: Any, room: int | None) -> dict[str, Any]:
    if not isinstance(span, dict) or span.keys() != {"start", "end", "label"}:
        raise _refuse(question, 'a span must look like {"start", "end", "label"}.')
    start, end = span["start"], span["end"]
    if any(isinstance(n, bool) or not isinstance(n, int) for n in (start, end)) or not 0 <= start < end:
        raise _refuse(question, "a span must start at 0 or later and end after its start.")
    if room is not None and end > room:
        raise _refuse(question, f"a span ends at {end}, but the text has only {room} characters.")
    return {"start": start, "end": end, "label": _label(question, span["label"])}


_CLEAN: dict[Kind, Callable[[Question, Any], Any]] = {
    Kind.TEXT: _text, Kind.COMMENT: _text, Kind.LABEL: _label, Kind.LABELS: _labels, Kind.RATING: _rating,
    Kind.RANKING: _ranking,
}  # fmt: skip
