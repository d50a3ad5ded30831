"""The annotating page: one record, its questions, drafts, submit, skip, back. The next record is fetched ahead."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from curation import history, markdown
from curation.annotation import answers, honeypots, queue
from curation.models import Annotation, Queue, Record
from curation.views import annotate_form, comments
from curation.views.records import shown

SCRIPT = "x-annotate"  # the page's script says with this header that it swaps by itself


def _queue_or_404(request: HttpRequest, project_id: int, dataset_id: int) -> Queue:
    project = project_or_404(request, project_id, needs="annotator")
    dataset = child_or_404(project.datasets.select_related("project"), dataset_id)
    found = Queue.objects.filter(dataset=dataset).first()
    if found is None:
        raise Http404("This dataset has no queue yet.")
    found.dataset = dataset
    return found


@require_GET
@never_cache
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The record that the person holds, or the next; when none waits, a page that says so.

    A browser that goes back asks anew: what it kept is a record that was submitted since.
    """
    box = _queue_or_404(request, project_id, dataset_id)
    annotation = queue.next_task(box, request.user, pick=honeypots.pick)
    return render(request, "curation/annotate.html", _context(request, box, annotation))


@require_POST
def ahead(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The record after the one on screen, as a fragment; 204 when there is none."""
    box = _queue_or_404(request, project_id, dataset_id)
    given = request.POST.get("beside", "")
    beside = int(given) if given.isdecimal() and len(given) < 19 else None
    annotation = queue.next_task(box, request.user, beside=beside, pick=honeypots.pick)
    if annotation is None:
        return HttpResponse(status=204)
    return render(request, "curation/annotate.html#task", _context(request, box, annotation))


@require_POST
def answer(request: HttpRequest, project_id: int, dataset_id: int, annotation_id: str, move: str) -> HttpResponse:
    """Keep a draft, submit, or skip, of a record that the person holds."""
    box = _queue_or_404(request, project_id, dataset_id)
    mine = Annotation.objects.filter(task__queue=box, user=request.user).select_related("task", "record")
    annotation = child_or_404(mine, annotation_id)
    annotation.task.queue, annotation.user = box, request.user
    given = annotate_form.read(list(box.dataset.questions.all()), request.POST)
    try:
        _do(annotation, move, given, request)
    except answers.Lost:
        return _refused(request, box, answers.LOST)
    except ValidationError as error:
        return _faults(request, box, annotation, given, error)
    return _next(request, box)


def _do(annotation: Annotation, move: str, given: dict[str, Any], request: HttpRequest) -> None:
    if move == "skip":
        answers.skip(annotation, request.POST.get("reason", ""))
    elif move == "draft":
        answers.draft(annotation, given, _seconds(request))
    else:
        answers.submit(annotation, given, _seconds(request))


def _seconds(request: HttpRequest) -> float | None:
    try:
        return float(request.POST.get("seconds", ""))
    except ValueError:
        return None  # without the script nobody counts


def _next(request: HttpRequest, box: Queue) -> HttpResponse:
    if SCRIPT in request.headers:
        return JsonResponse({"line": _line(box, request)})
    return redirect("curation:annotate", box.dataset.project_id, box.dataset_id)


def _faults(
    request: HttpRequest, box: Queue, annotation: Annotation, given: dict[str, Any], error: ValidationError
) -> HttpResponse:
    """422: the form with what was sent and a sentence at each question."""
    by_name = (
        {name: " ".join(lines) for name, lines in error.message_dict.items()} if hasattr(error, "error_dict") else {}
    )
    general = "" if by_name else " ".join(error.messages)
    context = _context(request, box, annotation, given, by_name, general)
    template = "curation/annotate.html" + ("#task" if SCRIPT in request.headers else "")
    return render(request, template, context, status=422)


def _refused(request: HttpRequest, box: Queue, sentence: str) -> HttpResponse:
    if SCRIPT in request.headers:
        return JsonResponse({"detail": sentence}, status=409)
    messages.error(request, sentence)
    return redirect("curation:annotate", box.dataset.project_id, box.dataset_id)


@require_POST
def undo(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Take back the last submit or skip, and show that record again."""
    box = _queue_or_404(request, project_id, dataset_id)
    try:
        answers.undo(box, request.user)
    except ValidationError as error:
        return _refused(request, box, " ".join(error.messages))
    messages.info(request, "Taken back: it is open for you again.")
    return redirect("curation:annotate", project_id, dataset_id)


def _thread(record: Record) -> list[dict[str, Any]]:
    """The conversation; what stands among the fields already need not be read twice."""
    thread = [shown(message) for message in record.messages]
    for message in thread:
        message["is_source"] = message["role"] == "user" and message["text"] in record.fields.values()
    return thread


def _line(box: Queue, request: HttpRequest) -> str:
    return f"{queue.today(box, request.user):,} by you today, {queue.left(box, request.user)} left"


def _context(
    request: HttpRequest,
    box: Queue,
    annotation: Annotation | None,
    given: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    general: str = "",
) -> dict[str, Any]:
    dataset = box.dataset
    context: dict[str, Any] = {
        "dataset": dataset,
        "box": box,
        "crumbs": [("Review", reverse("curation:review", args=[dataset.project_id]))],
        "annotation": annotation,
        # The record alone, fetched ahead, shows none of these: what nobody shows is not asked for.
        "line": SimpleLazyObject(lambda: _line(box, request)),
        "guidelines": SimpleLazyObject(lambda: markdown.render(box.guidelines or dataset.project.guidelines)),
        "can_edit": request.project.role.covers("editor"),
        "has_questions": SimpleLazyObject(dataset.questions.exists),
        "can_undo": SimpleLazyObject(lambda: answers.last(box, request.user) is not None),
        "error": general,
    }
    if annotation is not None:
        annotation.task.queue = box
        record = annotation.record
        record.dataset = dataset
        context |= {
            "record": record,
            "shown": annotate_form.shown(annotation, given, errors),
            "fields": [(key, history.readable("", value)) for key, value in record.fields.items()],
            "thread": _thread(record),
            "chosen": [shown(message) for message in record.chosen],
            "rejected": [shown(message) for message in record.rejected],
            **comments.beside(request, record, annotating=True),
        }
    return context
