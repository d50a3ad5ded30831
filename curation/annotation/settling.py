"""Settling of tasks: the one place where answers become the record's, and where they are undone."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.database.prepared import prepared, prepared_update
from curation.annotation import measures, questions, values
from curation.models import Annotation, Dataset, Question, Queue, Record, SpanTrail, Task
from curation.records import changes, spans, targets
from curation.records import pieces as record_pieces

State, Holder = Annotation.State, SpanTrail.Holder
Kind = Question.Kind
ACTION = "annotate"  # in the history of a record


def put_back(record: Record, user: User, settled_by: User | None, since: Any) -> None:
    """Restore the record as it was before the answers of `settled_by` became final.

    Raises ValidationError if it has changed since.
    """
    change = record.changes.filter(action=ACTION, user=settled_by, at__gte=since).order_by("-pk").first()
    if change is None:
        return  # the answers changed nothing of the record
    if change.revision != record.revision:
        raise ValidationError("The record has changed since. Restore it from its history.")
    allowed = {"labels", *changes.RESTORABLE}
    changes.change(record, user, "restore", **{k: v for k, v in change.before.items() if k in allowed})


def settle(task: Task, by: User | None) -> None:
    """Settle a task that has all its answers: equal ones become final, differing ones make it disputed."""
    if task.known is not None:  # a honeypot tests people, its record knows its answers already
        Task.objects.filter(pk=task.pk).update(state=Task.State.DONE, settled_at=timezone.now())
        task.state = Task.State.DONE
        return
    given = _given(task.pk)
    if given and not measures.differing(kinds(task.queue.dataset), given, task.queue.tolerance):
        stand(task, given[0], by, "")
        return
    Task.objects.filter(pk=task.pk, state=Task.State.OPEN).update(state=Task.State.DISPUTED)
    task.state = Task.State.DISPUTED


@prepared
def _given(task: int) -> "QuerySet[Annotation, dict[str, Any]]":
    rows = Annotation.objects.filter(task=task, state=State.SUBMITTED)
    return rows.order_by("pk").values_list("answers", flat=True)


def settle_filled(queue: Queue) -> None:
    """Settle the tasks that have all their answers after the overlap was lowered."""
    filled = queue.tasks.filter(state=Task.State.OPEN, submitted__gte=F("wanted"), submitted__gt=0)
    for pk, record in list(filled.values_list("pk", "record_id")):
        with transaction.atomic():
            spans.hold(queue.dataset_id, [record])
            task = Task.objects.select_for_update(of=("self",)).select_related("record", "queue__dataset").get(pk=pk)
            by = task.annotations.filter(state=State.SUBMITTED).select_related("user").order_by("submitted_at").last()
            settle(task, by.user if by else None)


def stand(task: Task, answers: dict[str, Any], by: User | None, note: str) -> None:
    """Make these answers final for the record: its labels and edited texts become the record's, with history.

    The one place where answers become the record's, no matter who decided: one person alone, all alike, or an
    adjudicator with a note. Raises ValidationError when the record is changed at this very moment.
    """
    with transaction.atomic(savepoint=False):  # whoever calls gives up as a whole
        record = _record(task.record_id)[0]
        record.dataset = task.queue.dataset
        asked = questions.of(task.queue.dataset)
        now = timezone.now()
        # Before the text changes, so that what stands moves along with it.
        _settle(task.pk, answers, by and by.pk, note[:500], now)
        has_spans = any(question.kind == Kind.SPANS for question in asked)
        if has_spans:
            spans.forget(task.record_id, Holder.FINAL)
        if by is not None:
            try:
                changes.change(record, by, ACTION, **_columns(record, asked, answers))
            except changes.Conflict:
                raise ValidationError("This record was just changed. Reload it and check again.") from None
        if has_spans:
            answers = Task.objects.values_list("answers", flat=True).get(pk=task.pk)
    task.settled_by = by
    for name, value in _settled(answers, by and by.pk, note[:500], now).items():
        setattr(task, name, value)


@prepared
def _record(pk: int) -> QuerySet[Record]:
    return Record.objects.filter(pk=pk)


def _settled(answers: dict[str, Any], by: int | None, note: str, now: datetime) -> dict[str, Any]:
    return {
        "state": Task.State.DONE,
        "answers": answers,
        "settled_by_id": by,
        "settled_note": note,
        "settled_at": now,
    }


@prepared_update
def _settle(
    task: int, answers: dict, by: int | None, note: str, now: datetime
) -> tuple[QuerySet[Task], dict[str, Any]]:
    return Task.objects.filter(pk=task), _settled(answers, by, note, now)


def _columns(record: Record, asked: list[Question], answers: dict[str, Any]) -> dict[str, Any]:
    """Return the record's columns with these answers: labels that no question offers stay as they are."""
    labelled = [question for question in asked if question.kind in (Kind.LABEL, Kind.LABELS)]
    columns: dict[str, Any] = {}
    if labelled:
        offered = {value for question in labelled for value in values.label_values(question)}
        given = [answers.get(question.name) or [] for question in labelled]
        chosen = {label for one in given for label in ([one] if isinstance(one, str) else one)}
        columns["labels"] = sorted((set(record.labels) - offered) | chosen)
    texts = {}
    for question in asked:
        if question.kind == Kind.TEXT and isinstance(text := answers.get(question.name), str):
            piece = targets.piece(record, str(question.options.get("piece", "")))
            if piece is not None:
                texts[piece.name] = text
    return columns | (record_pieces.with_texts(record, texts) if texts else {})


def kinds(dataset: Dataset) -> dict[str, str]:
    """Return the kind of each question by its name, in their order."""
    return {question.name: question.kind for question in questions.of(dataset)}
