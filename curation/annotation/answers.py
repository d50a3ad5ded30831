"""Annotations of people: drafts, submitting, skipping, undoing; and the one place where answers become the record's."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from atelier.accounts.models import User
from atelier.database.prepared import prepared, prepared_update
from atelier.web import border
from atelier.webhooks import events
from curation.annotation import marks, measures, questions, settling, values
from curation.annotation import queue as queues
from curation.models import Annotation, Assignment, Dataset, Question, Queue, Record, SpanTrail, Task
from curation.records import spans

State, Holder = Annotation.State, SpanTrail.Holder
Kind = Question.Kind
MAX_SECONDS = 24 * 3600
LOST = "Your time on this record ran out and it went to someone else. Your draft is saved."


class LockLost(Exception):
    """The lock on a record expired and its place was given to somebody else."""


def draft(
    annotation: Annotation, given: dict[str, Any], seconds: float | None = None, seen: int | None = None
) -> dict[str, Any]:
    """Save a draft of the answers and renew the lock. Returns what was saved. Raises LockLost, with the draft saved too.

    `seen` is the record's revision that the spans were marked in, unless it is the one that the person was given.
    """
    asked = questions.of(annotation.task.queue.dataset)
    with transaction.atomic():
        _keep_text(annotation, asked)
        if _is_changed(annotation, asked, seen):
            given = marks.followed(annotation, asked, given, seen or annotation.record_revision)
        sound_answers = values.sound(asked, given, annotation.record)
        written: dict[str, Any] = {"answers": sound_answers} | _time(annotation, seconds)
        mine = Annotation.objects.filter(pk=annotation.pk, state__in=[State.OPEN, State.EXPIRED])
        if not mine.update(**written):
            raise LockLost
        if _marks(asked):
            spans.rebase(annotation.pk)
    annotation.answers = sound_answers
    if not queues.retake(annotation.task.queue, annotation):
        raise LockLost
    queues.renew(annotation.task.queue, annotation)
    return sound_answers


def submit(
    annotation: Annotation, given: dict[str, Any], seconds: float | None = None, seen: int | None = None
) -> Annotation:
    """Submit the person's answers. Raises ValidationError by question, and LockLost.

    Submitting the same again changes nothing. Once all that were wanted are there, the task is settled. `seen` is as in
    `draft`.
    """
    task = annotation.task
    asked = questions.of(task.queue.dataset)
    if annotation.state == State.SUBMITTED and _is_repeated(annotation, asked, given):
        return annotation
    _refuse_changed(annotation, asked, given, seen)
    clean = values.clean_all(asked, given, annotation.record)
    if not queues.retake(task.queue, annotation):
        draft(annotation, given, seen=seen)
        raise LockLost
    with transaction.atomic():
        if _marks(asked):  # all answers to the record before its task: a text that becomes the record's moves them all
            spans.hold(task.queue.dataset_id, [task.record_id])
        written = _enter(annotation, clean, seconds)
        task.submitted, task.wanted, task.state, revision = _counts(task.pk)[0]
        if revision != annotation.record.revision and marks.refer_to_text(asked):
            raise ValidationError("This record was changed just now. Read it again, then submit.")
        if task.submitted >= task.wanted and task.state == Task.State.OPEN:
            settling.settle(task, annotation.user)
        if _marks(asked):  # they have moved with a text that became the record's
            written["answers"] = Annotation.objects.values_list("answers", flat=True).get(pk=annotation.pk)
        _tell(annotation)
    for name, value in written.items():  # only once it is committed: who tries again must not see what was rolled back
        setattr(annotation, name, value)
    return annotation


def _is_repeated(annotation: Annotation, asked: list[Question], given: dict[str, Any]) -> bool:
    """Return whether these answers are the submitted ones, which may have moved along with their text since."""
    clean, submitted = values.clean_all(asked, given), dict(annotation.answers)
    if clean == submitted:
        return True
    names = {question.pk: question.name for question in _marks(asked)}
    for trail in annotation.span_trails.exclude(text_hash="") if names else []:
        submitted[names[trail.question_id]] = trail.marked
    return clean == submitted


def _marks(asked: list[Question]) -> list[Question]:
    return [question for question in asked if question.kind == Kind.SPANS]


def _enter(annotation: Annotation, answers: dict[str, Any], seconds: float | None) -> dict[str, Any]:
    """Write the annotation and count it. Returns what was written. Raises LockLost."""
    task, now = annotation.task, timezone.now()
    is_right = None if task.known is None else _agree(task, answers)
    took = _time(annotation, seconds).get("seconds", annotation.seconds)
    if not _write(annotation.pk, answers, now, is_right, took):
        raise LockLost
    if _marks(questions.of(task.queue.dataset)):
        spans.forget(task.record_id, Holder.ANNOTATION, annotation.pk)
    _count(task.pk)
    _assigned_done(task.pk, annotation.user_id)
    return _written(answers, now, is_right, took)


def _written(answers: dict[str, Any], now: datetime, is_right: bool | None, seconds: float) -> dict[str, Any]:
    written = {"state": State.SUBMITTED, "answers": answers, "submitted_at": now, "expires_at": None}
    written |= {"review": Annotation.Review.NONE}  # what was sent back is to be looked at anew
    return written | {"is_right": is_right, "seconds": seconds}


@prepared_update
def _write(
    pk: int, answers: dict, now: datetime, is_right: bool | None, seconds: float
) -> tuple[QuerySet[Annotation], dict[str, Any]]:
    return Annotation.objects.filter(pk=pk, state=State.OPEN), _written(answers, now, is_right, seconds)


@prepared_update
def _count(task: int) -> tuple[QuerySet[Task], dict[str, Any]]:
    return Task.objects.filter(pk=task), {"submitted": F("submitted") + 1}


@prepared
def _counts(task: int) -> "QuerySet[Task, tuple[int, int, str, int]]":
    return Task.objects.filter(pk=task).values_list("submitted", "wanted", "state", "record__revision")


@prepared_update
def _assigned_done(task: int, user: int | None) -> tuple[QuerySet[Assignment], dict[str, Any]]:
    return Assignment.objects.filter(task=task, user=user), {"done": True}


def _time(annotation: Annotation, seconds: float | None) -> dict[str, float]:
    """Return the seconds that the browser counted, without the pauses, bounded by the time since the annotation was created."""
    if seconds is None or not 0 <= seconds < MAX_SECONDS:
        return {}
    return {"seconds": round(max(min(seconds, (timezone.now() - annotation.created_at).total_seconds()), 0), 1)}


def _keep_text(annotation: Annotation, asked: list[Question]) -> None:
    """Let nobody change the text that spans are marked in until the transaction ends, and read it as it is by now."""
    if not _marks(asked):
        return
    spans.hold(annotation.task.queue.dataset_id, [annotation.record_id])
    if Record.objects.values_list("revision", flat=True).get(pk=annotation.record_id) != annotation.record.revision:
        annotation.record.refresh_from_db(fields=["revision", *spans.COLUMNS])


def _is_changed(annotation: Annotation, asked: list[Question], seen: int | None) -> bool:
    """Return whether somebody has changed the text that was read."""
    return marks.is_stale(annotation.record, asked, seen or annotation.record_revision)


def _refuse_changed(
    annotation: Annotation, asked: list[Question], given: dict[str, Any], seen: int | None = None
) -> None:
    """Raise ValidationError if the text has changed since it was read, with the answers as a draft for the text as it is."""
    if not _is_changed(annotation, asked, seen):
        return
    record = annotation.record
    with transaction.atomic():
        _keep_text(annotation, asked)
        moved = marks.followed(annotation, asked, given, seen or annotation.record_revision)
        draft = values.sound(asked, moved, record)
        mine = Annotation.objects.filter(pk=annotation.pk, state__in=[State.OPEN, State.EXPIRED])
        mine.update(answers=draft, record_revision=record.revision)
    annotation.answers, annotation.record_revision = draft, record.revision
    raise ValidationError("This record was changed while you answered. Read it again, then submit.")


def _tell(annotation: Annotation) -> None:
    dataset = annotation.task.queue.dataset
    body = {
        "dataset": dataset.pk,
        "record": annotation.record_id,
        "annotation": annotation.pk,
        "author": annotation.author,
        "state": annotation.task.state,
    }
    events.emit(dataset.project, "submitted", body)


def skip(annotation: Annotation, reason: str) -> Annotation:
    """Skip a record, with the reason, so that somebody else gets it. Raises LockLost when it is not held."""
    with transaction.atomic():
        reason = border.text(reason, "The reason").strip()[:300]
        held = Annotation.objects.filter(pk=annotation.pk, state__in=[State.OPEN, State.EXPIRED])
        was = held.select_for_update().values_list("state", flat=True).first()
        if was is None:
            raise LockLost
        held.update(state=State.SKIPPED, skip_reason=reason, submitted_at=timezone.now(), expires_at=None)
        if was == State.OPEN:
            queues.give_back(annotation.task_id)
        Assignment.objects.filter(task=annotation.task_id, user=annotation.user).update(done=True)
    annotation.state, annotation.skip_reason = State.SKIPPED, reason
    return annotation


# --- taking back -----------------------------------------------------------------------------------


def last(queue: Queue, user: User) -> Annotation | None:
    """Return the annotation that the person submitted or skipped last in this queue."""
    done = Annotation.objects.filter(task__queue=queue, user=user, state__in=[State.SUBMITTED, State.SKIPPED])
    return done.select_related("record", "task__queue__dataset__project").order_by("-submitted_at", "-pk").first()


def undo(queue: Queue, user: User) -> Annotation:
    """Undo the person's last submit or skip: the record is open for them again, with its answers. Raises ValidationError."""
    annotation = last(queue, user)
    if annotation is None:
        raise ValidationError("You have nothing to undo here.")
    with transaction.atomic():
        spans.hold(queue.dataset_id, [annotation.record_id])
        # The annotation's row before the task's, as everywhere.
        annotation = Annotation.objects.select_for_update(of=("self",)).get(pk=annotation.pk)
        task = (
            Task.objects.select_for_update(of=("self",))
            .select_related("queue__dataset", "record")
            .get(pk=annotation.task_id)
        )
        if annotation.state == State.SUBMITTED:
            _unsettle(task, annotation, user)
            annotation.refresh_from_db(fields=["answers"])  # its spans are back where they were
            Task.objects.filter(pk=task.pk).update(submitted=F("submitted") - 1)
        elif annotation.state == State.SKIPPED:
            if task.state != Task.State.OPEN or not queues.take(task):
                raise ValidationError("Someone else has this record now, so it cannot come back to you.")
        else:
            raise ValidationError("This is already undone.")
        annotation.state, annotation.submitted_at, annotation.skip_reason = State.OPEN, None, ""
        annotation.review, annotation.is_right = Annotation.Review.NONE, None
        annotation.record_revision = Record.objects.values_list("revision", flat=True).get(pk=task.record_id)
        annotation.save()
        Assignment.objects.filter(task=task, user=user).update(done=False)
        return queues.renew(queue, annotation)


