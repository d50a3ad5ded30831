"""The page of spans that were set aside because a text lost their words: each is marked again or dropped."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.web import border
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import answers, marks
from curation.views.annotation.tabs import frame

LISTED = 100  # answers on the page


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """List the spans that were set aside, of the answers that the person may read."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    trails = marks.visible(dataset, answers.readable(dataset, request.user))
    rows = list(trails[: LISTED + 1])
    listed = trails.aggregate(count=Sum("aside_count"))["count"] or 0
    context = frame(request, dataset, "aside_spans") | {
        "aside": marks.aside(rows[:LISTED]), "more": len(rows) > LISTED, "hidden": marks.count(dataset) - listed,
    }  # fmt: skip
    return render(request, "curation/annotation/aside_spans.html", context)


@require_POST
def settle(request: HttpRequest, project_id: int, dataset_id: int, trail_id: str, span: str, move: str) -> HttpResponse:
    """Mark a span again at the place that was chosen, or drop it."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    trail = child_or_404(marks.visible(dataset, answers.readable(dataset, request.user)), trail_id)
    try:
        if move == "drop":
            marks.drop(trail, span)
        else:
            marks.mark_again(trail, span, _start(request))
    except ValidationError as error:
        say_error(request, error)
    else:
        messages.success(request, "The span is marked again." if move == "mark" else "The span is dropped.")
    if "from_record" in request.POST:
        return redirect("curation:record", project_id, dataset_id, trail.record_id)
    return redirect(reverse("curation:aside_spans", args=[project_id, dataset_id]))


def _start(request: HttpRequest) -> int:
    """Return the chosen place. Raises ValidationError for none."""
    start = border.whole(request.POST.get("start"))
    if start is None:
        raise ValidationError("Choose where to mark the words again.")
    return start
