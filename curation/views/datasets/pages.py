"""Pages of a project's datasets: the list, the table of one, its settings."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import project_or_404
from atelier.web.methods import require_GET_POST
from curation.access import dataset_or_404
from curation.datasets import settings as dataset_settings
from curation.forms.datasets import DatasetForm, DatasetSettingsForm
from curation.models import Dataset, Import, Record
from curation.search import counts as record_counts
from curation.search import empty, facets, filters
from curation.search import pages as search_pages
from curation.search.filters import Filters
from curation.search.query import NAMES, advice, begun
from curation.views.bulk import pages as bulk_pages
from curation.views.crumbs import crumbs
from curation.views.datasets import table

SEARCHED_FROM = 8  # datasets: fewer are seen at a glance
SORT_LABELS = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "changed": "Last changed",
    "longest": "Longest",
    "shortest": "Shortest",
}


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = record_counts.with_counts(project)
    # What a person began and left: else the empty dataset would explain nothing.
    begun = project.imports.filter(confirmed=False, done=0).exclude(status=Import.Status.CANCELLED).order_by("pk")
    unfinished = {job.dataset_id: job for job in begun.only("dataset_id", "status", "file")}
    text = request.GET.get("q", "").strip()[:120]
    context = {
        "rows": [
            (dataset, found, unfinished.get(dataset.pk))
            for dataset, found in rows
            if all(word in f"{dataset.name} {dataset.description}".casefold() for word in text.casefold().split())
        ],
        "asked": text,
        "is_searched": len(rows) >= SEARCHED_FROM,
        "is_empty": not rows,
        "can_edit": project.role.covers("editor"),
    }
    partial = request.htmx and not request.htmx.history_restore_request
    return render(request, "curation/datasets/index.html" + ("#rows" if partial else ""), context)


@require_GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    form = DatasetForm(request.POST or None, project=project)
    if request.method == "POST" and form.is_valid():
        dataset = dataset_settings.create(project, request.user, **form.cleaned_data)
        return redirect("curation:dataset", project.pk, dataset.pk)
    status = 422 if form.errors else 200
    return render(request, "curation/datasets/new.html", {"form": form, "crumbs": crumbs(project)}, status=status)


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Show the table of a dataset. Search, filters, sort and the page's place are all in the URL."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    project = request.project
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
    return render(request, "curation/datasets/dataset.html" + ("#records" if partial else ""), context)


def _note(request: HttpRequest, chosen: Filters, said: str = "") -> HttpResponse:
    """Return only a note on a search that somebody is still typing: the list stays as it is."""
    response = render(request, "curation/datasets/dataset.html#note", {"chosen": chosen, "advice": said})
    response["HX-Retarget"], response["HX-Reswap"], response["HX-Push-Url"] = "#search-note", "innerHTML", "false"
    return response


def _rows(request: HttpRequest, dataset: Dataset, chosen: Filters) -> dict[str, Any]:
    try:
        shown = search_pages.page(
            chosen, dataset, after=request.GET.get("after", ""), before=request.GET.get("before", "")
        )
    except ValidationError:  # a cursor of another sort: begin at the first page
        shown = search_pages.page(chosen, dataset)
    count, exact = shown.count, shown.exact
    text = query(chosen)
    base = request.path + "?" + text
    counts = record_counts.counts_of(shown.kept)
    back = "&" + urlencode({"before": shown.before}) if shown.before else ""
    on = "&" + urlencode({"after": shown.after}) if shown.after else ""
    return {
        "records": table.rows(dataset, shown.records, text),
        "total": f"{count:,}" + ("" if exact else "+"),
        "none_at_all": not count and not chosen.narrow,
        "prev_url": base + back if back else None,
        "next_url": base + on if on else None,
        "further_url": base + (back if request.GET.get("before") else on) if shown.is_short else None,
        "query": text,
        "buttons": bulk_pages.buttons(request.project.role),
        "counts": counts,
        "nothing": None if shown.records else empty.why_empty(chosen, counts),
        "facets": table.shown_facets(request.path, chosen, facets.shown(shown.counts)),
        "facets_of": shown.of,
        "found": f"{count:,}{'' if exact else '+'} record{'' if count == 1 else 's'}",
        "sorts": table.heads(request.path, chosen),
    }


def saved_list(dataset: Dataset) -> list[tuple[str, str]]:
    """Return (name, URL) of the team's saved filters."""
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


@require_GET_POST
def settings(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    project = request.project
    form = DatasetSettingsForm(request.POST or None, dataset=dataset)
    if request.method == "POST" and form.is_valid():
        data = {name: form.cleaned_data[name] for name in ("name", "description", "licence", "shares", "seed")}
        try:
            action = dataset_settings.change(dataset, request.user, **data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return bulk_pages.started(request, action) if action else _saved(request, dataset)
    context = {
        "form": form,
        "dataset": dataset,
        "crumbs": crumbs(project, dataset),
        "splits": record_counts.split_counts(dataset),
    }
    return render(request, "curation/datasets/settings.html", context, status=422 if form.errors else 200)


def _saved(request: HttpRequest, dataset: Dataset) -> HttpResponse:
    messages.success(request, "Saved.")
    return redirect("curation:dataset", dataset.project_id, dataset.pk)
