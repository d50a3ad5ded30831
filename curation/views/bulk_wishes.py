"""The page of a bulk action that needs more than a click: what to do, over which records, and what it would change."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import child_or_404, project_or_404
from curation import bulk as actions
from curation.filters import Filters
from curation.models import Dataset
from curation.views.bulk import LIST, list_query
from curation.views.bulk_forms import FIRST, FORMS, OptionsForm

TITLES = {
    "label": ("Label", "Label them"),
    "unlabel": ("Take labels away", "Take them away"),
    "replace": ("Find and replace", "Replace"),
    "mask": ("Mask personal data", "Mask"),
    "mend": ("Mend problems", "Mend"),
    "assign": ("Assign", "Assign them"),
    "copy": ("Copy to another dataset", "Copy"),
}


def form_for(dataset: Dataset, action: str, data: Any, bound: bool) -> OptionsForm:
    return FORMS[action](data if bound else None, dataset=dataset, initial=FIRST.get(action, {}))


def _asked(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> tuple[Dataset, Filters]:
    if action not in FORMS:
        raise Http404("There is no such action.")
    project = project_or_404(request, project_id, needs=actions.role_for(action))
    chosen = Filters.lenient(request.GET)
    return child_or_404(project.datasets.select_related("project__team"), dataset_id), chosen


def _is_filled(request: HttpRequest) -> bool:
    return any(name.startswith("o-") for name in request.GET)


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> HttpResponse:
    """Its address holds the filters and, after "Preview", what was filled in. Nothing changes here."""
    from curation.views.datasets import crumbs, query  # datasets uses the bulk views for its buttons

    dataset, chosen = _asked(request, project_id, dataset_id, action)
    form = form_for(dataset, action, request.GET, _is_filled(request))
    found, exact = chosen.count(dataset)
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
        "found": f"{found:,}" + ("" if exact else "+"),
        "is_one": found == 1 and exact,
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
    return render(request, "curation/bulk_form.html", context, status=422 if form.errors else 200)


def _which(dataset: Dataset, chosen: Filters) -> str:
    """How the records were chosen, as the end of a sentence."""
    if chosen.ids:
        return " that you chose"
    return f" that match the filter ({chosen.words()})" if chosen.narrow else f": all of {dataset.name}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _preview(dataset: Dataset, action: str, chosen: Filters, form: OptionsForm, **more: Any) -> actions.Preview | None:
    """None until the form says enough, or when it says something wrong, which it then shows."""
    if action not in actions.CONTENT or not form.is_bound or not form.is_valid():
        return None
    try:
        return actions.preview(dataset, action, chosen, form.options(), **more)
    except ValidationError as error:
        form.add_error(None, error)
        return None


def _count_url(request: HttpRequest, dataset: Dataset, action: str, found: "actions.Preview | None") -> str:
    """Where the counting goes on from here."""
    if found is None or found.is_whole:
        return ""
    given = request.GET.copy()
    for name in ("after", "looked", "changing", "failing"):
        given[name] = str(getattr(found, name))
    return (
        reverse("curation:bulk_count", args=[dataset.project_id, dataset.pk, action])
        + f"?{urlencode(list(given.lists()), doseq=True)}"
    )


@require_GET
def count(request: HttpRequest, project_id: int, dataset_id: int, action: str) -> HttpResponse:
    """The next stretch of counting; the answer asks for the one after it until all were looked at."""
    dataset, chosen = _asked(request, project_id, dataset_id, action)
    form = form_for(dataset, action, request.GET, True)
    found = _preview(dataset, action, chosen, form, after=_number(request, "after"), examples=0)
    if found is None:
        raise Http404("Fill in the form first.")
    for name in ("looked", "changing", "failing"):
        setattr(found, name, getattr(found, name) + _number(request, name))
    context = {"preview": found, "count_url": _count_url(request, dataset, action, found), "goes_on": True}
    return render(request, "curation/bulk_count.html", context)


def _number(request: HttpRequest, name: str) -> int:
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 18 else 0
