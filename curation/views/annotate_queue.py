"""The queue of a dataset: its settings, what is in it, putting records in, assigning them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from curation.annotation import assignments, queue, settings
from curation.filters import Filters
from curation.models import Dataset, Queue, Record
from curation.views.annotate_forms import QueueForm
from curation.views.datasets import crumbs


def _dataset_or_404(request: HttpRequest, project_id: int, dataset_id: int) -> Dataset:
    project = project_or_404(request, project_id, needs="editor")
    return child_or_404(project.datasets.select_related("project"), dataset_id)


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = _dataset_or_404(request, project_id, dataset_id)
    box = Queue.objects.filter(dataset=dataset).first() or Queue(dataset=dataset)
    form = QueueForm(request.POST or None, queue=box)
    if request.method == "POST" and form.is_valid():
        try:
            settings.change(queue.of(dataset), **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, "Saved.")
            return redirect("curation:queue", project_id, dataset_id)
    context = {"form": form, **_context(request, dataset, box)}
    return render(request, "curation/queue_settings.html", context, status=422 if form.errors else 200)


def _context(request: HttpRequest, dataset: Dataset, box: Queue) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "box": box,
        "crumbs": crumbs(request.project, dataset),
        "counts": queue.counts(box) if box.pk else None,
        "unassigned": assignments.unassigned(box) if box.pk and box.assigned_only else "0",
        "questions": dataset.questions.count(),
        "people": assignments.people(request.project.team_id),
        "statuses": Record.Status.choices,
    }


@require_POST
def fill(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Put what the filters of the address or the form match into the queue."""
    dataset = _dataset_or_404(request, project_id, dataset_id)
    try:
        chosen = _chosen(request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        added = queue.fill(dataset, chosen.records(dataset))
        noun = "record is" if added == 1 else "records are"
        messages.success(request, f"{added:,} {noun} in the queue now; what was in it stays as it was.")
    return redirect("curation:queue", project_id, dataset_id)


def _chosen(request: HttpRequest) -> Filters:
    """The filters of a list, from the address, or from the form with its few choices. Raises ValidationError."""
    return Filters.read(request.GET if request.GET else request.POST)


@require_POST
def assign(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Assign what the filters match to the people who are ticked."""
    dataset = _dataset_or_404(request, project_id, dataset_id)
    ticked = set(request.POST.getlist("users"))
    chosen = [user for user in assignments.people(request.project.team_id) if str(user.pk) in ticked]
    evenly = request.POST.get("how") != "all"
    try:
        made = assignments.assign(dataset, _chosen(request).records(dataset), chosen, request.user, evenly)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, f"{made:,} assignment{'' if made == 1 else 's'} made.")
    return redirect(reverse("curation:queue", args=[project_id, dataset_id]))
