"""Views for the search of a list: completion while typing, and the team's saved filters."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.audit import trail
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.models import Dataset
from curation.search import completion
from curation.search import saved as saved_filters
from curation.search.filters import Filters
from curation.views.crumbs import crumbs
from curation.views.datasets.pages import query


@require_GET
def complete(request: HttpRequest, project_id: int, dataset_id: int) -> JsonResponse:
    """Return completions of the text up to the caret."""
    dataset = child_or_404(project_or_404(request, project_id).datasets.select_related("project__team"), dataset_id)
    found = completion.complete(dataset, request.GET.get("q", "")[:500])
    return JsonResponse({"items": [vars(one) for one in found]})


@require_GET_POST
def index(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the team's saved filters; the POST saves the one of the URL under a name."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor" if request.method == "POST" else "viewer")
    project = request.project
    chosen = Filters.lenient(request.GET)
    if request.method == "POST":
        try:
            saved = saved_filters.save(dataset, request.user, request.POST.get("name", ""), chosen)
        except ValidationError as error:
            return render(request, "curation/search/saved.html", _context(request, dataset, chosen, error), status=422)
        messages.success(request, f"{saved.name} was saved for the team.")
        return redirect(f"{reverse('curation:dataset', args=[project.pk, dataset.pk])}?{query(chosen)}")
    return render(request, "curation/search/saved.html", _context(request, dataset, chosen))


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
    """Return the saved filters with their URLs, by name."""
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    found = [(saved, Filters.lenient(saved.filters)) for saved in dataset.saved_filters.order_by("name")]
    return [{"saved": one, "url": f"{address}?{query(chosen)}", "what": chosen.words()} for one, chosen in found]


@require_POST
def rename(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = child_or_404(project_or_404(request, project_id, needs="editor").datasets, dataset_id)
    try:
        saved = saved_filters.rename(child_or_404(dataset.saved_filters, pk), request.POST.get("name", ""))
        messages.success(request, f"The filter is now called {saved.name}.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("curation:saved_filters", project_id, dataset_id)


@require_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = child_or_404(project_or_404(request, project_id, needs="editor").datasets, dataset_id)
    saved = child_or_404(dataset.saved_filters, pk)
    trail.note_deletion(request, saved, request.project, saved.delete)
    messages.success(request, f"The filter {saved.name} was deleted; its records stay.")
    return redirect("curation:saved_filters", project_id, dataset_id)
