"""The landing page of the Review step: what waits for review, and for each queue what waits for the current person."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from atelier.accounts.models import Project
from curation.annotation import queue as queues
from curation.annotation import review
from curation.models import Queue
from curation.search import counts as record_counts

COUNTED = 1_000  # answers that nobody reviewed are counted as far as this


def page(request: HttpRequest, project: Project) -> HttpResponse:
    all_queues = (
        Queue.objects.filter(dataset__in=project.datasets.all()).select_related("dataset").order_by("dataset__name")
    )
    context: dict[str, Any] = {
        "to_review": record_counts.to_review(project),
        "queues": [_row(queue, request) for queue in all_queues],
        "can_annotate": project.role.covers("annotator"),
        "can_edit": project.role.covers("editor"),
    }
    return render(request, "curation/annotation/landing.html", context)


def _row(queue: Queue, request: HttpRequest) -> dict[str, Any]:
    counts = queues.counts(queue)
    return {
        "queue": queue,
        "dataset": queue.dataset,
        "counts": counts,
        "percent": round(100 * (counts["done"] + counts["disputed"]) / counts["all"]) if counts["all"] else 0,
        "left": queues.left(queue, request.user),
        "today": queues.today(queue, request.user),
        "unreviewed": _up_to(review.waiting(queue.dataset).order_by()[: COUNTED + 1].values("pk").count()),
    }


def _up_to(found: int) -> str:
    return f"{COUNTED:,}+" if found > COUNTED else f"{found:,}" if found else ""
