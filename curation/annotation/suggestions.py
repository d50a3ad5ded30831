"""What models propose as answers, with their score and where they come from."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from atelier.statements import kept
from curation.annotation import values
from curation.models import Dataset, Question, Record, Suggestion

AT_ONCE = 1_000


def put(dataset: Dataset, rows: list[dict[str, Any]]) -> int:
    """Store suggestions {"record", "question", "value", "score", "source"}, all or none. Returns how many.

    One stands for a record, question and source: sent again, it replaces. Raises ValidationError naming the row.
    """
    if not 0 < len(rows) <= AT_ONCE:
        raise ValidationError(f"Send 1 to {AT_ONCE:,} suggestions at once.")
    questions = {question.name: question for question in dataset.questions.all()}
    wanted = {row["record"] for row in rows}
    records = dataset.records.present().in_bulk(list(wanted))
    made: dict[tuple[int, int, str], Suggestion] = {}
    for number, row in enumerate(rows):
        try:
            one = _suggestion(questions, records, row)
        except ValidationError as error:
            raise ValidationError(f"Suggestion {number}: {' '.join(error.messages)}") from None
        made[one.record_id, one.question_id, one.source] = one  # of one row sent twice the last stands
    with transaction.atomic():
        Suggestion.objects.bulk_create(
            made.values(),
            update_conflicts=True,
            unique_fields=["record", "question", "source"],
            update_fields=["value", "score", "created_at"],
            batch_size=200,
        )
    return len(made)


def _suggestion(questions: dict[str, Question], records: dict[int, Record], row: dict[str, Any]) -> Suggestion:
    question, record = questions.get(row["question"]), records.get(row["record"])
    if question is None:
        raise ValidationError(f"there is no question {row['question']!r} in this dataset.")
    if record is None:
        raise ValidationError(f"there is no record {row['record']} in this dataset.")
    score, source = row.get("score"), str(row.get("source") or "").strip()
    if not source or len(source) > 120 or not source.isprintable():
        raise ValidationError("say in `source`, in at most 120 characters, which model it comes from.")
    if score is not None and not 0 <= score <= 1:
        raise ValidationError("a score is a number from 0 to 1.")
    value = values.clean(question, row["value"], record)
    if value is None:
        raise ValidationError("the value is empty.")
    return Suggestion(record=record, question=question, value=value, score=score, source=source)


def best(record: Record) -> dict[int, Suggestion]:
    """For each question's id the suggestion with the highest score; those without a score come last."""
    found: dict[int, Suggestion] = {}
    for one in _of(record.pk):
        known = found.get(one.question_id)
        if known is None or (one.score if one.score is not None else -1) > (
            known.score if known.score is not None else -1
        ):
            found[one.question_id] = one
    return found


@kept
def _of(record: int) -> QuerySet[Suggestion]:
    return Suggestion.objects.filter(record=record).order_by("pk")
