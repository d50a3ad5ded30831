"""Pages: archiving a version, restoring it, and removing its files from the disk."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from atelier.audit import trail
from atelier.files import quotas
from atelier.jobs.pages import job_or_404
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.models import Version
from curation.versions import archive


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Archive a version, or restore it."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    try:
        if move == "archive":
            archive.archive(version, trail.asker(request))
            messages.success(request, f"{version} was archived. Its hashes and figures stay.")
        else:
            archive.unarchive(version, trail.asker(request))
            messages.success(request, f"{version} was restored from the archive.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("curation:version", project_id, pk)


@require_GET_POST
def free(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Ask for confirmation, then remove an archived version's files."""
    version = job_or_404(request, Version, project_id, pk, needs="editor")
    back = reverse("curation:version", args=[project_id, pk])
    if request.method == "POST":
        try:
            freed = archive.free(version, trail.asker(request))
            messages.success(request, f"The files of {version} were removed. This freed {quotas.shown(freed)}.")
        except ValidationError as error:
            say_error(request, error)
        return redirect(back)
    text = "The rows can then no longer be read, downloaded or trained on, and the version stays in the archive. Its hashes, figures and data card are kept."
    question = {
        "title": f"Remove the files of {version}?", "text": text, "danger": True, "action": request.path,
        "submit": "Remove files", "cancel_url": back,
    }  # fmt: skip
    return render(request, "partials/confirm_page.html", question)
