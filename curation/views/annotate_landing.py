"""The landing of the Review step: what waits for review, and for each queue what waits for the person who looks."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from atelier.accounts.models import Project
from curation import datasets
from curation.annotation import queue, reviewing
from curation.models import Queue

COUNTED = 1_000  # answers that nobody reviewed are counted as far as this


def page(request: HttpRequest, project: Project) -> HttpResponse:
    boxes = Queue.objects.filter(dataset__in=project.datasets.all()).select_related("dataset").order_by("dataset__name")
    context: dict[str, Any] = {
        "to_review": datasets.to_review(project),
        "queues": [_row(box, request) for box in boxes],
        "can_annotate": project.role.covers("annotator"),
        "can_edit": project.role.covers("editor"),
    }
    return render(request, "curation/review.html", context)


def _row(box: Queue, request: HttpRequest) -> dict[str, Any]:
    counts = queue.counts(box)
    return {
        "box": box,
        "dataset": box.dataset,
        "counts": counts,
        "percent": round(100 * (counts["done"] + counts["disputed"]) / counts["all"]) if counts["all"] else 0,
        "left": queue.left(box, request.user),
        "today": queue.today(box, request.user),
        "unreviewed": _up_to(reviewing.waiting(box.dataset).order_by()[: COUNTED + 1].values("pk").count()),
    }


def _up_to(found: int) -> str:
    return f"{COUNTED:,}+" if found > COUNTED else f"{found:,}" if found else ""
