"""Spans of a record's texts: when a text changes, they move along with their words, or are set aside where people see them.

Every writer of content calls `follow` in its own transaction, so that no answer has places of another text than the record's.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from curation.models import Annotation, Question, Record, SpanTrail, Suggestion, Task
from curation.records import targets
from curation.spans import TextChange

Span = dict[str, Any]
Holder = SpanTrail.Holder
COLUMNS = ("fields", "messages", "chosen", "rejected")  # where a question's text can be
PLACE = ("start", "end", "label")


class ContentChange(NamedTuple):
    """A record as it is now, and the columns of its content as they were, of those that changed."""

    record: Record
    before: Mapping[str, Any]


@dataclass
class SpanCount:
    """How many spans moved along with their words, and how many lost them."""

    moved: int = 0
    aside: int = 0

    def add(self, other: "SpanCount") -> None:
        self.moved += other.moved
        self.aside += other.aside


@dataclass
class _Text:
    """A text of a record that changed, under a question."""

    question: Question
    old: str
    new: str
    change: TextChange | None = None

    def follow(self, start: int, end: int) -> tuple[int, int] | None:
        self.change = self.change or TextChange(self.old, self.new)
        return self.change.follow(start, end)


def hash_of(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def text_of(record: Record, question: Question) -> str:
    """Return the text that a question is about; empty if the record has none."""
    piece = targets.piece(record, str(question.options.get("piece", "")))
    return piece.text if piece is not None else ""


def aside_words(count: int) -> str:
    """Return how many spans were set aside, as a sentence after another; empty if none were."""
    if not count:
        return ""
    marks, lost = ("span was", "its words") if count == 1 else ("spans were", "their words")
    return f" {count:,} {marks} set aside, because the text no longer has {lost}."


def former(record: Record, before: Mapping[str, Any]) -> Record:
    """Return the record's texts as they were before these columns changed."""
    return Record(**{name: before.get(name, getattr(record, name)) for name in COLUMNS})


def moved(question: Question, spans: list[Span], old: Record, new: Record) -> tuple[list[Span], list[Span]]:
    """Return the spans with their places in the new text, and those that lost their words, as they were."""
    kept, lost = _followed(_Text(question, text_of(old, question), text_of(new, question)), spans)
    return ordered(kept), lost


def ordered(spans: Iterable[Span]) -> list[Span]:
    unique = {tuple(span[name] for name in PLACE) for span in spans}
    return [dict(zip(PLACE, values, strict=True)) for values in sorted(unique)]


def of(dataset: int) -> list[Question]:
    """Return a dataset's questions about spans."""
    return list(Question.objects.filter(dataset=dataset, kind=Question.Kind.SPANS).order_by("pk"))


def hold(dataset: int, records: Iterable[int]) -> None:
    """Lock the answers to these records before the records, in the caller's transaction, if any may have spans.

    Whoever submits locks an answer, then its task, then the record: in another order two would wait for each other.
    """
    pks = list(records)
    if pks and of(dataset):
        for rows in (Annotation.objects, Task.objects, Suggestion.objects):
            held = rows.filter(record__in=pks).select_for_update(of=("self",)).order_by("pk")
            list(held.values_list("pk", flat=True))


def follow(dataset: int, changes: Iterable[ContentChange]) -> SpanCount:
    """Move the spans of these records along with their texts, in the caller's transaction, and count them.

    An answer whose spans are all set aside is no longer there: that nothing is marked would be another answer.
    """
    changed = [one for one in changes if not one.before.keys().isdisjoint(COLUMNS)]
    questions = of(dataset) if changed else []
    texts: dict[int, list[_Text]] = {}
    for record, before in changed if questions else []:
        old = former(record, before)
        pairs = [(question, text_of(old, question), text_of(record, question)) for question in questions]
        if different := [_Text(*pair) for pair in pairs if pair[1] != pair[2]]:
            texts[record.pk] = different
    return _Following(texts).run() if texts else SpanCount()


