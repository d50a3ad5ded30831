"""Pages that delete a dataset and show how far its deletion is."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.audit import trail
from atelier.jobs import claims, queue
from atelier.jobs.pages import job_or_404, moved, polled
from atelier.web.methods import require_GET_POST
from curation import bulk
from curation.access import dataset_or_404
from curation.datasets import deletion
from curation.models import Deletion
from curation.views.crumbs import crumbs


@require_GET_POST
def delete(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Ask for confirmation, as this cannot be undone, with how much is deleted; or show why the dataset must stay."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    project = request.project
    back = reverse("curation:dataset", args=[project.pk, dataset.pk])
    question = {"title": f"Delete {dataset.name}?", "danger": True, "action": request.path, "cancel_url": back}
    try:
        if request.method == "POST":
            return started(request, deletion.begin(dataset, request.user, trail.asker(request)))
        deletion.refuse_needed(dataset)
    except ValidationError as error:
        question |= {"title": f"{dataset.name} cannot be deleted", "text": " ".join(error.messages), "refused": True}
        return render(request, "partials/confirm_page.html", question, status=422 if request.method == "POST" else 200)
    what = ", ".join(deletion.contents(dataset))
    text = f"{what}, with their history, will be permanently deleted. This cannot be undone."
    if kept := deletion.keeps(dataset):
        text += f" The hashes and figures of {', '.join(kept)} stay in the archive."
    return render(request, "partials/confirm_page.html", question | {"text": text, "submit": "Delete permanently"})


def started(request: HttpRequest, job: Deletion) -> HttpResponse:
    """Delete a small dataset at once, a large one by a worker, with a page."""
    if job.total > bulk.INLINE:
        queue.wake(job)
        return redirect("curation:deletion", job.project_id, job.pk)
    claims.execute(Deletion, job.pk, deletion.run)
    job.refresh_from_db()
    if job.status != Deletion.Status.DONE:
        return redirect("curation:deletion", job.project_id, job.pk)
    messages.success(request, f"{job.name} was deleted.")
    return redirect("curation:data", job.project_id)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Deletion, project_id, pk)
    return render(request, "curation/datasets/deletion.html", _context(request, job))


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Deletion, project_id, pk)
    return polled(request, job, _context(request, job))


@require_POST
def retry(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Retry a failed deletion: half a dataset is of no use to anybody."""
    return moved(request, job_or_404(request, Deletion, project_id, pk, needs="editor"), "resume", _context)


def _context(request: HttpRequest, job: Deletion) -> dict[str, Any]:
    args = [job.project_id, job.pk]
    return {
        "job": job,
        "crumbs": crumbs(request.project),
        "poll_url": reverse("curation:deletion_progress", args=args),
        "resume_url": reverse("curation:retry_deletion", args=args),
        "can_edit": request.project.role.covers("editor"),
        "next_line": "" if job.is_over else "You can leave this page; the deletion continues. It cannot be stopped.",
    }
