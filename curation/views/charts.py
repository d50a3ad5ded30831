"""Pages: the charts of a dataset, the points of its map, and the selections drawn on it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.audit import trail
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.charts import figures
from curation.charts import selections as map_selections
from curation.models import Check, Dataset, Selection
from curation.quality import jobs
from curation.views.crumbs import crumbs

HEIGHT = 100  # of the histogram's drawing; a bar is one unit wide
LEAST = 1.5  # of a bar that holds anything at all


def _context(request: HttpRequest, dataset: Dataset, now: str) -> dict[str, Any]:
    args = [dataset.project_id, dataset.pk]
    names = {"charts": "Charts", "selections": "Selections"}
    return {
        "dataset": dataset,
        "crumbs": crumbs(request.project, dataset),
        "tabs": [
            {"label": label, "url": reverse(f"curation:{name}", args=args), "active": name == now, "count": ""}
            for name, label in names.items()
        ],
        "can_edit": request.project.role.covers("editor"),
        "can_review": request.project.role.covers("annotator"),
    }


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id)
    unit = request.GET.get("unit")
    unit = unit if unit in figures.UNITS else "words"
    on_map = figures.on_map(dataset)
    context = {
        "unit": unit,
        "bars": _bars(figures.lengths(dataset, unit)),
        "height": HEIGHT,
        "balances": figures.balances(dataset),
        "groups": figures.groups(dataset),
        "on_map": on_map,
        "waiting": figures.without_place(dataset),
        "part": Check.Part.MAP,
        "last": jobs.last(dataset, Check.Part.MAP),
        "sides": [("left", 0), ("right", 100), ("bottom", 0), ("top", 100)],
        "points_url": reverse("curation:map_points", args=[project_id, dataset_id]),
    }
    return render(request, "curation/charts/charts.html", context | _context(request, dataset, "charts"))


def _bars(bars: list[figures.Bar]) -> list[dict[str, Any]]:
    """Return each bar with its place in the drawing, and its words."""
    most = max((bar.count for bar in bars), default=1) or 1
    heights = [max(LEAST, HEIGHT * bar.count / most) if bar.count else 0 for bar in bars]
    return [
        {
            "bar": bar,
            "words": f"{bar.low:,} and more" if bar.high is None else f"{bar.low:,} to {bar.high:,}",
            "x": place,
            "y": round(HEIGHT - height, 2),
            "height": round(height, 2),
        }
        for place, (bar, height) in enumerate(zip(bars, heights, strict=True))
    ]


@require_GET
def points(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Return the map's points as bytes: see `curation.charts.figures.points`."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    return HttpResponse(figures.points(dataset), content_type="application/octet-stream")


@require_GET
def point(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> JsonResponse:
    """Return what one point is about, without opening its record."""
    dataset = dataset_or_404(request, project_id, dataset_id)
    record = child_or_404(dataset.records.present().only("preview", "status", "split", "words"), pk)
    url = reverse("curation:record", args=[project_id, dataset_id, pk])
    return JsonResponse({
        "preview": record.preview, "status": record.get_status_display(), "split": record.split, "words": record.words, "url": url,
    })  # fmt: skip


@require_POST
def choose(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Create a selection from a line, or a rectangle typed in percent, and show it as a list."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="annotator")
    try:
        line = map_selections.corners(request.POST["polygon"]) if request.POST.get("polygon") else _rectangle(request)
        chosen = map_selections.choose(dataset, request.user, line, request.POST.get("name", ""))
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:charts", project_id, dataset_id)
    messages.success(request, f"{chosen.size:,} record{'' if chosen.size == 1 else 's'} selected on the map.")
    return redirect(_list_url(dataset, chosen))


def _rectangle(request: HttpRequest) -> Any:
    try:
        sides = [float(request.POST.get(name, "")) / 100 for name in ("left", "right", "bottom", "top")]
    except ValueError:
        raise ValidationError("Give all four sides of the rectangle as numbers from 0 to 100.") from None
    return map_selections.rectangle(*sides)


def _list_url(dataset: Dataset, chosen: Selection) -> str:
    address = reverse("curation:dataset", args=[dataset.project_id, dataset.pk])
    return f"{address}?{urlencode({'q': f'in:{chosen.pk}'})}"


@require_GET
def selections(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id)
    rows = [{"selection": one, "url": _list_url(dataset, one)} for one in map_selections.listed(dataset)]
    return render(request, "curation/charts/selections.html", {"rows": rows} | _context(request, dataset, "selections"))


@require_POST
def rename(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    try:
        map_selections.rename(child_or_404(dataset.selections, pk), request.POST.get("name", ""))
        messages.success(request, "Saved.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("curation:selections", project_id, dataset_id)


@require_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    chosen = child_or_404(dataset.selections, pk)
    name = str(chosen)
    trail.note_deletion(request, chosen, request.project, lambda: map_selections.delete(chosen))
    messages.success(request, f"The selection {name} was deleted; its records stay.")
    return redirect("curation:selections", project_id, dataset_id)