def set_aside(
    record: int,
    question: Question,
    spans: list[Span],
    text: str,
    annotation: int | None = None,
    holder: str = Holder.ANNOTATION,
    source: str = "",
) -> None:
    """Set spans aside that were marked in another text than the record's and never written with it, each once."""
    if not spans:
        return
    whose = {"record_id": record, "question": question, "holder": holder, "annotation_id": annotation, "source": source}
    trail = SpanTrail.objects.filter(**whose).first() or SpanTrail(**whose)
    there = {(entry["start"], entry["end"], entry["label"], entry["text_hash"]) for entry in trail.aside}
    text_hash = hash_of(text)
    new = [span for span in spans if (span["start"], span["end"], span["label"], text_hash) not in there]
    trail.aside = trail.aside + [_entry(span, text, text_hash, trail.text_hash) for span in new]
    trail.aside_count = len(trail.aside)
    trail.save()


def forget(record: int, holder: str, annotation: int | None = None) -> None:
    """Forget what became of an answer's spans, because a person has given the answer again on the text as it is."""
    SpanTrail.objects.filter(record=record, holder=holder, annotation=annotation).delete()


def rebase(annotation: int) -> None:
    """Note that a draft was written anew: its former spans are not put back, and those set aside stay in sight."""
    rows = SpanTrail.objects.filter(annotation=annotation)
    rows.filter(aside_count=0).delete()
    rows.update(text_hash="", marked=[])


