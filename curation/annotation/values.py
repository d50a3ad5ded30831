"""What is an answer to a question: each kind of value, checked and made plain, with a sentence for what is wrong.

label: a string. labels: a list of strings. rating: a whole number. ranking: a list of names, the best first. text and
comment: a string. spans: a list of {"start", "end", "label"}, in Unicode characters of the named piece, end excluded.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ValidationError

from curation.annotation import targets
from curation.models import Question, Record

MAX_TEXT, MAX_COMMENT, MAX_SPANS = 200_000, 10_000, 2_000
Kind = Question.Kind


def clean(question: Question, value: Any, record: Record | None = None) -> Any:
    """The answer in its plain form, or None for no answer. Raises ValidationError with a sentence.

    With the record, spans must lie within its piece; without, only their shape is looked at.
    """
    if value is None or value == "" or (value == [] and question.kind != Kind.SPANS):
        return None
    if question.kind == Kind.SPANS:
        return _spans(question, value, record)
    return _CLEAN[Kind(question.kind)](question, value)


def clean_all(
    questions: Iterable[Question], given: dict[str, Any], record: Record | None = None, *, complete: bool = True
) -> dict[str, Any]:
    """Every answer in its plain form, without the empty ones. Raises ValidationError with the sentences by question.

    With `complete`, what is required must be there; a draft may lack it.
    """
    asked = list(questions)
    wrong: dict[str, str] = dict.fromkeys(
        given.keys() - {q.name for q in asked}, "There is no such question in this dataset."
    )
    kept: dict[str, Any] = {}
    for question in asked:
        try:
            value = clean(question, given.get(question.name), record)
        except ValidationError as error:
            wrong[question.name] = " ".join(error.messages)
            continue
        if value is not None:
            kept[question.name] = value
        elif complete and question.required:
            wrong[question.name] = f"{question.title}: this needs an answer."
    if wrong:
        raise ValidationError(wrong)
    return kept


def sound(questions: Iterable[Question], given: dict[str, Any], record: Record | None = None) -> dict[str, Any]:
    """Of a draft what can be kept: an answer that is wrong today is left out, the others stay."""
    kept = {}
    for question in questions:
        try:
            value = clean(question, given.get(question.name), record)
        except ValidationError:
            continue
        if value is not None:
            kept[question.name] = value
    return kept


def label_values(question: Question) -> list[str]:
    return [str(label["value"]) for label in question.options.get("labels", [])]


def _refuse(question: Question, sentence: str) -> ValidationError:
    return ValidationError(f"{question.title}: {sentence}")


def _text(question: Question, value: Any) -> str | None:
    most = MAX_COMMENT if question.kind == Kind.COMMENT else MAX_TEXT
    if not isinstance(value, str):
        raise _refuse(question, "the answer is a text.")
    if len(value) > most:
        raise _refuse(question, f"a text of at most {most:,} characters, this has {len(value):,}.")
    if "\x00" in value:
        raise _refuse(question, "the text contains a NUL character, which cannot be stored.")
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return value if value.strip() else None


def _label(question: Question, value: Any) -> str:
    if not isinstance(value, str) or value not in label_values(question):
        raise _refuse(question, f"there is no label {str(value)[:60]!r}.")
    return value


def _labels(question: Question, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _refuse(question, "the answer is a list of labels.")
    chosen = {_label(question, one) for one in value}
    return [one for one in label_values(question) if one in chosen]  # in the order they are offered


def _rating(question: Question, value: Any) -> int:
    low, high = question.options.get("low", 1), question.options.get("high", 5)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _refuse(question, f"choose a whole number from {low} to {high}.")
    return value


def _ranking(question: Question, value: Any) -> list[str]:
    names = question.options.get("pieces", [])
    if not isinstance(value, list) or sorted(map(str, value)) != sorted(names):
        raise _refuse(question, f"put each of {', '.join(names)} in its place once, the best first.")
    return [str(name) for name in value]


def _spans(question: Question, value: Any, record: Record | None) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise _refuse(question, "the answer is a list of spans.")
    if len(value) > MAX_SPANS:
        raise _refuse(question, f"at most {MAX_SPANS:,} spans.")
    room: int | None = None
    if record is not None:
        piece = targets.piece(record, str(question.options.get("piece", "")))
        room = len(piece.text) if piece is not None else 0
    unique = {tuple(_span(question, one, room).values()) for one in value}
    return [{"start": start, "end": end, "label": label} for start, end, label in sorted(unique)]


def _span(question: Question, one: Any, room: int | None) -> dict[str, Any]:
    if not isinstance(one, dict) or one.keys() != {"start", "end", "label"}:
        raise _refuse(question, 'a span is {"start", "end", "label"}.')
    start, end = one["start"], one["end"]
    if any(isinstance(n, bool) or not isinstance(n, int) for n in (start, end)) or not 0 <= start < end:
        raise _refuse(question, "a span starts at 0 or later, and ends after its start.")
    if room is not None and end > room:
        raise _refuse(question, f"a span ends at {end}, but the text has {room} characters.")
    return {"start": start, "end": end, "label": _label(question, one["label"])}


_CLEAN: dict[Kind, Callable[[Question, Any], Any]] = {
    Kind.TEXT: _text, Kind.COMMENT: _text, Kind.LABEL: _label, Kind.LABELS: _labels, Kind.RATING: _rating,
    Kind.RANKING: _ranking,
}  # fmt: skip
