"""Pages: archiving runs and adapters, restoring them, and removing their files from the disk."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.views.decorators.http import require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.audit import trail
from atelier.files import quotas
from atelier.jobs.pages import job_or_404
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from training.models import Run
from training.runs import archive

WORDS = {"archive": "archived. Its hashes and figures stay", "unarchive": "restored from the archive"}
PARTS = {
    archive.CHECKPOINTS: ("checkpoints", "A failed or cancelled run can then only be retried from the start."),
    archive.ALL: (
        "files",
        "Its checkpoints, adapter and rows are removed; its recipe, figures, hashes and log are kept.",
    ),
}


@require_POST
def move_run(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Archive a run with its adapter, or restore both."""
    run = job_or_404(request, Run, project_id, pk, needs="editor")
    try:
        (archive.archive if move == "archive" else archive.unarchive)(run, trail.asker(request))
        messages.success(request, f"{run.title} was {WORDS[move]}.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("training:run", project_id, pk)


@require_POST
def move_adapter(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Archive an adapter, or restore it."""
    project = project_or_404(request, project_id, needs="editor")
    adapter = child_or_404(project.adapters.select_related("run", "project"), pk)
    change = archive.archive_adapter if move == "archive" else archive.unarchive_adapter
    try:
        change(adapter, trail.asker(request))
        messages.success(request, f"{adapter} was {WORDS[move]}.")
    except ValidationError as error:
        say_error(request, error)
    return redirect("training:run", project_id, adapter.run_id)


@require_GET_POST
def free(request: HttpRequest, project_id: int, pk: int, part: str) -> HttpResponse:
    """Ask for confirmation, then remove a run's checkpoints or, of an archived one, all its files."""
    run = job_or_404(request, Run, project_id, pk, needs="editor")
    if part not in PARTS:
        raise Http404("A run has no such part.")
    back = reverse("training:run", args=[project_id, pk])
    noun, about = PARTS[part]
    if request.method == "POST":
        try:
            freed = archive.free(run, part, trail.asker(request))
            messages.success(request, f"The {noun} of {run.title} were removed. This freed {quotas.shown(freed)}.")
        except ValidationError as error:
            say_error(request, error)
        return redirect(back)
    size = filesizeformat(sum(size for _, size in archive.removable(run, part)))
    question = {
        "title": f"Remove the {noun} of {run.title}?", "text": f"This frees {size}. {about}", "danger": True,
        "action": request.path, "submit": f"Remove {noun}", "cancel_url": back,
    }  # fmt: skip
    return render(request, "partials/confirm_page.html", question)
