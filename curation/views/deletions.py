"""Pages: deleting a dataset, and how far its end is."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import claims, queue
from curation import bulk, datasets, deletion
from curation.models import Deletion
from curation.views.datasets import crumbs

GET_POST = require_http_methods(["GET", "POST"])


@GET_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Nothing brings it back, so a page asks first and says how much goes; or why it must stay."""
    project = project_or_404(request, project_id, needs="editor")
    dataset = child_or_404(project.datasets, dataset_id)
    back = reverse("curation:dataset", args=[project.pk, dataset.pk])
    question = {"title": f"Delete {dataset.name}?", "danger": True, "action": request.path, "cancel_url": back}
    try:
        if request.method == "POST":
            return started(request, deletion.begin(dataset, request.user))
        deletion.refuse_needed(dataset)
    except ValidationError as error:
        question |= {"title": f"{dataset.name} must stay", "text": " ".join(error.messages), "refused": True}
        return render(request, "partials/confirm_page.html", question, status=422 if request.method == "POST" else 200)
    count = datasets.size(dataset)
    what = f"{count:,} record{'' if count == 1 else 's'}, with history and imports,"
    text = f"{what} will be deleted for good. Nothing brings them back."
    return render(request, "partials/confirm_page.html", question | {"text": text, "submit": "Delete for good"})


def started(request: HttpRequest, job: Deletion) -> HttpResponse:
    """A small dataset goes at once, a large one by a worker, with a page."""
    if job.total > bulk.INLINE:
        queue.wake(job)
        return redirect("curation:deletion", job.project_id, job.pk)
    claims.execute(Deletion, job.pk, deletion.run)
    job.refresh_from_db()
    if job.status != Deletion.Status.DONE:
        return redirect("curation:deletion", job.project_id, job.pk)
    messages.success(request, f"{job.name} is deleted.")
    return redirect("curation:data", job.project_id)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(request, "curation/deletion.html", _context(request, project_id, pk))


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    context = _context(request, project_id, pk)
    response = render(request, "partials/progress.html", context)
    if context["job"].is_over:
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def retry(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Go on with one that failed: half a dataset is of no use to anybody."""
    job = _context(request, project_id, pk, needs="editor")["job"]
    if job.enqueue():
        queue.wake(job)
    else:
        messages.error(request, "There is nothing left to do.")
    if request.htmx:
        return render(request, "partials/progress.html", _context(request, project_id, pk))
    return redirect("curation:deletion", project_id, pk)


def _context(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> dict[str, Any]:
    project = project_or_404(request, project_id, needs=needs)
    job = child_or_404(project.deletions.select_related("created_by", "project"), pk)
    return {
        "job": job,
        "crumbs": crumbs(project),
        "poll_url": reverse("curation:deletion_progress", args=[project.pk, job.pk]),
        "resume_url": reverse("curation:retry_deletion", args=[project.pk, job.pk]),
        "can_edit": project.role.covers("editor"),
        "next_line": "" if job.is_over else "You can leave this page: it goes on. It cannot be stopped.",
    }
