"""Breadcrumbs that many pages share."""

from typing import Any

from django.urls import reverse

from curation.models import Dataset


def crumbs(project: Any, dataset: Dataset | None = None) -> list[tuple[str, str]]:
    """Return the way to a dataset's pages, as (label, URL), for the breadcrumbs."""
    top = [("Data", reverse("curation:data", args=[project.pk]))]
    return [*top, (dataset.name, reverse("curation:dataset", args=[project.pk, dataset.pk]))] if dataset else top
