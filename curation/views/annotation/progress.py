"""The page of annotators' progress in a dataset's queue. Editors see everybody, others themselves."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from curation.access import dataset_or_404
from curation.annotation import progress
from curation.annotation import queue as queues
from curation.models import Queue
from curation.views.annotation.tabs import frame


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the progress in this dataset, or with `all` in every dataset of the project."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    everything = "all" in request.GET
    which = None if everything else dataset
    only = None if request.project.role.covers("editor") else request.user
    queue = Queue.objects.filter(dataset=dataset).first()
    context = frame(request, dataset, "progress") | {
        "everything": everything,
        "only": only,
        "people": progress.people(request.project, which, only),
        "chart": progress.chart(request.project, which, only),
        "counts": queues.counts(queue) if queue and not everything else None,
    }
    return render(request, "curation/annotation/progress.html", context)
