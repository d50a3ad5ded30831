"""The review step: a reviewer accepts submitted annotations, sends them back or corrects them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from atelier.accounts import members
from atelier.accounts.models import User
from atelier.web import border
from curation.annotation import adjudication, assignments, settling
from curation.models import Annotation, Assignment, Dataset, Mention, Record, Task
from curation.records import spans

Review = Annotation.Review
State = Annotation.State
MOST_COMMENT = 1_000


def waiting(
    dataset: Dataset, person: str = "", question: str = "", review: str | None = Review.NONE
) -> QuerySet[Annotation]:
    """Return the annotations to review, oldest first: submitted answers of settled and disputed tasks.

    So nobody sees the answers of a record that they may be given themselves. Honeypots are not reviewed. `review` None
    means any review.
    """
    rows = Annotation.objects.filter(task__queue__dataset=dataset, state=State.SUBMITTED, task__known__isnull=True)
    rows = rows.exclude(task__state=Task.State.OPEN).filter(record__deleted_at=None)
    rows = rows.filter(author=person) if person else rows
    rows = rows.filter(answers__has_key=question) if question else rows
    rows = rows.filter(review=review) if review is not None else rows
    return rows.select_related("record__dataset", "user", "reviewed_by", "task__queue").order_by("pk")


def accept(annotation: Annotation, by: User) -> Annotation:
    """Accept an annotation. Raises ValidationError if it was sent back or undone since."""
    return _mark(annotation, by, Review.ACCEPTED, "")


def unmark(annotation: Annotation, by: User) -> Annotation:
    """Undo an acceptance: the annotation waits for review again."""
    return _mark(annotation, by, Review.NONE, "")


def correct(
    annotation: Annotation, by: User, answers: dict[str, Any], note: str, seen: int | None = None
) -> Annotation:
    """Correct an annotation: other answers become final for the record; the person's own are kept.

    Raises ValidationError by question. `seen` is the revision of the record that the person saw.
    """
    annotation.task.queue.dataset = annotation.record.dataset
    with transaction.atomic():
        adjudication.decide(
            annotation.task, by, answers, note or f"corrected the answer of {annotation.author}", again=True, seen=seen
        )
        return _mark(annotation, by, Review.CORRECTED, note)


def _mark(annotation: Annotation, by: User, review: str, note: str) -> Annotation:
    written: dict[str, Any] = {"review": review, "reviewed_by": by, "reviewed_at": timezone.now()}
    if note.strip():  # what it was sent back with stays, and is counted
        written["review_note"] = note.strip()[:MOST_COMMENT]
    if not Annotation.objects.filter(pk=annotation.pk, state=State.SUBMITTED).update(**written):
        raise ValidationError("This record is being answered again, because its answer was undone or sent back.")
    for name, value in written.items():
        setattr(annotation, name, value)
    return annotation


def send_back(annotation: Annotation, by: User, comment: str) -> Annotation:
    """Send an annotation back: the person gets the record before any other, with the comment, and is notified.

    Raises ValidationError.

    What became final because of this answer is undone, if nobody has changed the record since.
    """
    comment = border.text(comment, "The note").strip()[:MOST_COMMENT]
    if not comment:
        raise ValidationError("Write what to improve. The annotator sees it beside the record.")
    if annotation.user is None:
        raise ValidationError(
            "This answer was imported, or its author's account was deleted. Correct the answer instead."
        )
    team = annotation.record.dataset.project.team_id
    with transaction.atomic():
        members.hold(team)
        if not assignments.people(team).filter(pk=annotation.user_id).exists():
            raise ValidationError(f"{annotation.author} can no longer annotate here. Correct the answer instead.")
        spans.hold(annotation.record.dataset_id, [annotation.record_id])
        # The annotation's row before the task's, as everywhere.
        now = Annotation.objects.select_for_update(of=("self",)).get(pk=annotation.pk)
        task = Task.objects.select_for_update(of=("self",)).select_related("record", "settled_by").get(pk=now.task_id)
        if now.state != State.SUBMITTED or task.known is not None:
            raise ValidationError(
                "This answer cannot be sent back, because the record is already being answered again or is a control question."
            )
        if task.state == Task.State.DONE:
            _put_back(task, by)
            now.refresh_from_db(fields=["answers"])  # its spans are back where they were
        adjudication.unsettled(task.pk, Task.State.OPEN)
        Task.objects.filter(pk=task.pk).update(submitted=F("submitted") - 1)
        _open(now, by, comment)
        Mention.objects.create(
            user=annotation.user, record=task.record, line=f"{by} sent your answer back: {comment}"[:300]
        )
    annotation.refresh_from_db()
    return annotation


def _put_back(task: Task, by: User) -> None:
    try:
        with transaction.atomic():
            settling.put_back(task.record, by, task.settled_by, task.settled_at)
    except ValidationError:
        return  # somebody changed the record since: their work stays, the new answer will stand over it


def _open(annotation: Annotation, by: User, comment: str) -> None:
    annotation.state, annotation.submitted_at, annotation.expires_at = State.OPEN, None, None
    annotation.review, annotation.review_note = Review.RETURNED, comment
    annotation.reviewed_by, annotation.reviewed_at = by, timezone.now()
    annotation.record_revision = Record.objects.values_list("revision", flat=True).get(pk=annotation.record_id)
    annotation.save()
    Assignment.objects.filter(task=annotation.task_id, user=annotation.user_id).update(done=False)
