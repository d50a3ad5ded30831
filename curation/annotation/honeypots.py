"""Honeypots: control records whose answers are known, mixed into the queue to see how carefully people answer.

Nothing that an annotator gets shows which they are, and their answers never become a record's.
"""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from atelier.accounts.models import User
from curation.annotation import queue as queues
from curation.annotation import values
from curation.models import Annotation, Dataset, Question, Queue, Record, SpanTrail, Task
from curation.records import spans

AT_ONCE = 1_000
ALWAYS = 32_767  # answers wanted: everybody may be given it
FINE = 10_000  # steps of a chance
Kind = Question.Kind


def pick(queue: Queue, user: User) -> Task | None:
    """Choose a honeypot for `queue.next_task` at the queue's rate, if other records wait too: one unseen by the person."""
    if secrets.randbelow(FINE) >= queue.honeypot_rate * FINE:
        return None
    seen = Annotation.objects.filter(task=OuterRef("pk"), user=user).exclude(state=Annotation.State.EXPIRED)
    tests = queue.tasks.filter(known__isnull=False, state=Task.State.OPEN, record__deleted_at=None).filter(
        ~Exists(seen)
    )
    test = tests.select_related("record").order_by("?").first()
    # When nothing else is left, a record that still comes would be known for what it is.
    return test if test is not None and queues.waiting(queue, user) is not None else None


def mark(dataset: Dataset, rows: list[dict[str, Any]]) -> int:
    """Make honeypots of records: rows of {"record", "answers": {question name: answer}}, all or none. Returns how many.

    Sent again, the answers are replaced. Raises ValidationError naming the row, also for a record that people have
    already answered.
    """
    if not 0 < len(rows) <= AT_ONCE:
        raise ValidationError(f"Send 1 to {AT_ONCE:,} records at once.")
    queue, questions = queues.of(dataset), list(dataset.questions.all())
    records = dataset.records.present().in_bulk([row["record"] for row in rows])
    answers_by_record: dict[int, dict[str, Any]] = {}
    for number, row in enumerate(rows):
        try:
            answers_by_record[row["record"]] = _known(questions, row, records)
        except ValidationError as error:
            raise ValidationError(f"Row {number}: {' '.join(error.messages)}") from None
    with transaction.atomic():
        for pk, answers in answers_by_record.items():
            _make(queue, records[pk], answers)
    return len(answers_by_record)


def _known(questions: list[Question], row: dict[str, Any], records: dict[int, Record]) -> dict[str, Any]:
    record = records.get(row["record"])
    if record is None:
        raise ValidationError(f"record {row['record']} is not in this dataset.")
    clean = values.clean_all(questions, row["answers"], record, complete=False)
    comments = {question.name for question in questions if question.kind == Kind.COMMENT}
    known = {name: value for name, value in clean.items() if name not in comments}
    if not known:
        raise ValidationError("give the known answer to at least one question that isn't a comment.")
    return known


def _make(queue: Queue, record: Record, known: dict[str, Any]) -> None:
    new = {"queue": queue, "place": record.pk, "wanted": ALWAYS, "known": known}
    task, made = Task.objects.select_for_update(of=("self",)).get_or_create(record=record, defaults=new)
    if made:
        return
    if task.known is None and not _is_unseen(task):
        raise ValidationError(
            f"Record {record.pk} was already answered or given to someone. Choose a record that nobody has seen."
        )
    Task.objects.filter(pk=task.pk).update(known=known, wanted=ALWAYS, state=Task.State.OPEN)
    spans.forget(record.pk, SpanTrail.Holder.KNOWN)
    task.assignments.all().delete()


def _is_unseen(task: Task) -> bool:
    """Return whether nobody has seen the task in the queue; who skipped it, or let go of it, has seen it too."""
    return task.state == Task.State.OPEN and not task.annotations.exists()


def can_be(task: Task | None) -> bool:
    """Return whether the record of this task is a honeypot or may become one: nobody has seen it in the queue."""
    return task is None or task.known is not None or _is_unseen(task)


def retire(task: Task) -> None:
    """Retire a honeypot.

    One without answers becomes a record like any other; one with answers is no longer given to anybody.
    """
    with transaction.atomic():
        now = Task.objects.select_for_update(of=("self",)).select_related("queue").get(pk=task.pk)
        if now.known is None:
            return
        if now.annotations.exists():
            Task.objects.filter(pk=now.pk).update(state=Task.State.DONE)
        else:
            Task.objects.filter(pk=now.pk).update(known=None, wanted=now.queue.overlap)


def of(dataset: Dataset) -> QuerySet[Task]:
    """Return the dataset's honeypots with `right` and `wrong`, the number of such answers."""
    right = Count("annotations", filter=Q(annotations__is_right=True))
    wrong = Count("annotations", filter=Q(annotations__is_right=False))
    tasks = Task.objects.filter(queue__dataset=dataset, known__isnull=False).select_related("record")
    return tasks.annotate(right=right, wrong=wrong).order_by("pk")


def from_labels(dataset: Dataset, records: QuerySet[Record]) -> list[dict[str, Any]]:
    """Build rows for `mark` from the labels of records that nobody answered. Records without labels are left out."""
    questions = [question for question in dataset.questions.all() if question.kind in (Kind.LABEL, Kind.LABELS)]
    seen = Exists(Annotation.objects.filter(record=OuterRef("pk")))
    unseen = records.filter(Q(task=None) | Q(~seen, task__state=Task.State.OPEN))
    rows = []
    for pk, labels in unseen.order_by("pk").values_list("pk", "labels")[:AT_ONCE]:
        known = {question.name: found for question in questions if (found := _offered(question, labels)) is not None}
        if known:
            rows.append({"record": pk, "answers": known})
    return rows


def _offered(question: Question, labels: list[str]) -> Any:
    labelled = [value for value in values.label_values(question) if value in labels]
    if question.kind == Kind.LABELS:
        return labelled or None
    return labelled[0] if len(labelled) == 1 else None
