"""Marks of people on a text that changed under them: a form's spans that were set in an older text, and spans set aside."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from curation.annotation import values
from curation.models import Annotation, Dataset, Question, Record, SpanTrail, Suggestion, Task
from curation.records import derived, merge, spans

Kind, Holder = Question.Kind, SpanTrail.Holder
NEAR = 30  # characters shown before and after a place
MOST_PLACES = 20
LISTED = 100  # spans on a page: a long answer may have lost thousands


class TextChanged(ValidationError):
    """Answers were given on a text of a record that has changed since."""


def refer_to_text(asked: Iterable[Question]) -> bool:
    """Return whether an answer to one of these questions means the record's text as it was read."""
    return any(question.kind in (Kind.TEXT, Kind.SPANS) for question in asked)


def is_stale(record: Record, asked: Iterable[Question], seen: int) -> bool:
    """Return whether the record's content has changed since the revision `seen`.

    Spans of a text, and its correction, refer to the text that was read. A review or a label changes no text.
    """
    if record.revision == seen or not refer_to_text(asked):
        return False
    return any(change.after.keys() & derived.COLUMNS for change in record.changes.filter(revision__gt=seen))


def refuse_stale(record: Record, asked: Iterable[Question], seen: int | None) -> None:
    """Raise TextChanged if spans were marked in a text that has changed since; None says that it is the present one."""
    if seen is not None and is_stale(record, list(asked), seen):
        raise TextChanged("This record was changed since you opened it. Reload it and check again.")


