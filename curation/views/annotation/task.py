"""The annotation page: one record, its questions, drafts, submit, skip, undo. The next record is loaded ahead."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.web import border, markdown
from curation.access import dataset_or_404
from curation.annotation import answers, honeypots, marks
from curation.annotation import queue as queues
from curation.models import Annotation, Question, Queue, Record, SpanTrail
from curation.records import history
from curation.views.annotation import comments, task_form
from curation.views.records import shown

SCRIPT = "x-annotate"  # the page's script says with this header that it swaps by itself


def _queue_or_404(request: HttpRequest, project_id: int, dataset_id: int) -> Queue:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    queue = Queue.objects.filter(dataset=dataset).first()
    if queue is None:
        raise Http404("This dataset has no queue yet.")
    queue.dataset = dataset
    return queue


@require_GET
@never_cache
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the record that the person holds, or the next one; if none waits, a page that says so.

    A browser that goes back requests the page again: what it cached is a record that was submitted since.
    """
    queue = _queue_or_404(request, project_id, dataset_id)
    annotation = queues.next_task(queue, request.user, pick=honeypots.pick)
    return render(request, "curation/annotation/task.html", _context(request, queue, annotation))


@require_POST
def ahead(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Return the record after the one on screen, as a fragment; 204 if there is none."""
    queue = _queue_or_404(request, project_id, dataset_id)
    beside = border.whole(request.POST.get("beside"))
    annotation = queues.next_task(queue, request.user, beside=beside, pick=honeypots.pick)
    if annotation is None:
        return HttpResponse(status=204)
    return render(request, "curation/annotation/task.html#task", _context(request, queue, annotation))


@require_POST
def answer(request: HttpRequest, project_id: int, dataset_id: int, annotation_id: str, move: str) -> HttpResponse:
    """Save a draft, submit, or skip, of a record that the person holds."""
    queue = _queue_or_404(request, project_id, dataset_id)
    mine = Annotation.objects.filter(task__queue=queue, user=request.user).select_related("task", "record")
    annotation = child_or_404(mine, annotation_id)
    annotation.task.queue, annotation.user = queue, request.user
    given = task_form.read(list(queue.dataset.questions.all()), request.POST)
    try:
        _do(annotation, move, given, request)
    except answers.LockLost:
        return _refused(request, queue, answers.LOST)
    except ValidationError as error:
        return _faults(request, queue, annotation, given, error)
    return _next(request, queue)


def _do(annotation: Annotation, move: str, given: dict[str, Any], request: HttpRequest) -> None:
    if move == "skip":
        answers.skip(annotation, request.POST.get("reason", ""))
    elif move == "draft":
        answers.draft(annotation, given, _seconds(request), task_form.seen(request.POST))
    else:
        answers.submit(annotation, given, _seconds(request), task_form.seen(request.POST))


def _seconds(request: HttpRequest) -> float | None:
    return border.number(request.POST.get("seconds"), 0, 1e9)  # None without the script: nobody counts


def _next(request: HttpRequest, queue: Queue) -> HttpResponse:
    if SCRIPT in request.headers:
        return JsonResponse({"line": _line(queue, request)})
    return redirect("curation:annotate", queue.dataset.project_id, queue.dataset_id)


def _faults(
    request: HttpRequest, queue: Queue, annotation: Annotation, given: dict[str, Any], error: ValidationError
) -> HttpResponse:
    """Return 422: the form with what was sent and a sentence at each question."""
    by_name = (
        {name: " ".join(lines) for name, lines in error.message_dict.items()} if hasattr(error, "error_dict") else {}
    )
    general = "" if by_name else " ".join(error.messages)
    if general:  # the record has changed: what was marked has moved with its text, and is the draft
        given = {**given, **{name: annotation.answers.get(name) for name in given if name in _spans_of(annotation)}}
    context = _context(request, queue, annotation, given, by_name, general)
    template = "curation/annotation/task.html" + ("#task" if SCRIPT in request.headers else "")
    return render(request, template, context, status=422)


def _spans_of(annotation: Annotation) -> set[str]:
    asked = annotation.task.queue.dataset.questions.all()
    return {question.name for question in asked if question.kind == Question.Kind.SPANS}


def _refused(request: HttpRequest, queue: Queue, sentence: str) -> HttpResponse:
    if SCRIPT in request.headers:
        return JsonResponse({"detail": sentence}, status=409)
    messages.error(request, sentence)
    return redirect("curation:annotate", queue.dataset.project_id, queue.dataset_id)


@require_POST
def undo(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Undo the last submit or skip, and show that record again."""
    queue = _queue_or_404(request, project_id, dataset_id)
    try:
        answers.undo(queue, request.user)
    except ValidationError as error:
        return _refused(request, queue, " ".join(error.messages))
    messages.info(request, "Undone. The record is open for you again.")
    return redirect("curation:annotate", project_id, dataset_id)


def _thread(record: Record) -> list[dict[str, Any]]:
    """Return the conversation without what is already shown among the fields."""
    thread = [shown(message) for message in record.messages]
    for message in thread:
        message["is_source"] = message["role"] == "user" and message["text"] in record.fields.values()
    return thread


def _line(queue: Queue, request: HttpRequest) -> str:
    return f"{queues.today(queue, request.user):,} by you today, {queues.left(queue, request.user)} left"


def _context(
    request: HttpRequest,
    queue: Queue,
    annotation: Annotation | None,
    given: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    general: str = "",
) -> dict[str, Any]:
    dataset = queue.dataset
    context: dict[str, Any] = {
        "dataset": dataset,
        "queue": queue,
        "crumbs": [("Review", reverse("curation:review", args=[dataset.project_id]))],
        "annotation": annotation,
        # The record alone, fetched ahead, shows none of these: what nobody shows is not asked for.
        "line": SimpleLazyObject(lambda: _line(queue, request)),
        "guidelines": SimpleLazyObject(lambda: markdown.render(queue.guidelines or dataset.project.guidelines)),
        "can_edit": request.project.role.covers("editor"),
        "has_questions": SimpleLazyObject(dataset.questions.exists),
        "can_undo": SimpleLazyObject(lambda: answers.last(queue, request.user) is not None),
        "error": general,
    }
    if annotation is not None:
        annotation.task.queue = queue
        record = annotation.record
        record.dataset = dataset
        context |= {
            "record": record,
            "aside": marks.aside(
                SpanTrail.objects.filter(annotation=annotation, aside_count__gt=0).select_related(
                    "question", "annotation", "record"
                )
            ),
            "shown": task_form.shown(annotation, given, errors),
            "fields": [(key, history.readable("", value)) for key, value in record.fields.items()],
            "thread": _thread(record),
            "chosen": [shown(message) for message in record.chosen],
            "rejected": [shown(message) for message in record.rejected],
            **comments.beside(request, record, annotating=True),
        }
    return context
