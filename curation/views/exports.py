"""Pages of a project's exports, a new one of filtered records or a version, one with its progress and its file."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.audit import trail
from atelier.files.downloads import download
from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web import border
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation import exports
from curation.access import dataset_or_404
from curation.formats import WRITERS
from curation.models import Dataset, Export, Version
from curation.records.splits import SPLITS
from curation.search import selection
from curation.search.filters import Filters
from curation.views.crumbs import crumbs

LISTED = 200


class ExportForm(forms.Form):
    """The format of an export; of a version, the split as well."""

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
    return render(request, "curation/exports/index.html", context)


def _title(job: Export) -> str:
    return WRITERS[job.format].title if job.format in WRITERS else job.format


@require_GET_POST
def new(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Export what the list's filters in the URL match, or `version`."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    project = request.project
    version = _version(request, dataset)
    filters = {} if version else _filters(request)
    form = ExportForm(request.POST or None, dataset=dataset, version=version, initial={"format": "chat"})
    if request.method == "POST" and form.is_valid():
        try:
            job = exports.begin(
                dataset, request.user, form.cleaned_data["format"], filters=filters, version=version,
                split=form.cleaned_data.get("split", ""), asker=trail.asker(request),
            )  # fmt: skip
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
    return render(request, "curation/exports/new.html", context, status=422 if form.errors else 200)


def _version(request: HttpRequest, dataset: Dataset) -> Version | None:
    pk = border.whole(request.GET.get("version"))
    frozen = dataset.versions.filter(status=Version.Status.DONE, archived_at=None)
    return child_or_404(frozen, pk) if pk is not None else None


def _filters(request: HttpRequest) -> dict[str, Any]:
    """Return the filters of the list; deleted records are never exported."""
    filters = Filters.lenient(request.GET).as_dict()
    try:
        return selection.check({name: value for name, value in filters.items() if name != "sort"})
    except ValidationError as error:
        say_error(request, error)
        return {}


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Export, project_id, pk)
    return render(request, "curation/exports/export.html", _context(request, job))


def _context(request: HttpRequest, job: Export) -> dict[str, Any]:
    return {
        "job": job,
        "dataset": job.dataset,
        "what": exports.what(job),
        "format": _title(job),
        "held": job.done - job.skipped,
        "crumbs": [
            *crumbs(request.project, job.dataset),
            ("Exports", reverse("curation:exports", args=[job.project_id])),
        ],
        "can_edit": request.project.role.covers("editor"),
        "next_line": "You can leave this page; the file will be here." if job.is_live else "",
        **addresses(job),
    }


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Export, project_id, pk)
    return polled(request, job, _context(request, job))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    return moved(request, job_or_404(request, Export, project_id, pk, needs="editor"), move, _context)


@require_GET
def file(request: HttpRequest, project_id: int, pk: int) -> HttpResponseBase:
    """Download the file.

    It may contain what annotators answered, so it is not for those who are to answer without seeing that.
    """
    job = job_or_404(request, Export, project_id, pk, needs="editor")
    try:
        return download(exports.pieces(job), job.name, "application/octet-stream")
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:export", project_id, pk)


@require_GET_POST
def delete(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Export, project_id, pk, needs="editor")
    question = {
        "title": f"Delete {job.name or 'this export'}?", "text": "The file will be deleted; the records stay.", "danger": True,
        "action": request.path, "submit": "Delete", "cancel_url": reverse("curation:export", args=[project_id, pk]),
    }  # fmt: skip
    if request.method == "POST":
        try:
            trail.note_deletion(request, job, job.project, lambda: exports.delete(job))
            return _to_list(request, job.project)
        except ValidationError as error:
            question |= {"text": " ".join(error.messages), "refused": True}
            return render(request, "partials/confirm_page.html", question, status=422)
    return render(request, "partials/confirm_page.html", question)


def _to_list(request: HttpRequest, project: Project) -> HttpResponse:
    messages.success(request, "The export was deleted.")
    return redirect("curation:exports", project.pk)
