"""Pages: the datasets of a project, the table of one, its settings and its end."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods

from atelier.accounts.access import child_or_404, project_or_404
from curation import datasets, empty_lists, facets, filters, listing
from curation.filters import Filters
from curation.forms import DatasetForm, DatasetSettingsForm
from curation.models import Dataset, Import, Record
from curation.query import NAMES, advice, begun
from curation.views import bulk, table

GET_POST = require_http_methods(["GET", "POST"])
SEARCHED_FROM = 8  # datasets: fewer are seen at a glance
SORT_LABELS = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "changed": "Changed last",
    "longest": "Longest",
    "shortest": "Shortest",
}


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = datasets.with_counts(project)
    # What a person began and left: else the empty dataset would explain nothing.
    begun = project.imports.filter(confirmed=False, done=0).exclude(status=Import.Status.CANCELLED).order_by("pk")
    unfinished = {job.dataset_id: job for job in begun.only("dataset_id", "status", "file")}
    asked = request.GET.get("q", "").replace("\x00", " ").strip()[:120]
    context = {
        "rows": [
            (dataset, found, unfinished.get(dataset.pk))
            for dataset, found in rows
            if all(word in f"{dataset.name} {dataset.description}".casefold() for word in asked.casefold().split())
        ],
        "asked": asked,
        "is_searched": len(rows) >= SEARCHED_FROM,
        "is_empty": not rows,
        "can_edit": project.role.covers("editor"),
    }
    partial = request.htmx and not request.htmx.history_restore_request
    return render(request, "curation/datasets.html" + ("#rows" if partial else ""), context)


@GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    form = DatasetForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        dataset = datasets.create(project, request.user, **form.cleaned_data)
        return redirect("curation:dataset", project.pk, dataset.pk)
    status = 422 if form.errors else 200
    return render(request, "curation/dataset_new.html", {"form": form, "crumbs": crumbs(project)}, status=status)


def crumbs(project: Any, dataset: Dataset | None = None) -> list[tuple[str, str]]:
    found = [("Data", reverse("curation:data", args=[project.pk]))]
    return [*found, (dataset.name, reverse("curation:dataset", args=[project.pk, dataset.pk]))] if dataset else found


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """The table. Search, filters, sort and the page's place are all in the address."""
    project = project_or_404(request, project_id)
    dataset = child_or_404(project.datasets, dataset_id)
    chosen = Filters.lenient(request.GET)
    typing = bool(request.htmx) and "X-Typing" in request.headers
    if typing and chosen.mistake:
        return _note(request, chosen)
    rows = _rows(request, dataset, chosen)
    if typing and not rows["records"] and (said := begun(chosen.q)):
        return _note(request, chosen, said)
    context = {
        "dataset": dataset,
        "crumbs": crumbs(project),
        "chosen": chosen,
        "advice": advice(chosen.q),
        "selects": _selects(chosen),
        "can_edit": project.role.covers("editor"),
        "can_review": project.role.covers("annotator"),
        "complete_url": reverse("curation:complete_search", args=[project.pk, dataset.pk]),
        "saved": saved_list(dataset),
        "language": [(example, note) for _, example, note in NAMES.values()],
        "import_url": f"{reverse('curation:new_import', args=[project.pk])}?dataset={dataset.pk}",
        **rows,
    }
    partial = request.htmx and not request.htmx.history_restore_request
    return render(request, "curation/dataset.html" + ("#records" if partial else ""), context)


def _note(request: HttpRequest, chosen: Filters, said: str = "") -> HttpResponse:
    """Only what a search that somebody is still typing lacks: the list stays as it is."""
    response = render(request, "curation/dataset.html#note", {"chosen": chosen, "advice": said})
    response["HX-Retarget"], response["HX-Reswap"], response["HX-Push-Url"] = "#search-note", "innerHTML", "false"
    return response


def _rows(request: HttpRequest, dataset: Dataset, chosen: Filters) -> dict[str, Any]:
    try:
        shown = listing.page(chosen, dataset, after=request.GET.get("after", ""), before=request.GET.get("before", ""))
    except ValidationError:  # a cursor of another sort: begin at the first page
        shown = listing.page(chosen, dataset)
    found, exact = shown.count, shown.exact
    asked = query(chosen)
    base = request.path + "?" + asked
    counts = datasets.counts_of(shown.kept)
    back = "&" + urlencode({"before": shown.before}) if shown.before else ""
    on = "&" + urlencode({"after": shown.after}) if shown.after else ""
    return {
        "records": table.rows(dataset, shown.records, asked),
        "total": f"{found:,}" + ("" if exact else "+"),
        "none_at_all": not found and not chosen.narrow,
        "prev_url": base + back if back else None,
        "next_url": base + on if on else None,
        "further_url": base + (back if request.GET.get("before") else on) if shown.is_short else None,
        "query": asked,
        "buttons": bulk.buttons(request.project.role),
        "counts": counts,
        "nothing": None if shown.records else empty_lists.why_empty(chosen, counts),
        "facets": table.shown_facets(request.path, chosen, facets.shown(shown.counts)),
        "facets_of": shown.of,
        "found": f"{found:,}{'' if exact else '+'} record{'' if found == 1 else 's'}",
        "sorts": table.heads(request.path, chosen),
    }


def saved_list(dataset: Dataset) -> list[tuple[str, str]]:
    """(name, address) of the team's filters."""
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    rows = dataset.saved_filters.order_by("name").values_list("name", "filters")
    return [(name, f"{address}?{query(Filters.lenient(kept))}") for name, kept in rows]


def query(chosen: Filters) -> str:
    return urlencode(chosen.as_dict(), doseq=True)


def _selects(chosen: Filters) -> list[dict[str, Any]]:
    def select(name: str, label: str, options: list[tuple[str, str]]) -> dict[str, Any]:
        return {"name": name, "label": label, "value": getattr(chosen, name), "options": options}

    return [
        select("status", "Status", [("", "Any"), *Record.Status.choices, ("deleted", "Deleted")]),
        select("split", "Split", [("", "Any"), *((split, split.capitalize()) for split in filters.SPLITS)]),
        select("problems", "Problems", [("", "Any"), ("some", "With problems"), ("none", "Without")]),
        select("sort", "Sort", list(SORT_LABELS.items())),
    ]


@GET_POST
def settings(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    dataset = child_or_404(project.datasets, dataset_id)
    form = DatasetSettingsForm(request.POST or None, dataset=dataset)
    if request.method == "POST" and form.is_valid():
        data = {name: form.cleaned_data[name] for name in ("name", "description", "licence", "shares", "seed")}
        try:
            action = datasets.change(dataset, request.user, **data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return bulk.started(request, action) if action else _saved(request, dataset)
    context = {
        "form": form,
        "dataset": dataset,
        "crumbs": crumbs(project, dataset),
        "splits": datasets.split_counts(dataset),
    }
    return render(request, "curation/dataset_settings.html", context, status=422 if form.errors else 200)


def _saved(request: HttpRequest, dataset: Dataset) -> HttpResponse:
    messages.success(request, "Saved.")
    return redirect("curation:dataset", dataset.project_id, dataset.pk)
