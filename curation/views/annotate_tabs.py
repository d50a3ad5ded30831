"""What the pages about a dataset's annotation share: fetching, crumbs, and the tabs between them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from atelier.accounts.access import child_or_404, project_or_404
from curation.models import Dataset

TABS = (
    ("reviewing", "Review", "editor"), ("disputes", "Disagreements", "editor"), ("agreement", "Agreement", "viewer"),
    ("progress", "Progress", "annotator"), ("honeypots", "Honeypots", "editor"),
)  # fmt: skip


def dataset_or_404(request: HttpRequest, project_id: int, dataset_id: int, needs: str = "viewer") -> Dataset:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.datasets.select_related("project"), dataset_id)


def frame(request: HttpRequest, dataset: Dataset, now: str) -> dict[str, Any]:
    """The context that each of these pages begins with."""
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
