"""Pages of a dataset's annotation queue: its settings, what is in it, adding records, assigning them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.annotation import assignments, queue_settings
from curation.annotation import queue as queues
from curation.forms.annotation import QueueForm
from curation.models import Dataset, Queue, Record
from curation.search.filters import Filters
from curation.views.crumbs import crumbs


@require_GET_POST
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    queue = Queue.objects.filter(dataset=dataset).first() or Queue(dataset=dataset)
    form = QueueForm(request.POST or None, queue=queue)
    if request.method == "POST" and form.is_valid():
        try:
            queue_settings.change(queues.of(dataset), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "Saved.")
            return redirect("curation:queue", project_id, dataset_id)
    context = {"form": form, **_context(request, dataset, queue)}
    return render(request, "curation/annotation/queue.html", context, status=422 if form.errors else 200)


def _context(request: HttpRequest, dataset: Dataset, queue: Queue) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "queue": queue,
        "crumbs": crumbs(request.project, dataset),
        "counts": queues.counts(queue) if queue.pk else None,
        "unassigned": assignments.unassigned(queue) if queue.pk and queue.assigned_only else "0",
        "questions": dataset.questions.count(),
        "people": assignments.people(request.project.team_id),
        "statuses": Record.Status.choices,
    }


@require_POST
def fill(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Add what the filters of the URL or the form match to the queue."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        chosen = _chosen(request)
    except ValidationError as error:
        say_error(request, error)
    else:
        added = queues.fill(dataset, chosen.records(dataset))
        noun = "record" if added == 1 else "records"
        messages.success(request, f"{added:,} {noun} added to the queue.")
    return redirect("curation:queue", project_id, dataset_id)


def _chosen(request: HttpRequest) -> Filters:
    """Return the filters of a list, from the URL, or from the form with its few choices. Raises ValidationError."""
    query = request.GET if request.GET else request.POST
    return Filters.read(query, strict=True, besides={"users", "how"})


@require_POST
def assign(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Assign what the filters match to the ticked people."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    ticked = set(request.POST.getlist("users"))
    chosen = [user for user in assignments.people(request.project.team_id) if str(user.pk) in ticked]
    evenly = request.POST.get("how") != "all"
    try:
        count = assignments.assign(dataset, _chosen(request).records(dataset), chosen, request.user, evenly)
    except ValidationError as error:
        say_error(request, error)
    else:
        messages.success(request, f"{count:,} assignment{'' if count == 1 else 's'} created.")
    return redirect(reverse("curation:queue", args=[project_id, dataset_id]))