class _Following:
    """Answers of all kinds that follow the changed texts of some records."""

    def __init__(self, texts: dict[int, list[_Text]]) -> None:
        self.texts, self.count = texts, SpanCount()
        self.trails = {_key(trail): trail for trail in SpanTrail.objects.filter(record__in=texts)}
        self.written: list[SpanTrail] = []
        self.gone: list[int] = []

    def run(self) -> SpanCount:
        # The annotations' rows before the tasks', as everywhere.
        self._annotations()
        self._tasks()
        self._suggestions()
        SpanTrail.objects.filter(pk__in=self.gone).delete()
        SpanTrail.objects.bulk_create([trail for trail in self.written if trail.pk is None], batch_size=200)
        SpanTrail.objects.bulk_update(
            [trail for trail in self.written if trail.pk is not None],
            ["text_hash", "marked", "aside", "aside_count"], batch_size=200,
        )  # fmt: skip
        return self.count

    def _annotations(self) -> None:
        rows = Annotation.objects.filter(record__in=self.texts).select_for_update(of=("self",)).order_by("pk")
        changed = []
        for annotation in rows:
            if self._answers(annotation.record_id, annotation.answers, Holder.ANNOTATION, annotation.pk):
                changed.append(annotation)
        Annotation.objects.bulk_update(changed, ["answers"], batch_size=200)

    def _tasks(self) -> None:
        changed = []
        for task in Task.objects.filter(record__in=self.texts).select_for_update(of=("self",)).order_by("pk"):
            final = self._answers(task.record_id, task.answers, Holder.FINAL)
            # What is known must be all of it, or who marks what was lost would be wrong.
            known = task.known is not None and self._answers(task.record_id, task.known, Holder.KNOWN, whole=True)
            if final or known:
                changed.append(task)
        Task.objects.bulk_update(changed, ["answers", "known"], batch_size=200)

    def _answers(
        self, record: int, answers: dict[str, Any], holder: str, annotation: int | None = None, *, whole: bool = False
    ) -> bool:
        """Move the spans among these answers. Returns whether any changed."""
        before = dict(answers)
        for text in self.texts[record]:
            name = text.question.name
            spans, trail = answers.get(name), self._trail(record, text.question, holder, annotation)
            given = spans if isinstance(spans, list) else []
            if not given and trail is None:
                continue
            if new := self._moved(text, given, trail, (record, holder, annotation, ""), whole=whole):
                answers[name] = new
            elif given:
                del answers[name]  # an empty list would say that there is nothing to mark
        return answers != before

    def _trail(self, record: int, question: Question, holder: str, annotation: int | None = None, source: str = "") -> SpanTrail | None:  # fmt: skip
        return self.trails.get((record, question.pk, holder, annotation, source))

    def _moved(
        self, text: _Text, spans: list[Span], trail: SpanTrail | None, whose: tuple[int, str, int | None, str], *,
        whole: bool = False, score: float | None = None,
    ) -> list[Span]:  # fmt: skip
        """Return the spans of one answer in the new text, with their trail written."""
        old_hash, new_hash = hash_of(text.old), hash_of(text.new)
        if trail is not None and trail.text_hash == new_hash:
            self._restored(trail, new_hash)
            return list(trail.marked)
        kept, lost = _followed(text, spans)
        if whole and lost:
            kept, lost = [], spans
        aside = [] if trail is None else trail.aside
        back = [entry for entry in aside if entry["text_hash"] == new_hash]
        new = ordered([*kept, *back])
        self.count.add(SpanCount(len(kept) + len(back), len(lost)))
        if new != spans or trail is not None:
            record, holder, annotation, source = whose
            trail = trail or SpanTrail(
                record_id=record, question=text.question, holder=holder, annotation_id=annotation, source=source,
                score=score,
            )  # fmt: skip
            if not trail.text_hash:
                trail.text_hash, trail.marked = old_hash, spans
            left = [entry for entry in aside if entry["text_hash"] != new_hash]
            trail.aside = left + [_entry(span, text.old, old_hash, trail.text_hash) for span in lost]
            trail.aside_count = len(trail.aside)
            self.written.append(trail)
        return new

    def _restored(self, trail: SpanTrail, text_hash: str) -> None:
        """End a trail whose text is again as it was marked; spans that were set aside before that stay aside."""
        self.count.moved += len(trail.marked)
        trail.aside = [entry for entry in trail.aside if entry["base"] != text_hash]
        trail.aside_count = len(trail.aside)
        if trail.aside:
            self.written.append(trail)
        else:
            self.gone.append(trail.pk)

    def _suggestions(self) -> None:
        """Move suggested spans. A suggestion without any is deleted, and comes back with the text it was for."""
        questions = {text.question.pk for texts in self.texts.values() for text in texts}
        rows = Suggestion.objects.filter(record__in=self.texts, question__in=questions).order_by("pk")
        there = {(row.record_id, row.question_id, row.source): row for row in rows.select_for_update(of=("self",))}
        gone = {(trail.record_id, trail.question_id, trail.source) for trail in self.trails.values() if trail.holder == Holder.SUGGESTION}  # fmt: skip
        changed, lost, new = [], [], []
        for record, question, source in sorted(there.keys() | gone):
            text = next((one for one in self.texts[record] if one.question.pk == question), None)
            if text is None:
                continue
            row, trail = there.get((record, question, source)), self._trail(record, text.question, Holder.SUGGESTION, None, source)  # fmt: skip
            spans = row.value if row is not None and isinstance(row.value, list) else []
            if row is not None and not spans and trail is None:
                continue  # it says that nothing is to be marked
            score = row.score if row is not None else trail.score if trail is not None else None
            value = self._moved(text, spans, trail, (record, Holder.SUGGESTION, None, source), score=score)
            if row is None:
                if value:
                    new.append(Suggestion(record_id=record, question_id=question, source=source, score=score, value=value))  # fmt: skip
            elif spans and not value:
                lost.append(row.pk)
            elif value != row.value:
                row.value = value
                changed.append(row)
        Suggestion.objects.filter(pk__in=lost).delete()
        Suggestion.objects.bulk_update(changed, ["value"], batch_size=200)
        Suggestion.objects.bulk_create(new, batch_size=200)


def _key(trail: SpanTrail) -> tuple[int, int, str, int | None, str]:
    return trail.record_id, trail.question_id, trail.holder, trail.annotation_id, trail.source


def _followed(text: _Text, spans: list[Span]) -> tuple[list[Span], list[Span]]:
    kept, lost = [], []
    for span in spans:
        place = text.follow(span["start"], span["end"])
        (kept if place else lost).append(span | {"start": place[0], "end": place[1]} if place else span)
    return kept, lost


def _entry(span: Span, text: str, text_hash: str, base: str) -> dict[str, Any]:
    """Return a span as it is set aside: where it was, in which text, the words that it marked, and its trail's text."""
    words = text[span["start"] : span["end"]]
    place = {name: span[name] for name in PLACE}
    return {"id": secrets.token_hex(6), **place, "words": words, "text_hash": text_hash, "base": base}
