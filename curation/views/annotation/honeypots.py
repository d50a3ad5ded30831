"""Pages of honeypots, which editors create and retire. Annotators see nothing of them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from atelier.accounts.access import child_or_404
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import honeypots, marks
from curation.annotation import queue as queues
from curation.models import Annotation, Dataset, Question, Record, Task
from curation.records import targets
from curation.search.filters import Filters
from curation.views.annotation import task_form
from curation.views.annotation.tabs import frame

LISTED = 200


@require_GET_POST
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """List the honeypots; the POST makes honeypots of what a search matches, from the labels that those records have."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    if request.method == "POST":
        _make(request, dataset)
        return redirect("curation:honeypots", project_id, dataset_id)
    queue = queues.of(dataset) if hasattr(dataset, "queue") else None
    rows = list(honeypots.of(dataset)[: LISTED + 1])
    context = frame(request, dataset, "honeypots") | {
        "rows": [(task, _words(dataset, task)) for task in rows[:LISTED]],
        "more": len(rows) > LISTED,
        "queue": queue,
        "labelled": dataset.questions.filter(kind__in=["label", "labels"]).exists(),
    }
    return render(request, "curation/annotation/honeypots.html", context)


def _make(request: HttpRequest, dataset: Dataset) -> None:
    try:
        chosen = Filters.read({"q": request.POST.get("q", "")})
        rows = honeypots.from_labels(dataset, chosen.records(dataset))
        if not rows:
            raise ValidationError(
                "No matching record has a label for these questions and has not yet been given to anyone."
            )
        count = honeypots.mark(dataset, rows)
    except ValidationError as error:
        say_error(request, error)
    else:
        messages.success(
            request,
            f"{count:,} record{' is a' if count == 1 else 's are'} control question{'' if count == 1 else 's'} now.",
        )


def _words(dataset: Dataset, task: Task) -> str:
    questions = {question.name: question for question in dataset.questions.all()}
    known = task.known or {}
    return "; ".join(
        f"{questions[n].title}: {task_form.words(questions[n], value)}" for n, value in known.items() if n in questions
    )


@require_GET_POST
def record(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Edit the known answers of one record."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    record: Record = child_or_404(dataset.records.present(), pk)
    record.dataset = dataset
    questions = [question for question in dataset.questions.all() if question.kind != Question.Kind.COMMENT]
    task = Task.objects.filter(record=record).first()
    answers = task_form.read(questions, request.POST) if request.method == "POST" else (task.known if task else None)
    error = ""
    if request.method == "POST":
        answers = _said(questions, record, answers or {})
        try:
            marks.refuse_stale(record, questions, task_form.seen(request.POST))
            honeypots.mark(dataset, [{"record": pk, "answers": answers}])
        except ValidationError as wrong:
            error, answers = " ".join(wrong.messages), marks.kept(questions, answers, wrong)
        else:
            messages.success(request, f"Record {pk} is now a control question.")
            return redirect("curation:honeypots", project_id, dataset_id)
    queue = queues.of(dataset)
    queue.dataset = dataset
    draft = Annotation(task=Task(queue=queue, record=record), record=record, answers=answers or {})
    shown = [one for one in task_form.shown(draft) if one.question.kind != Question.Kind.COMMENT]
    context = frame(request, dataset, "honeypots") | {"record": record, "shown": shown, "error": error, "task": task}
    return render(request, "curation/annotation/honeypot.html", context, status=422 if error else 200)


def _said(asked: list[Question], record: Record, given: dict[str, Any]) -> dict[str, Any]:
    """Return the form's answers. A text comes filled in: left unchanged, it is no answer."""
    spans = {question.name for question in asked if question.kind == Question.Kind.SPANS}
    # An empty list says that there is nothing to mark, and of other kinds nothing at all.
    answers = {name: value for name, value in given.items() if value != "" and (value != [] or name in spans)}
    for question in asked:
        piece = (
            targets.piece(record, str(question.options.get("piece", "")))
            if question.kind == Question.Kind.TEXT
            else None
        )
        if piece is not None and str(answers.get(question.name, "")).split() == piece.text.split():
            answers.pop(question.name, None)
    return answers


@require_POST
def retire(request: HttpRequest, project_id: int, dataset_id: int, task_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    honeypots.retire(child_or_404(honeypots.of(dataset), task_id))
    messages.success(request, "The control question is retired and no longer given to anyone.")
    return redirect("curation:honeypots", project_id, dataset_id)
