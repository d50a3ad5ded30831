"""Adjudication of disputed annotations: the queue of disputed tasks, deciding and reopening them, and who chose what."""

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from atelier.accounts.models import User
from atelier.web import border
from curation.annotation import marks, measures, questions, queue, settling, values
from curation.models import Annotation, Dataset, Question, Record, SpanTrail, Task
from curation.records import spans

State = Task.State
Kind = Question.Kind
MOST_NOTE = 500


@dataclass
class AnswerGroup:
    """An answer to a question and everybody who gave it. `pk` is of the first annotation that has it."""

    pk: int
    value: Any
    people: list[str] = field(default_factory=list)
    stands: bool = False


@dataclass
class DisputedQuestion:
    """A question of a task with the different answers to it."""

    question: Question
    said: list[AnswerGroup]
    differs: bool
    stands: Any = None


def disputed(dataset: Dataset) -> QuerySet[Task]:
    """Return the tasks whose answers differ, in the queue's order."""
    tasks = Task.objects.filter(
        queue__dataset=dataset, state=State.DISPUTED, known__isnull=True, record__deleted_at=None
    )
    return tasks.order_by("place", "pk")


def differing(dataset: Dataset, tasks: list[Task]) -> list[list[str]]:
    """Return, for each of these tasks, the titles of the questions whose answers differ."""
    if not tasks:
        return []
    by_task: dict[int, list[dict[str, Any]]] = {task.pk: [] for task in tasks}
    submitted = Annotation.objects.filter(task__in=by_task, state=Annotation.State.SUBMITTED).order_by("pk")
    for task, answer in submitted.values_list("task_id", "answers"):
        by_task[task].append(answer)
    titles = {question.name: question.title for question in questions.of(dataset)}
    kinds, tolerance = settling.kinds(dataset), queue.of(dataset).tolerance
    return [[titles[name] for name in measures.differing(kinds, by_task[task.pk], tolerance)] for task in tasks]


def beside(dataset: Dataset, task: Task) -> tuple[Task | None, Task | None]:
    """Return the disputed tasks before and after this one."""
    after = disputed(dataset).filter(place__gte=task.place).exclude(pk=task.pk)
    later = after.exclude(place=task.place, pk__lt=task.pk).first()
    before = (
        disputed(dataset).filter(place__lte=task.place).exclude(pk=task.pk).exclude(place=task.place, pk__gt=task.pk)
    )
    return before.order_by("-place", "-pk").first(), later


def issues(task: Task) -> list[DisputedQuestion]:
    """Return each question with its different answers, those that differ first."""
    dataset = task.queue.dataset
    annotations = list(task.annotations.filter(state=Annotation.State.SUBMITTED).order_by("pk"))
    issues = [_issue(question, annotations, task) for question in dataset.questions.all()]
    return sorted(issues, key=lambda issue: not issue.differs)


def _issue(question: Question, annotations: list[Annotation], task: Task) -> DisputedQuestion:
    groups: list[AnswerGroup] = []
    for annotation in annotations:
        value = annotation.answers.get(question.name)
        if value is None and question.kind == Kind.COMMENT:
            continue
        same = next((each for each in groups if _same(question, each.value, value)), None)
        if same is None:
            same = AnswerGroup(annotation.pk, value, stands=_stands(question, task, value))
            groups.append(same)
        same.people.append(annotation.author)
    kinds = {question.name: question.kind}
    differs = bool(measures.differing(kinds, [annotation.answers for annotation in annotations], task.queue.tolerance))
    return DisputedQuestion(question, groups, differs, task.answers.get(question.name))


def _same(question: Question, a: Any, b: Any) -> bool:
    """Return whether two answers are identical to the letter, comments included: on the page each differing one is shown."""
    return bool(a == b if question.kind == Kind.COMMENT else measures.alike(question.kind, a, b))


def _stands(question: Question, task: Task, value: Any) -> bool:
    return task.state == State.DONE and value is not None and _same(question, task.answers.get(question.name), value)