def _unsettle(task: Task, annotation: Annotation, user: User) -> None:
    """Reopen a settled task if only this person's submit settled it. Raises ValidationError."""
    if annotation.review:
        raise ValidationError("Your answer was already reviewed. Ask the reviewer to send it back.")
    if task.state == Task.State.DONE:
        if task.settled_by_id != user.pk or task.settled_note:
            raise ValidationError("This record is already decided, so your answer cannot be undone.")
        settling.put_back(task.record, user, user, task.settled_at)
    Task.objects.filter(pk=task.pk).update(
        state=Task.State.OPEN, answers={}, settled_by=None, settled_note="", settled_at=None
    )
    spans.forget(task.record_id, Holder.FINAL)


def _agree(task: Task, answers: dict[str, Any]) -> bool:
    """Return whether the answers equal the known ones of a honeypot."""
    asked = {name: kind for name, kind in settling.kinds(task.queue.dataset).items() if name in task.known}
    return not measures.differing(asked, [task.known, answers], task.queue.tolerance)


# --- who sees what ---------------------------------------------------------------------------------


def readable(dataset: Dataset, user: User) -> QuerySet[Annotation]:
    """Return the annotations whose answers this person may read.

    They are their own, those of settled or disputed tasks, and those of tasks that they submitted themselves. Open
    tasks are blind, to editors too, for they may be given them next.
    """
    done = Task.objects.filter(queue__dataset=dataset).exclude(state=Task.State.OPEN)
    past = Annotation.objects.filter(task__queue__dataset=dataset, user=user, state=State.SUBMITTED)
    every = Annotation.objects.filter(task__queue__dataset=dataset)
    others = Q(state=State.SUBMITTED) & (Q(task__in=done) | Q(task__in=past.values("task")))
    return every.filter(Q(user=user) | others)
