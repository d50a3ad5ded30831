"""The page of spans that were set aside because a text lost their words: each is marked again or dropped."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.web import border
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import answers, marks
from curation.models import SpanTrail
from curation.views.annotation.tabs import frame


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """List the spans that were set aside, of the answers that the person may read."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    trails = marks.visible(dataset, answers.readable(dataset, request.user))
    aside = marks.aside(trails[: marks.LISTED + 1], marks.LISTED + 1)
    listed = trails.aggregate(count=Sum("aside_count"))["count"] or 0
    context = frame(request, dataset, "aside_spans") | {
        "aside": aside[: marks.LISTED], "more": len(aside) > marks.LISTED, "hidden": marks.count(dataset) - listed,
    }  # fmt: skip
    return render(request, "curation/annotation/aside_spans.html", context)


@require_POST
def mark(request: HttpRequest, project_id: int, dataset_id: int, trail_id: int, span: str) -> HttpResponse:
    """Mark a span again at the place that was chosen."""
    trail = _trail_or_404(request, project_id, dataset_id, trail_id)
    try:
        marks.mark_again(trail, span, _start(request))
    except ValidationError as error:
        say_error(request, error)
    else:
        messages.success(request, "The span is marked again.")
    return _back(request, trail)


@require_POST
def drop(request: HttpRequest, project_id: int, dataset_id: int, trail_id: int, span: str) -> HttpResponse:
    trail = _trail_or_404(request, project_id, dataset_id, trail_id)
    try:
        marks.drop(trail, span)
    except ValidationError as error:
        say_error(request, error)
    else:
        messages.success(request, "The span is dropped.")
    return _back(request, trail)


def _trail_or_404(request: HttpRequest, project_id: int, dataset_id: int, trail_id: int) -> SpanTrail:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    trail: SpanTrail = child_or_404(marks.visible(dataset, answers.readable(dataset, request.user)), trail_id)
    return trail


def _back(request: HttpRequest, trail: SpanTrail) -> HttpResponse:
    """Redirect to the record or the list, wherever the person came from."""
    args = [trail.record.dataset.project_id, trail.record.dataset_id]
    if "from_record" in request.POST:
        return redirect("curation:record", *args, trail.record_id)
    return redirect("curation:aside_spans", *args)


def _start(request: HttpRequest) -> int:
    """Return the chosen place. Raises ValidationError for none."""
    start = border.whole(request.POST.get("start"))
    if start is None:
        raise ValidationError("Choose where to mark the words again.")
    return start
