"""Shared parts of the pages about a dataset's annotation: loading, breadcrumbs, and the tabs between them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from curation.models import Dataset

TABS = (
    ("reviewing", "Review", "editor"), ("disagreements", "Disagreements", "editor"), ("agreement", "Agreement", "viewer"),
    ("progress", "Progress", "annotator"), ("honeypots", "Control questions", "editor"),
)  # fmt: skip


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
            {"label": label, "url": reverse(f"curation:{name}", args=args), "active": name == now, "count": ""}
            for name, label, needs in TABS
            if role.covers(needs)
        ],
        "can_edit": role.covers("editor"),
    }
