"""Pages: exports of a project, a new one of a filtered set or a version, one with its progress and its file."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from curation import exports, selection
from curation.filters import Filters
from curation.formats import WRITERS
from curation.models import Dataset, Export, Version
from curation.splits import SPLITS
from curation.views.datasets import crumbs
from curation.views.downloads import download

LISTED = 200

GET_POST = require_http_methods(["GET", "POST"])


class ExportForm(forms.Form):
    """The format; of a version, the split as well."""

    format = forms.ChoiceField(widget=forms.RadioSelect)
    split = forms.ChoiceField(required=False, choices=[("", "All splits"), *((s, s.capitalize()) for s in SPLITS)])

    def __init__(self, *args: Any, dataset: Dataset, version: Version | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].choices = [(w.name, w.title) for w in exports.formats(dataset)]
        if version is None:
            del self.fields["split"]


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    newest = exports.of(project).order_by("-pk")[:LISTED]
    rows = [{"job": job, "what": exports.what(job), "format": _title(job)} for job in newest]
    context = {"rows": rows, "crumbs": crumbs(project), "can_edit": project.role.covers("editor")}
    return render(request, "curation/exports.html", context)


def _title(job: Export) -> str:
    return WRITERS[job.format].title if job.format in WRITERS else job.format


@GET_POST
def new(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Of what the list's filters in the address let through, or of `version`."""
    project = project_or_404(request, project_id, needs="editor")
    dataset = child_or_404(project.datasets, dataset_id)
    version = _version(request, dataset)
    filters = {} if version else _filters(request)
    form = ExportForm(request.POST or None, dataset=dataset, version=version, initial={"format": "chat"})
    if request.method == "POST" and form.is_valid():
        try:
            chosen = {"filters": filters, "version": version, "split": form.cleaned_data.get("split", "")}
            job = exports.begin(dataset, request.user, form.cleaned_data["format"], **chosen)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            queue.wake(job)
            return redirect("curation:export", project.pk, job.pk)
    context = {
        "form": form,
        "dataset": dataset,
        "version": version,
        "what": exports.what(Export(dataset=dataset, version=version, filters=filters)),
        "count": version.rows if version else selection.select(dataset, filters).count(),
        "choices": [(w.name, w.title, w.about) for w in exports.formats(dataset)],
        "wanted": form["format"].value(),
        "crumbs": crumbs(project, dataset),
        "address": request.get_full_path(),
    }
    return render(request, "curation/export_new.html", context, status=422 if form.errors else 200)


def _version(request: HttpRequest, dataset: Dataset) -> Version | None:
    wanted = request.GET.get("version", "")
    frozen = dataset.versions.filter(status=Version.Status.DONE)
    return child_or_404(frozen, int(wanted)) if wanted.isdecimal() and len(wanted) < 19 else None


def _filters(request: HttpRequest) -> dict[str, Any]:
    """What the list shows; deleted records are never exported."""
    given = Filters.lenient(request.GET).as_dict()
    try:
        return selection.check({name: value for name, value in given.items() if name != "sort"})
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return {}


def _job_or_404(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Export:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.exports.select_related("dataset", "version__dataset", "created_by"), pk)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(request, "curation/export.html", _context(request, _job_or_404(request, project_id, pk)))


def _context(request: HttpRequest, job: Export) -> dict[str, Any]:
    args = [job.project_id, job.pk]
    return {
        "job": job,
        "dataset": job.dataset,
        "what": exports.what(job),
        "format": _title(job),
        "held": job.done - job.skipped,
        "crumbs": [*crumbs(request.project, job.dataset), ("Exports", reverse("curation:exports", args=args[:1]))],
        "can_edit": request.project.role.covers("editor"),
        "poll_url": reverse("curation:export_progress", args=args),
        "next_line": "You can leave this page: the file waits here." if job.is_live else "",
        **{f"{move}_url": reverse("curation:export_move", args=[*args, move]) for move in ("cancel", "resume")},
    }


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    response = render(request, "partials/progress.html", _context(request, job))
    if not job.is_live:
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    job = _job_or_404(request, project_id, pk, needs="editor")
    done = {"cancel": job.cancel, "resume": job.enqueue}[move]()
    if not done:
        messages.error(request, "There is nothing left to do." if move == "resume" else "It was over already.")
    elif move == "resume":
        queue.wake(job)
    if request.htmx:
        return render(request, "partials/progress.html", _context(request, job))
    return redirect("curation:export", project_id, pk)


@require_GET
def file(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """The file. What annotators answered may be in it, so it is not for those who are to answer without seeing that."""
    job = _job_or_404(request, project_id, pk, needs="editor")
    try:
        return download(exports.pieces(job), job.name, "application/octet-stream")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("curation:export", project_id, pk)


@GET_POST
def delete(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk, needs="editor")
    question = {
        "title": f"Delete {job.name or 'this export'}?", "text": "The file goes; the records stay.", "danger": True,
        "action": request.path, "submit": "Delete", "cancel_url": reverse("curation:export", args=[project_id, pk]),
    }  # fmt: skip
    if request.method == "POST":
        try:
            exports.delete(job)
            return _to_list(request, job.project)
        except ValidationError as error:
            question |= {"text": " ".join(error.messages), "refused": True}
            return render(request, "partials/confirm_page.html", question, status=422)
    return render(request, "partials/confirm_page.html", question)


def _to_list(request: HttpRequest, project: Project) -> HttpResponse:
    messages.success(request, "The export is deleted.")
    return redirect("curation:exports", project.pk)
