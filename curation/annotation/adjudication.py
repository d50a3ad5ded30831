"""Answers that differ: the queue of disputed tasks, deciding them, taking a decision back, and who chose what in the end."""

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from atelier.accounts.models import User
from curation.annotation import agreement, answers, questions, queue, values
from curation.models import Annotation, Dataset, Question, Record, Task

State = Task.State
Kind = Question.Kind
MOST_NOTE = 500


@dataclass
class Said:
    """One answer to a question, and everybody who gave it. `pk` is of the first annotation that has it."""

    pk: int
    value: Any
    people: list[str] = field(default_factory=list)
    stands: bool = False


@dataclass
class Issue:
    """A question of a task with the different answers to it."""

    question: Question
    said: list[Said]
    differs: bool
    stands: Any = None


def disputed(dataset: Dataset) -> QuerySet[Task]:
    """The tasks whose answers differ, in the queue's order."""
    tasks = Task.objects.filter(
        queue__dataset=dataset, state=State.DISPUTED, known__isnull=True, record__deleted_at=None
    )
    return tasks.order_by("place", "pk")


def differing(dataset: Dataset, tasks: list[Task]) -> list[list[str]]:
    """For each of these tasks the titles of the questions whose answers differ."""
    if not tasks:
        return []
    given: dict[int, list[dict[str, Any]]] = {task.pk: [] for task in tasks}
    said = Annotation.objects.filter(task__in=given, state=Annotation.State.SUBMITTED).order_by("pk")
    for task, one in said.values_list("task_id", "answers"):
        given[task].append(one)
    titles = {question.name: question.title for question in questions.of(dataset)}
    kinds, tolerance = answers.kinds(dataset), queue.of(dataset).tolerance
    return [[titles[name] for name in agreement.differing(kinds, given[task.pk], tolerance)] for task in tasks]


def beside(dataset: Dataset, task: Task) -> tuple[Task | None, Task | None]:
    """The disputed task before this one, and the one after it."""
    after = disputed(dataset).filter(place__gte=task.place).exclude(pk=task.pk)
    later = after.exclude(place=task.place, pk__lt=task.pk).first()
    before = (
        disputed(dataset).filter(place__lte=task.place).exclude(pk=task.pk).exclude(place=task.place, pk__gt=task.pk)
    )
    return before.order_by("-place", "-pk").first(), later


def issues(task: Task) -> list[Issue]:
    """Each question with its different answers, those that differ first."""
    dataset = task.queue.dataset
    given = list(task.annotations.filter(state=Annotation.State.SUBMITTED).order_by("pk"))
    found = [_issue(question, given, task) for question in dataset.questions.all()]
    return sorted(found, key=lambda issue: not issue.differs)


def _issue(question: Question, given: list[Annotation], task: Task) -> Issue:
    said: list[Said] = []
    for one in given:
        value = one.answers.get(question.name)
        if value is None and question.kind == Kind.COMMENT:
            continue
        same = next((each for each in said if _same(question, each.value, value)), None)
        if same is None:
            same = Said(one.pk, value, stands=_stands(question, task, value))
            said.append(same)
        same.people.append(one.author)
    kinds = {question.name: question.kind}
    differs = bool(agreement.differing(kinds, [one.answers for one in given], task.queue.tolerance))
    return Issue(question, said, differs, task.answers.get(question.name))


def _same(question: Question, a: Any, b: Any) -> bool:
    """Alike to the letter, comments too: here each is shown."""
    return bool(a == b if question.kind == Kind.COMMENT else agreement.alike(question.kind, a, b))


def _stands(question: Question, task: Task, value: Any) -> bool:
    return task.state == State.DONE and value is not None and _same(question, task.answers.get(question.name), value)


def chosen(task: Task, picks: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
    """The answers that somebody decided for: by question the annotation whose answer is taken, or "new" for what they
    wrote. Where all agree nothing needs to be picked. Raises ValidationError by question for what is not decided."""
    given = {one.pk: one.answers for one in task.annotations.filter(state=Annotation.State.SUBMITTED)}
    decided: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for issue in issues(task):
        name, pick = issue.question.name, str(picks.get(issue.question.name, ""))
        if pick == "new":
            decided[name] = written.get(name)
        elif pick.isdecimal() and len(pick) < 19 and int(pick) in given:
            decided[name] = given[int(pick)].get(name)
        elif pick:
            wrong[name] = "That answer is not there any more: choose again."
        elif issue.differs:
            wrong[name] = "Choose one of the answers, or write a new one."
        elif issue.said and issue.question.kind != Kind.COMMENT:
            decided[name] = issue.said[0].value
    if wrong:
        raise ValidationError(wrong)
    return {name: value for name, value in decided.items() if value is not None}


def decide(task: Task, by: User, given: dict[str, Any], note: str, *, again: bool = False) -> Task:
    """These answers stand, by this person, with the reason. Raises ValidationError.

    Only what is disputed is decided; with `again`, as in a correction, what stands already may be too.
    """
    if task.known is not None:
        raise ValidationError(
            "This record tests people: its answers are known, and what people say of it never stands."
        )
    record = Record.objects.select_related("dataset").get(pk=task.record_id)
    if record.deleted_at is not None:
        raise ValidationError("This record was deleted: restore it first.")
    clean = values.clean_all(task.queue.dataset.questions.all(), given, record)
    allowed = [State.DISPUTED, State.DONE] if again else [State.DISPUTED]
    with transaction.atomic():
        now = Task.objects.select_for_update(of=("self",)).select_related("settled_by").get(pk=task.pk)
        if now.state not in allowed:
            raise ValidationError(_too_late(now))
        answers.stand(task, clean, by, note.replace("\x00", " ").strip()[:MOST_NOTE])
    return task


def _too_late(task: Task) -> str:
    if task.state == State.DONE:
        return f"{task.settled_by or 'Somebody'} settled it meanwhile: its record shows how."
    return "It wants answers again: somebody was sent theirs back."


def reopen(task: Task, by: User) -> Task:
    """Take a decision back: the record is as before, the task disputed again. Raises ValidationError."""
    with transaction.atomic():
        now = Task.objects.select_for_update(of=("self",)).select_related("record", "settled_by").get(pk=task.pk)
        if now.state != State.DONE or now.known is not None or now.submitted < 2:
            raise ValidationError("There is no decision to take back.")
        answers.put_back(now.record, by, now.settled_by, now.settled_at)
        unsettled(now.pk, State.DISPUTED)
    task.refresh_from_db()
    return task


def unsettled(pk: int, state: State) -> None:
    """Nothing stands any more."""
    Task.objects.filter(pk=pk).update(state=state, answers={}, settled_by=None, settled_note="", settled_at=None)


def trail(record: Record) -> Task | None:
    """The settled task of a record, for its page: who said what, what stands and why. None while it is open or a test."""
    task = Task.objects.filter(record=record, state=State.DONE, known__isnull=True).select_related(
        "queue__dataset", "settled_by"
    )
    return task.first()
