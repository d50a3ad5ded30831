"""Pages: the data card of a version, and its package."""

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from atelier.files.downloads import download
from atelier.jobs.pages import job_or_404
from atelier.web.toasts import say_error
from curation.models import Version
from curation.versions import card as data_card
from curation.versions import package as version_package


@require_GET
def card(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """Download the data card as Markdown."""
    version = _frozen_or_404(request, project_id, pk)
    return download(iter([data_card.file(version).encode()]), f"version-{version.pk}-README.md", "text/markdown")


@require_GET
def package(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """Download the card and the splits in one zip."""
    version = _frozen_or_404(request, project_id, pk)
    try:
        pieces = version_package.pack(version)
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:version", project_id, pk)
    return download(pieces, f"version-{version.pk}.zip", "application/zip")


def _frozen_or_404(request: HttpRequest, project_id: int, pk: int) -> Version:
    version = job_or_404(request, Version, project_id, pk)
    if version.status != Version.Status.DONE:
        raise Http404("The version isn't frozen yet.")
    return version
