"""Suggested answers of models, with their score and source."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from atelier.database.prepared import prepared
from curation.annotation import values
from curation.models import Dataset, Question, Record, SpanTrail, Suggestion

AT_ONCE = 1_000


def put(dataset: Dataset, rows: list[dict[str, Any]]) -> int:
    """Store suggestions {"record", "question", "value", "score", "source"}, all or none. Returns how many.

    There is one per record, question and source: sent again, it is replaced. Raises ValidationError naming the row.
    """
    if not 0 < len(rows) <= AT_ONCE:
        raise ValidationError(f"Send 1 to {AT_ONCE:,} suggestions at once.")
    questions = {question.name: question for question in dataset.questions.all()}
    wanted = {row["record"] for row in rows}
    records = dataset.records.present().in_bulk(list(wanted))
    suggestions: dict[tuple[int, int, str], Suggestion] = {}
    for number, row in enumerate(rows):
        try:
            suggestion = _suggestion(questions, records, row)
        except ValidationError as error:
            raise ValidationError(f"Suggestion {number}: {' '.join(error.messages)}") from None
        # Of one row sent twice the last stands.
        suggestions[suggestion.record_id, suggestion.question_id, suggestion.source] = suggestion
    with transaction.atomic():
        Suggestion.objects.bulk_create(
            suggestions.values(),
            update_conflicts=True,
            unique_fields=["record", "question", "source"],
            update_fields=["value", "score", "created_at"],
            batch_size=200,
        )
        _forget(suggestions)
    return len(suggestions)


def _forget(suggestions: dict[tuple[int, int, str], Suggestion]) -> None:
    """Forget what became of the spans that these replace."""
    if any(suggestion.question.kind == Question.Kind.SPANS for suggestion in suggestions.values()):
        rows = SpanTrail.objects.filter(
            record__in={record for record, _, _ in suggestions}, holder=SpanTrail.Holder.SUGGESTION
        )
        trails = rows.values_list("pk", "record_id", "question_id", "source")
        SpanTrail.objects.filter(pk__in=[pk for pk, *whose in trails if tuple(whose) in suggestions]).delete()


def _suggestion(questions: dict[str, Question], records: dict[int, Record], row: dict[str, Any]) -> Suggestion:
    question, record = questions.get(row["question"]), records.get(row["record"])
    if question is None:
        raise ValidationError(f"this dataset has no question {row['question']!r}.")
    if record is None:
        raise ValidationError(f"record {row['record']} is not in this dataset.")
    score, source = row.get("score"), str(row.get("source") or "").strip()
    if not source or len(source) > 120 or not source.isprintable():
        raise ValidationError("name the model in `source`, in at most 120 characters.")
    if score is not None and not 0 <= score <= 1:
        raise ValidationError("a score must be a number from 0 to 1.")
    value = values.clean(question, row["value"], record)
    if value is None:
        raise ValidationError("the value is empty.")
    return Suggestion(record=record, question=question, value=value, score=score, source=source)


def best(record: Record) -> dict[int, Suggestion]:
    """Return, by question id, the suggestion with the highest score; those without a score come last."""
    by_question: dict[int, Suggestion] = {}
    for suggestion in _of(record.pk):
        known = by_question.get(suggestion.question_id)
        if known is None or (suggestion.score if suggestion.score is not None else -1) > (
            known.score if known.score is not None else -1
        ):
            by_question[suggestion.question_id] = suggestion
    return by_question


@prepared
def _of(record: int) -> QuerySet[Suggestion]:
    return Suggestion.objects.filter(record=record).order_by("pk")
