"""Page: how far people are in a dataset's queue. Editors see everybody, others themselves."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from curation.annotation import progress, queue
from curation.models import Queue
from curation.views.annotate_tabs import dataset_or_404, frame


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Of this dataset, or with `all` of every dataset of the project."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    everything = "all" in request.GET
    which = None if everything else dataset
    only = None if request.project.role.covers("editor") else request.user
    box = Queue.objects.filter(dataset=dataset).first()
    context = frame(request, dataset, "progress") | {
        "everything": everything,
        "only": only,
        "people": progress.people(request.project, which, only),
        "chart": progress.chart(request.project, which, only),
        "counts": queue.counts(box) if box and not everything else None,
    }
    return render(request, "curation/progress.html", context)
