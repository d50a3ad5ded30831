"""Fetching a dataset with permission, for pages and REST calls."""

from django.http import HttpRequest

from atelier.accounts.access import child_or_404, project_or_404
from curation.models import Dataset


def dataset_or_404(request: HttpRequest, project_id: int, dataset_id: int, needs: str = "viewer") -> Dataset:
    """Return the dataset, whose project has the asker's `.role`: 404 for strangers, 403 for a role that is too small."""
    return child_or_404(project_or_404(request, project_id, needs=needs).datasets, dataset_id)
