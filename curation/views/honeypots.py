"""Pages: records with known answers, which editors make and end. Annotators see nothing of them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from atelier.accounts.access import child_or_404
from curation.annotation import honeypots, queue, targets
from curation.filters import Filters
from curation.models import Annotation, Dataset, Question, Record, Task
from curation.views import annotate_form
from curation.views.annotate_tabs import dataset_or_404, frame

LISTED = 200


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The list; the POST makes honeypots of what a search matches, from the labels that those records have."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    if request.method == "POST":
        _make(request, dataset)
        return redirect("curation:honeypots", project_id, dataset_id)
    box = queue.of(dataset) if hasattr(dataset, "queue") else None
    rows = list(honeypots.of(dataset)[: LISTED + 1])
    context = frame(request, dataset, "honeypots") | {
        "rows": [(task, _words(dataset, task)) for task in rows[:LISTED]],
        "more": len(rows) > LISTED,
        "box": box,
        "labelled": dataset.questions.filter(kind__in=["label", "labels"]).exists(),
    }
    return render(request, "curation/honeypots.html", context)


def _make(request: HttpRequest, dataset: Dataset) -> None:
    try:
        chosen = Filters.read({"q": request.POST.get("q", "")})
        rows = honeypots.from_labels(dataset, chosen.records(dataset))
        if not rows:
            raise ValidationError(
                "Nothing that matches has a label of these questions and was not given to anybody yet."
            )
        made = honeypots.mark(dataset, rows)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(
            request, f"{made:,} record{' is a' if made == 1 else 's are'} honeypot{'' if made == 1 else 's'} now."
        )


def _words(dataset: Dataset, task: Task) -> str:
    asked = {question.name: question for question in dataset.questions.all()}
    known = task.known or {}
    return "; ".join(
        f"{asked[n].title}: {annotate_form.words(asked[n], value)}" for n, value in known.items() if n in asked
    )


@require_http_methods(["GET", "POST"])
def record(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Say what the right answers about one record are."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    found: Record = child_or_404(dataset.records.present(), pk)
    found.dataset = dataset
    asked = [question for question in dataset.questions.all() if question.kind != Question.Kind.COMMENT]
    task = Task.objects.filter(record=found).first()
    given = annotate_form.read(asked, request.POST) if request.method == "POST" else (task.known if task else None)
    error = ""
    if request.method == "POST":
        given = _said(asked, found, given or {})
        try:
            honeypots.mark(dataset, [{"record": pk, "answers": given}])
        except ValidationError as wrong:
            error = " ".join(wrong.messages)
        else:
            messages.success(request, f"Record {pk} is a honeypot now.")
            return redirect("curation:honeypots", project_id, dataset_id)
    box = queue.of(dataset)
    box.dataset = dataset
    draft = Annotation(task=Task(queue=box, record=found), record=found, answers=given or {})
    shown = [one for one in annotate_form.shown(draft) if one.question.kind != Question.Kind.COMMENT]
    context = frame(request, dataset, "honeypots") | {"record": found, "shown": shown, "error": error, "task": task}
    return render(request, "curation/honeypot.html", context, status=422 if error else 200)


def _said(asked: list[Question], record: Record, given: dict[str, Any]) -> dict[str, Any]:
    """What the form says. A text comes filled in: left as it is, it says nothing, as do no spans."""
    said = {name: value for name, value in given.items() if value not in ("", [])}
    for question in asked:
        piece = (
            targets.piece(record, str(question.options.get("piece", "")))
            if question.kind == Question.Kind.TEXT
            else None
        )
        if piece is not None and str(said.get(question.name, "")).split() == piece.text.split():
            said.pop(question.name, None)
    return said


@require_POST
def retire(request: HttpRequest, project_id: int, dataset_id: int, task_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    honeypots.retire(child_or_404(honeypots.of(dataset), task_id))
    messages.success(request, "It is given to nobody any more.")
    return redirect("curation:honeypots", project_id, dataset_id)