def kept(asked: Iterable[Question], given: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """Return what a form that was refused shows again: all, but spans of a text that has changed, which mean other words now."""
    if not isinstance(error, TextChanged):
        return given
    lost = {question.name for question in asked if question.kind == Kind.SPANS}
    return {name: value for name, value in given.items() if name not in lost}


def followed(annotation: Annotation, asked: list[Question], given: dict[str, Any], seen: int) -> dict[str, Any]:
    """Return answers that were given on the record's revision `seen`, with their spans where their words are now.

    Spans that lost their words are set aside; so are all where the history does not reach back to that revision.
    """
    record = annotation.record
    columns = merge.as_of(record, seen)
    old = spans.former(record, columns) if columns is not None else None
    answers = dict(given)
    for question in asked:
        if question.kind != Kind.SPANS or not isinstance(given.get(question.name), list):
            continue
        try:
            marked = values.clean(question, given[question.name])
        except ValidationError:
            continue  # these are no spans, which the caller states
        kept, lost = spans.moved(question, marked, old, record) if old is not None else ([], marked)
        text = spans.text_of(old, question) if old is not None else ""
        spans.set_aside(record.pk, question, lost, text, annotation.pk)
        if kept or not marked:
            answers[question.name] = kept
        else:
            del answers[question.name]
    return answers


@dataclass(frozen=True)
class PlaceOption:
    """A place of a text where the words of a span occur, with what is before and after."""

    start: int
    before: str
    words: str
    after: str


@dataclass(frozen=True)
class AsideSpan:
    """A span that was set aside: of which answer, what it marked, and the text in which it is to be marked again."""

    trail: SpanTrail
    id: str
    label: str
    words: str
    text: str  # of the record now

    @property
    def places(self) -> list[PlaceOption]:
        """Return where its words are in the text now."""
        return _places(self.text, self.words)

    @property
    def whose(self) -> str:
        """Return whose mark it was, as a person, a model, or a kind of answer."""
        if self.trail.annotation is not None:
            return self.trail.annotation.author
        return self.trail.source or self.trail.get_holder_display()


def trails(dataset: Dataset) -> QuerySet[SpanTrail]:
    """Return the trails of the dataset's answers that have spans set aside, oldest first."""
    rows = SpanTrail.objects.filter(question__dataset=dataset, aside_count__gt=0, record__deleted_at=None)
    return rows.select_related("record", "question", "annotation").order_by("pk")


def count(dataset: Dataset) -> int:
    """Count the dataset's spans that are set aside."""
    rows = trails(dataset).select_related(None).order_by()
    return rows.aggregate(count=Sum("aside_count"))["count"] or 0


def visible(dataset: Dataset, readable: QuerySet[Annotation]) -> QuerySet[SpanTrail]:
    """Return the trails of answers that somebody may read: others' answers to open tasks are blind, to editors too."""
    return trails(dataset).filter(Q(annotation=None) | Q(annotation__in=readable))


def aside(rows: Iterable[SpanTrail], most: int | None = None) -> list[AsideSpan]:
    """Return the spans of these trails that were set aside; at most so many."""
    return list(islice((one for trail in rows for one in _of(trail)), most))


def _of(trail: SpanTrail) -> Iterator[AsideSpan]:
    text = spans.text_of(trail.record, trail.question)
    for entry in trail.aside:
        yield AsideSpan(trail, entry["id"], entry["label"], entry["words"], text)


def _places(text: str, words: str) -> list[PlaceOption]:
    places: list[PlaceOption] = []
    at = text.find(words) if words else -1
    while at >= 0 and len(places) < MOST_PLACES:
        end = at + len(words)
        places.append(PlaceOption(at, text[max(0, at - NEAR) : at], words, text[end : end + NEAR]))
        at = text.find(words, at + 1)
    return places


def drop(trail: SpanTrail, span: str) -> None:
    """Drop a span that was set aside. Raises ValidationError if it is no longer there."""
    with transaction.atomic():
        spans.hold(trail.record.dataset_id, [trail.record_id])
        _taken(trail, span)


def mark_again(trail: SpanTrail, span: str, start: int) -> None:
    """Mark the words of a span again where they are in the text now. Raises ValidationError when they are not there."""
    with transaction.atomic():
        spans.hold(trail.record.dataset_id, [trail.record_id])
        record = Record.objects.select_for_update(of=("self",)).get(pk=trail.record_id)
        entry = _taken(trail, span)
        text, end = spans.text_of(record, trail.question), start + len(entry["words"])
        if not entry["words"] or text[max(start, 0) : end] != entry["words"] or start < 0:
            raise ValidationError("These words are not there. The text may have changed: reload the page.")
        _add(trail, {"start": start, "end": end, "label": entry["label"]})


def _taken(trail: SpanTrail, span: str) -> dict[str, Any]:
    """Take a span from those set aside. Its answer was looked at by a person, so a former text brings nothing back."""
    row = SpanTrail.objects.select_for_update(of=("self",)).filter(pk=trail.pk).first()
    entry = next((each for each in row.aside if each["id"] == span), None) if row is not None else None
    if row is None or entry is None:
        raise ValidationError("This span is no longer set aside. Reload the page.")
    row.aside = [each for each in row.aside if each["id"] != span]
    if row.aside:
        row.aside_count, row.text_hash, row.marked = len(row.aside), "", []
        row.save()
    else:
        row.delete()
    return dict(entry)


def _add(trail: SpanTrail, span: dict[str, Any]) -> None:
    """Add a span to the answer that it was of. Raises ValidationError when that answer is gone."""
    name, holder = trail.question.name, trail.holder
    gone = ValidationError("The answer that this span was of no longer exists. Drop the span.")
    if holder == Holder.ANNOTATION:
        annotation = Annotation.objects.select_for_update(of=("self",)).filter(pk=trail.annotation_id).first()
        if annotation is None:
            raise gone
        annotation.answers[name] = spans.ordered([*annotation.answers.get(name, []), span])
        annotation.save(update_fields=["answers"])
    elif holder == Holder.SUGGESTION:
        whose = {"record": trail.record, "question": trail.question, "source": trail.source}
        suggestion, _ = Suggestion.objects.get_or_create(**whose, defaults={"value": [], "score": trail.score})
        suggestion.value = spans.ordered([*suggestion.value, span])
        suggestion.save(update_fields=["value"])
    else:
        task = Task.objects.select_for_update(of=("self",)).filter(record=trail.record_id).first()
        answers = None if task is None else task.known if holder == Holder.KNOWN else task.answers
        if task is None or answers is None:
            raise gone
        answers[name] = spans.ordered([*answers.get(name, []), span])
        task.save(update_fields=["known" if holder == Holder.KNOWN else "answers"])
