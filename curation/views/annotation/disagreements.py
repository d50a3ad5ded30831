"""Pages of disputed records, one after the other; each is decided with a note why, and can be reopened."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import adjudication, marks
from curation.models import Dataset, Task
from curation.views.annotation import decision, task_form
from curation.views.annotation.tabs import frame
from curation.views.records import sides

PICK = "pick."
LISTED = 100


@require_GET
def index(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """List what waits to be decided, in the queue's order."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    tasks = adjudication.disputed(dataset)
    rows = list(tasks.select_related("record")[: LISTED + 1])
    shown = rows[:LISTED]
    tasks_and_questions = list(zip(shown, adjudication.differing(dataset, shown), strict=True))
    context = frame(request, dataset, "disagreements") | {"tasks": tasks_and_questions, "more": len(rows) > LISTED}
    return render(request, "curation/annotation/disagreements.html", context)


def _task_or_404(request: HttpRequest, dataset: Dataset, task_id: int) -> Task:
    tasks = Task.objects.filter(queue__dataset=dataset, known__isnull=True).select_related(
        "queue", "record", "settled_by"
    )
    task = child_or_404(tasks, task_id)
    task.queue.dataset = task.record.dataset = dataset
    return task


@require_GET_POST
def page(request: HttpRequest, project_id: int, dataset_id: int, task_id: int) -> HttpResponse:
    """Show the answers side by side; the POST decides and continues with the next."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    task = _task_or_404(request, dataset, task_id)
    if task.state != Task.State.DISPUTED:
        messages.info(
            request,
            "This record is already decided." if task.state == Task.State.DONE else "This record needs answers again.",
        )
        return redirect("curation:record", project_id, dataset_id, task.record_id)
    if request.method == "GET":
        return render(request, "curation/annotation/disagreement.html", _context(request, task))
    picks = {key.removeprefix(PICK): value for key, value in request.POST.items() if key.startswith(PICK)}
    asked = list(dataset.questions.all())
    written = task_form.read(asked, request.POST)
    _, after = adjudication.beside(dataset, task)
    try:
        answers = adjudication.chosen(task, picks, written)
        adjudication.decide(
            task, request.user, answers, request.POST.get("note", ""), seen=task_form.seen(request.POST)
        )
    except ValidationError as error:
        context = _context(request, task, picks, marks.kept(asked, written, error), error)
        return render(request, "curation/annotation/disagreement.html", context, status=422)
    undo = reverse("curation:undo_disagreement", args=[project_id, dataset_id, task.pk])
    messages.success(request, f"Record {task.record_id} is decided.", extra_tags=undo)
    return _onward(project_id, dataset, after)


def _onward(project_id: int, dataset: Dataset, after: Task | None) -> HttpResponse:
    task = after or adjudication.disputed(dataset).first()
    if task is None:
        return redirect("curation:disagreements", project_id, dataset.pk)
    return redirect("curation:disagreement", project_id, dataset.pk, task.pk)


def _context(
    request: HttpRequest,
    task: Task,
    picks: dict[str, Any] | None = None,
    written: dict[str, Any] | None = None,
    error: ValidationError | None = None,
) -> dict[str, Any]:
    dataset = task.queue.dataset
    by_name = {}
    if error is not None and hasattr(error, "error_dict"):
        by_name = {name: " ".join(lines) for name, lines in error.message_dict.items()}
    before, after = adjudication.beside(dataset, task)
    rows = decision.decisions(task, adjudication.issues(task), picks, written, by_name)
    return frame(request, dataset, "disagreements") | {
        "task": task,
        "record": task.record,
        "open": [row for row in rows if row.issue.differs or row.error],
        "agreed": [row for row in rows if not row.issue.differs and not row.error],
        "note": request.POST.get("note", ""),
        "error": " ".join(error.messages) if error and not by_name else "",
        "waiting": adjudication.disputed(dataset).order_by()[:1001].count(),
        "previous_url": _address(dataset, before),
        "next_url": _address(dataset, after),
        **sides(task.record),
    }


def _address(dataset: Dataset, task: Task | None) -> str | None:
    return reverse("curation:disagreement", args=[dataset.project_id, dataset.pk, task.pk]) if task else None


@require_POST
def undo(request: HttpRequest, project_id: int, dataset_id: int, task_id: int) -> HttpResponse:
    """Reopen a decided task, and show it again."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    task = _task_or_404(request, dataset, task_id)
    try:
        adjudication.reopen(task, request.user)
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:record", project_id, dataset_id, task.record_id)
    messages.info(request, "Decision undone. The record is waiting to be decided again.")
    return redirect("curation:disagreement", project_id, dataset_id, task.pk)
