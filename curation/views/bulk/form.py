"""The page of a bulk action that needs more than a click: its options, the records, and a preview of the changes."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.web import border
from curation import bulk as actions
from curation.access import dataset_or_404
from curation.forms.bulk import FIRST, FORMS, OptionsForm
from curation.models import Dataset
from curation.search.filters import Filters
from curation.views.bulk.pages import LIST, list_query
from curation.views.crumbs import crumbs
from curation.views.datasets.pages import query

TITLES = {
    "label": ("Label", "Label"),
    "unlabel": ("Remove labels", "Remove"),
    "replace": ("Find and replace", "Replace"),
    "mask": ("Mask personal data", "Mask"),
    "fix": ("Fix problems", "Fix"),
    "key": ("Change a key", "Change"),
    "assign": ("Assign", "Assign"),
    "copy": ("Copy to another dataset", "Copy"),
}


def form_for(dataset: Dataset, action: str, data: Any, bound: bool) -> OptionsForm:
    return FORMS[action](data if bound else None, dataset=dataset, initial=FIRST.get(action, {}))


def _asked(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> tuple[Dataset, Filters]:
    if action not in FORMS:
        raise Http404("This action does not exist.")
    dataset = dataset_or_404(request, project_id, dataset_id, needs=actions.role_for(action))
    return dataset, Filters.lenient(request.GET)


def _is_filled(request: HttpRequest) -> bool:
    return any(name.startswith("o-") for name in request.GET)


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> HttpResponse:
    """Show the form of a bulk action. Its URL holds the filters and, after "Preview", what was filled in.

    Nothing changes here.
    """
    dataset, chosen = _asked(request, project_id, dataset_id, action)
    form = form_for(dataset, action, request.GET, _is_filled(request))
    count, exact = chosen.count(dataset)
    filters = query(chosen)
    back = list_query(request)
    more = {LIST: back} if LIST in request.GET else {}
    context = {
        "dataset": dataset,
        "action": action,
        "title": TITLES[action][0],
        "submit": TITLES[action][1],
        "form": form,
        "crumbs": crumbs(request.project, dataset),
        "found": f"{count:,}" + ("" if exact else "+"),
        "is_one": count == 1 and exact,
        "which": _which(dataset, chosen),
        "by_hand": bool(chosen.ids),
        "hidden": [(name, value) for name, values in chosen.as_dict().items() for value in _listed(values)]
        + list(more.items()),
        "has_preview": action in actions.CONTENT,
        "change_url": reverse("curation:change_records", args=[project_id, dataset_id])
        + f"?{filters}"
        + (f"&{urlencode(more)}" if more else ""),
        "list_url": reverse("curation:dataset", args=[project_id, dataset_id]) + f"?{back}",
        "preview": _preview(dataset, action, chosen, form),
    }
    context["count_url"] = _count_url(request, dataset, action, context["preview"])
    return render(request, "curation/bulk/form.html", context, status=422 if form.errors else 200)


def _which(dataset: Dataset, chosen: Filters) -> str:
    """Describe how the records were chosen, as the end of a sentence."""
    if chosen.ids:
        return " that you chose"
    return f" that match the filter ({chosen.words()})" if chosen.narrow else f": all of {dataset.name}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _preview(
    dataset: Dataset, action: str, chosen: Filters, form: OptionsForm, **more: Any
) -> actions.BulkPreview | None:
    """Return the preview; None until the form is complete, or if it has an error, which it then shows."""
    if action not in actions.CONTENT or not form.is_bound or not form.is_valid():
        return None
    try:
        return actions.preview(dataset, action, chosen, form.options(), **more)
    except ValidationError as error:
        form.add_error(None, error)
        return None


def _count_url(request: HttpRequest, dataset: Dataset, action: str, preview: "actions.Preview | None") -> str:
    """Return the URL at which the counting continues."""
    if preview is None or preview.is_whole:
        return ""
    query = request.GET.copy()
    for name in ("after", "looked", "changing", "failing"):
        query[name] = str(getattr(preview, name))
    return (
        reverse("curation:bulk_count", args=[dataset.project_id, dataset.pk, action])
        + f"?{urlencode(list(query.lists()), doseq=True)}"
    )


@require_GET
def count(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> HttpResponse:
    """Count the next stretch; the response requests the one after it until all records were looked at."""
    dataset, chosen = _asked(request, project_id, dataset_id, action)
    form = form_for(dataset, action, request.GET, True)
    preview = _preview(dataset, action, chosen, form, after=_number(request, "after"), examples=0)
    if preview is None:
        raise Http404("Fill in the form first.")
    for name in ("looked", "changing", "failing"):
        setattr(preview, name, getattr(preview, name) + _number(request, name))
    context = {"preview": preview, "count_url": _count_url(request, dataset, action, preview), "goes_on": True}
    return render(request, "curation/bulk/count.html", context)


def _number(request: HttpRequest, name: str) -> int:
    given = request.GET.get(name, "")
    return border.whole(given) or 0
