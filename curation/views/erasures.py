"""Pages that erase records everywhere: the question with all that goes and stays, and the erasure with its ledger."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404
from atelier.audit import trail
from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web import border
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.access import dataset_or_404
from curation.erasures import requests
from curation.forms.datasets import EraseForm
from curation.models import ErasedRecord, Erasure, VersionEntry
from curation.search.filters import Filters
from curation.views.crumbs import crumbs

MOST = 200  # records and files that the page lists; REST has all


@require_GET_POST
def new(request: HttpRequest, project_id: int, dataset_id: int, pk: int) -> HttpResponse:
    """Ask for the reason, and state what is erased with the record and that it cannot be undone."""
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    record = child_or_404(dataset.records, pk)
    form = EraseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            job = requests.begin(
                dataset, request.user, [record.pk], form.cleaned_data["reason"], asker=trail.asker(request)
            )
        except ValidationError as error:
            form.add_error(None, " ".join(error.messages))
        else:
            queue.wake(job)
            return redirect("curation:erasure", project_id, job.pk)
    if erased := ErasedRecord.objects.filter(record=record).first():
        return redirect("curation:erasure", project_id, erased.erasure_id)
    question = {
        "title": f"Erase record {record.pk} everywhere?",
        "text": _goes([record.pk]),
        "danger": True,
        "form": form,
        "action": request.path,
        "submit": "Erase permanently",
        "cancel_url": reverse("curation:record", args=[project_id, dataset.pk, record.pk]),
    }
    return render(request, "partials/confirm_page.html", question, status=422 if form.errors else 200)


@require_GET_POST
def several(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Ask the same about all records that the URL's filters match, or that it names.

    The answer names the records that the question was about, for others may match by then, and this cannot be undone.
    """
    dataset = dataset_or_404(request, project_id, dataset_id, needs="editor")
    back = reverse("curation:dataset", args=[project_id, dataset.pk])
    try:
        found = Filters.read(request.GET, strict=True).records(dataset).values_list("pk", flat=True)
        pks = _named(request.POST.get("records", "")) if request.method == "POST" else list(found[: requests.MOST + 1])
    except ValidationError as error:
        say_error(request, error)
        return redirect(back)
    if request.method == "GET" and not 0 < len(pks) <= requests.MOST:
        return render(request, "partials/confirm_page.html", _refused(found.count()) | {"cancel_url": back})
    form = EraseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason, asker = form.cleaned_data["reason"], trail.asker(request)
        try:
            job = requests.begin(dataset, request.user, pks, reason, asker=asker)
        except ValidationError as error:
            form.add_error(None, " ".join(error.messages))
        else:
            queue.wake(job)
            return redirect("curation:erasure", project_id, job.pk)
    question = {
        "title": f"Erase {len(pks):,} record{'' if len(pks) == 1 else 's'} everywhere?",
        "text": _goes(pks[: requests.MOST]),
        "danger": True,
        "form": form,
        "fields": [("records", ",".join(map(str, pks)))],
        "action": request.get_full_path(),
        "submit": "Erase permanently",
        "cancel_url": back,
    }
    return render(request, "partials/confirm_page.html", question, status=422 if form.errors else 200)


def _named(records: str) -> list[int]:
    """Return the ids that a question's form holds. Raises ValidationError."""
    pks = [border.whole(part) for part in records.split(",")] if records else []
    known = [pk for pk in pks if pk is not None]
    if len(known) < len(pks):
        raise ValidationError("A record is not named by its ID. Choose the records again.")
    return known


def _refused(count: int) -> dict[str, Any]:
    """Return why so many records are not asked about."""
    if not count:
        return {"title": "No records to erase", "text": "No records match this filter.", "refused": True}
    text = f"At most {requests.MOST:,} records can be erased at once, and {count:,} match. Narrow the filter."
    return {"title": "Too many records to erase at once", "text": text, "refused": True}


def _goes(pks: list[int]) -> str:
    """Return what an erasure of the records takes along, in sentences."""
    derived = len(requests.made_from(pks))
    entries = VersionEntry.objects.filter(record__in=pks, erased_at=None)
    versions = entries.order_by().values("version").distinct().count()
    it, its = ("it", "its") if len(pks) == 1 else ("them", "their")
    parts = [f"{its} text, history, comments and annotations"]
    parts += [f"{derived:,} record{'' if derived == 1 else 's'} made from {it}"] if derived else []
    rows = "row" if len(pks) == 1 else "rows"
    parts += [f"{its} {rows} in {versions:,} frozen version{'' if versions == 1 else 's'}"] if versions else []
    parts.append(f"every export and imported file that may hold {it}")
    return (
        f"This erases {', '.join(parts)}. The hash and the reason are kept, and the files of versions get new hashes, both recorded. "
        f"Models that were trained on {it} stay and are listed afterwards. This cannot be undone."
    )


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Erasure, project_id, pk)
    return render(request, "curation/erasures/erasure.html", _context(request, job))


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Erasure, project_id, pk)
    return polled(request, job, _context(request, job))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Retry a failed erasure: it does what is left."""
    return moved(request, job_or_404(request, Erasure, project_id, pk, needs="editor"), move, _context)


def _context(request: HttpRequest, job: Erasure) -> dict[str, Any]:
    return {
        "job": job,
        "records": job.records.select_related("record").order_by("pk")[:MOST],
        "record_count": job.records.count(),
        "file_count": job.files.count(),
        "files": job.files.select_related("version__dataset").order_by("pk")[:MOST],
        "crumbs": crumbs(request.project, job.dataset if job.dataset.deleted_at is None else None),
        "can_edit": request.project.role.covers("editor"),
        **addresses(job),
        "next_line": "" if job.is_over else "You can leave this page; the erasure continues. It cannot be stopped.",
    }
