"""What stands around the search of a list: completion while typing, and the filters that the team keeps."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from curation import completion, saved_filters
from curation.filters import Filters
from curation.models import Dataset
from curation.views.datasets import crumbs, query

GET_POST = require_http_methods(["GET", "POST"])


@require_GET
def complete(request: HttpRequest, project_id: int, dataset_id: int) -> JsonResponse:
    """What the text up to the caret may go on with."""
    dataset = child_or_404(project_or_404(request, project_id).datasets.select_related("project__team"), dataset_id)
    found = completion.complete(dataset, request.GET.get("q", "")[:500].replace("\x00", " "))
    return JsonResponse({"items": [vars(one) for one in found]})


@GET_POST
def index(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The team's filters; a POST keeps the one of the address under a name."""
    project = project_or_404(request, project_id, needs="editor" if request.method == "POST" else "viewer")
    dataset = child_or_404(project.datasets, dataset_id)
    chosen = Filters.lenient(request.GET)
    if request.method == "POST":
        try:
            saved = saved_filters.save(dataset, request.user, request.POST.get("name", ""), chosen)
        except ValidationError as error:
            return render(request, "curation/saved_filters.html", _context(request, dataset, chosen, error), status=422)
        messages.success(request, f"{saved.name} is saved for the team.")
        return redirect(f"{reverse('curation:dataset', args=[project.pk, dataset.pk])}?{query(chosen)}")
    return render(request, "curation/saved_filters.html", _context(request, dataset, chosen))


def _context(
    request: HttpRequest, dataset: Dataset, chosen: Filters, error: ValidationError | None = None
) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "crumbs": crumbs(request.project, dataset),
        "chosen": chosen,
        "what": chosen.words() if chosen.narrow else "",
        "query": query(chosen),
        "error": " ".join(error.messages) if error else "",
        "rows": listed(dataset),
        "can_edit": request.project.role.covers("editor"),
    }


def listed(dataset: Dataset) -> list[dict[str, Any]]:
    """The saved filters with their addresses, by name."""
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    found = [(saved, Filters.lenient(saved.filters)) for saved in dataset.saved_filters.order_by("name")]
    return [{"saved": one, "url": f"{address}?{query(chosen)}", "what": chosen.words()} for one, chosen in found]


@require_POST
def rename(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = child_or_404(project_or_404(request, project_id, needs="editor").datasets, dataset_id)
    try:
        saved = saved_filters.rename(child_or_404(dataset.saved_filters, pk), request.POST.get("name", ""))
        messages.success(request, f"It is called {saved.name} now.")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("curation:saved_filters", project_id, dataset_id)


@require_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = child_or_404(project_or_404(request, project_id, needs="editor").datasets, dataset_id)
    saved = child_or_404(dataset.saved_filters, pk)
    saved.delete()
    messages.success(request, f"The filter {saved.name} is deleted; its records stay.")
    return redirect("curation:saved_filters", project_id, dataset_id)