def chosen(task: Task, picks: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """Build the final answers that an adjudicator picked, or raise ValidationError by question for what is not decided.

    `picks` has, by question, the annotation whose answer is taken, or "new" for the one in `written`. Where all agree,
    nothing needs to be picked.
    """
    by_annotation = {
        annotation.pk: annotation.answers for annotation in task.annotations.filter(state=Annotation.State.SUBMITTED)
    }
    decided: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for issue in issues(task):
        name, pick = issue.question.name, str(picks.get(issue.question.name, ""))
        if pick == "new":
            decided[name] = written.get(name)
        elif (chosen := border.whole(pick)) in by_annotation:
            decided[name] = by_annotation[chosen].get(name)
        elif pick:
            wrong[name] = "That answer no longer exists. Choose again."
        elif issue.differs:
            wrong[name] = "Choose one of the answers, or write a new one."
        elif issue.said and issue.question.kind != Kind.COMMENT:
            decided[name] = issue.said[0].value
    if wrong:
        raise ValidationError(wrong)
    return {name: value for name, value in decided.items() if value is not None}


def decide(
    task: Task, by: User, given: dict[str, Any], note: str, *, again: bool = False, seen: int | None = None
) -> Task:
    """Settle a disputed task with these answers, the person who decided and the reason. Raises ValidationError.

    Only disputed tasks can be decided; with `again`, as in a correction, settled ones can be too. `seen` is the revision
    of the record that the person saw.
    """
    if task.known is not None:
        raise ValidationError("This is a control question. Its answers are known, so there is nothing to decide.")
    allowed = [State.DISPUTED, State.DONE] if again else [State.DISPUTED]
    with transaction.atomic():
        spans.hold(task.queue.dataset_id, [task.record_id])  # from here on the text stays as it is read
        record = Record.objects.select_related("dataset").get(pk=task.record_id)
        if record.deleted_at is not None:
            raise ValidationError("This record was deleted. Restore it first.")
        asked = list(task.queue.dataset.questions.all())
        marks.refuse_stale(record, asked, seen)
        clean = values.clean_all(asked, given, record)
        now = Task.objects.select_for_update(of=("self",)).select_related("settled_by").get(pk=task.pk)
        if now.state not in allowed:
            raise ValidationError(_too_late(now))
        settling.stand(task, clean, by, border.text(note, "The note").strip()[:MOST_NOTE])
    return task


def _too_late(task: Task) -> str:
    if task.state == State.DONE:
        return f"{task.settled_by or 'Someone'} has already decided this record. Its page shows how."
    return "This record needs answers again, because an answer was undone or sent back."


def reopen(task: Task, by: User) -> Task:
    """Reopen a decided task: the record is as before, and the task is disputed again. Raises ValidationError."""
    with transaction.atomic():
        spans.hold(task.queue.dataset_id, [task.record_id])
        now = Task.objects.select_for_update(of=("self",)).select_related("record", "settled_by").get(pk=task.pk)
        if now.state != State.DONE or now.known is not None or now.submitted < 2:
            raise ValidationError("There is no decision to undo.")
        settling.put_back(now.record, by, now.settled_by, now.settled_at)
        unsettled(now.pk, State.DISPUTED)
    task.refresh_from_db()
    return task


def unsettled(pk: int, state: State) -> None:
    """Clear a task's final answers and give it this state."""
    Task.objects.filter(pk=pk).update(state=state, answers={}, settled_by=None, settled_note="", settled_at=None)
    SpanTrail.objects.filter(record__task=pk, holder=SpanTrail.Holder.FINAL).delete()


def trail(record: Record) -> Task | None:
    """Return the settled task of a record, for its page: who answered what, the final answers and why.

    None while it is open or a honeypot.
    """
    task = Task.objects.filter(record=record, state=State.DONE, known__isnull=True).select_related(
        "queue__dataset", "settled_by"
    )
    return task.first()
