"""Shared parts of the pages about a dataset's annotation: loading, breadcrumbs, and the tabs between them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from curation.annotation import marks
from curation.models import Dataset

TABS = (
    ("reviewing", "Review", "editor"), ("disagreements", "Disagreements", "editor"), ("agreement", "Agreement", "viewer"),
    ("progress", "Progress", "annotator"), ("honeypots", "Control questions", "editor"), ("aside_spans", "Spans set aside", "editor"),
)  # fmt: skip


def _count(dataset: Dataset, name: str) -> str:
    count = marks.count(dataset) if name == "aside_spans" else 0
    return f"{count:,}" if count else ""


def frame(request: HttpRequest, dataset: Dataset, now: str) -> dict[str, Any]:
    """Return the context that each of these pages begins with."""
    args = [dataset.project_id, dataset.pk]
    role = request.project.role
    return {
        "dataset": dataset,
        "crumbs": [
            ("Review", reverse("curation:review", args=args[:1])),
            (dataset.name, reverse("curation:dataset", args=args)),
        ],
        "tabs": [
            {
                "label": label,
                "url": reverse(f"curation:{name}", args=args),
                "active": name == now,
                "count": _count(dataset, name),
            }
            for name, label, needs in TABS
            if role.covers(needs)
        ],
        "can_edit": role.covers("editor"),
    }
