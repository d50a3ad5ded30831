"""Pages: importing a file or an address: choose, preview and map, watch."""

import dataclasses
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from curation import contents, history, import_rows, importing, mapping_choices, moving
from curation.checks.mending import mend
from curation.formats import Mapping
from curation.formats.encodings import NAMES
from curation.formats.sources import TEXTS
from curation.formats.tables import DELIMITERS
from curation.import_forms import NEW, ImportForm
from curation.models import Dataset, Import
from curation.views import moving as moving_views
from curation.views.datasets import crumbs
from curation.views.issues import issue_table
from curation.views.records import shown

GET_POST = require_http_methods(["GET", "POST"])
FORMATS = {
    "jsonl": "JSON lines",
    "json": "JSON",
    "csv": "CSV",
    "tsv": "TSV",
    "parquet": "Parquet",
    "xlsx": "Excel",
    "text": "Text",
}
NEW_NAMED = 12
TOGETHER = ("files", "folder", "s3")  # packed by us when they are several
READINGS = ("encoding", "delimiter", "sheet")
CUTS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = (
        project.imports.filter(dataset__deleted_at=None).select_related("dataset", "created_by").order_by("-pk")[:200]
    )
    return render(
        request,
        "curation/imports.html",
        {"rows": rows, "crumbs": crumbs(project), "can_edit": project.role.covers("editor")},
    )


@GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    initial = {"dataset": request.GET.get("dataset", NEW)}
    form = ImportForm(request.POST or None, request.FILES or None, project=project, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            return _begun(request, form)
        except ValidationError as error:
            form.add_error("file" if form.cleaned_data.get("file") else None, error)
    elsewhere = [(title, [form[name] for name in names]) for _, title, names in form.places]
    return render(
        request,
        "curation/import_new.html",
        {"form": form, "crumbs": crumbs(project), "elsewhere": elsewhere},
        status=422 if form.errors else 200,
    )


def _begun(request: HttpRequest, form: ImportForm) -> HttpResponse:
    """The file is here: on to its preview. An address is fetched by a job first."""
    dataset, is_new = form.target()
    try:
        job = importing.begin(dataset, request.user, any_kind=is_new, **form.source)
    except ValidationError:
        if is_new:
            dataset.delete()  # it was made for this file only
        raise
    if not job.file and job.enqueue():
        queue.wake(job)
    return redirect("curation:import", job.project_id, job.pk)


def _job_or_404(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Import:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.imports.select_related("dataset", "project", "created_by"), pk)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Before the start the preview with its mapping; after it the progress and the rows that were not taken."""
    job = _job_or_404(request, project_id, pk)
    if waits_for_mapping(job) and moving.name_of(job):
        return redirect("curation:moving", project_id, pk)
    if waits_for_mapping(job):
        mapping, lacks = importing.suggested(job)
        return _preview_page(request, job, mapping, error=lacks, status=200)
    same = import_rows.unchanged(job)
    context = _context(request, job) | issue_table(request, job) | {
        "added": job.ok - job.updated, "unchanged": same, "skipped": job.skipped - same,
        "moved": moving_views.result(job),
        "mended": job.issues.exclude(record=None).exists(),
    }  # fmt: skip
    return render(request, "curation/import.html", context)


def waits_for_mapping(job: Import) -> bool:
    return bool(job.file) and not job.confirmed and job.status in (Import.Status.DRAFT, Import.Status.PAUSED)


def _preview_page(
    request: HttpRequest,
    job: Import,
    mapping: Mapping,
    *,
    choices: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    columns = job.source.get("columns", [])
    try:
        shown = importing.preview(job, mapping)
    except ValidationError as problem:
        shown, error = [], " ".join(problem.messages)
    choices = choices or mapping_choices.of(mapping, columns)
    context = _context(request, job) | {
        "rows": [_row(*row, mapping=mapping) for row in shown],
        "mend": mapping.mend,
        "skip": request.POST.get("skip_duplicates") if request.POST else job.skip_duplicates,
        "update": request.POST.get("update_by_key") if request.POST else job.update_by_key,
        "error": error,
        "several": job.source.get("compression") == "zip" and job.origin.get("kind") in TOGETHER,
        "kind": mapping.kind,
        "kinds": Dataset.Kind.choices,
        "columns": [(index, name, choices.get(name, "")) for index, name in enumerate(columns)],
        "new_columns": job.source.get("new_columns", []),
        "new_line": _new_line(job.source.get("new_columns", []), choices),
        "choices": [
            (value, label)
            for value, label in mapping_choices.CHOICES.items()
            if value in mapping_choices.FOR_KIND[mapping.kind]
        ],
        "fixed_kind": job.dataset.records.exists(),
        **_readings(job.source),
    }
    partial = "#preview" if request.htmx else ""
    return render(request, "curation/import_preview.html" + partial, context, status=status)


def _new_line(new: list[str], choices: dict[str, str]) -> str:
    """What is said of columns that the last import did not have; nothing where there are none."""
    if not new:
        return ""
    uses = {"": "left out", "fields": "a source field", "metadata": "metadata"}
    named = []
    for name in new[:NEW_NAMED]:
        choice = choices.get(name, "")
        use = uses.get(choice) or mapping_choices.CHOICES.get(choice, "no such use")
        named.append(f"“{name}” ({use[0].lower()}{use[1:]})")
    more = f" and {len(new) - NEW_NAMED:,} more" if len(new) > NEW_NAMED else ""
    it = "it is" if len(new) == 1 else "they are"
    return f"New since the last import: {', '.join(named)}{more}. See whether {it} what you want."


def _readings(source: dict[str, Any]) -> dict[str, Any]:
    """How the file may be read otherwise; nothing to choose for what says itself how it is written."""
    sheets = source.get("sheets", [])
    if len(sheets) > 1:
        return {"sheets": sheets}
    text, table = source.get("format") in TEXTS, source.get("format") in ("csv", "tsv")
    if source.get("compression") == "zip" or not text:
        return {}
    encoding = source.get("encoding", "")
    known = NAMES if encoding in NAMES else {encoding: encoding.upper()} | NAMES
    return {"encodings": list(known.items()), "delimiters": [(cut, CUTS[cut]) for cut in DELIMITERS] if table else []}


def _row(line: int, data: Any, raw: str, draft: Any, wrong: str, mapping: Mapping) -> dict[str, Any]:
    """One row as it came and as it will look, with what the checks say about it, and what can be mended."""
    found = contents.problems(draft, mapping.kind) if draft is not None else []
    return {
        "mends": _mends(data, draft, mapping),
        "line": line,
        "raw": history.readable("", data) if data is not None else raw,
        "wrong": wrong,
        "draft": draft,
        "problems": found,
        "messages": [shown(message) for message in draft.messages] if draft else [],
        "answers": [
            (name, [shown(m) for m in turns])
            for name in ("chosen", "rejected")
            if draft and (turns := getattr(draft, name))
        ],
        "fields": [(key, history.readable("", value)) for key, value in draft.fields.items()] if draft else [],
        "metadata": [(key, history.readable("", value)) for key, value in draft.metadata.items()] if draft else [],
    }


def _mends(data: Any, draft: Any, mapping: Mapping) -> list[str]:
    """What mending does, or would do, to the row."""
    if draft is None or mapping.kind != "conversations":
        return []
    unmended = dataclasses.replace(mapping, mend=False).apply(data)
    return mend(unmended.messages, unmended.tools)[2]


def _chosen(request: HttpRequest, job: Import) -> tuple[str, dict[str, str]]:
    """The kind and the use of each column, as the form has them."""
    columns = enumerate(job.source.get("columns", []))
    choices = {name: request.POST.get(f"column.{index}", "") for index, name in columns}
    return job.dataset.kind if job.dataset.records.exists() else request.POST.get("kind", ""), choices


def _of_another_kind(request: HttpRequest, job: Import) -> HttpResponse:
    """Another kind has other uses for the columns: they are suggested anew, but for the id and the group."""
    kind, given = _chosen(request, job)
    if kind not in mapping_choices.FOR_KIND:
        raise ValidationError(f"There is no kind {kind[:40]!r}: choose one of {', '.join(mapping_choices.FOR_KIND)}.")
    mapping = importing.suggested_as(job, kind)
    choices = mapping_choices.of(mapping, job.source["columns"])
    for use in ("key", "group"):
        if column := next((name for name, chosen in given.items() if chosen == use), ""):
            choices |= {name: "metadata" for name, chosen in choices.items() if chosen == use} | {column: use}
    try:
        return _preview_page(request, job, mapping_choices.read(kind, choices), choices=choices)
    except ValidationError as lacks:
        return _preview_page(request, job, mapping, choices=choices, error=" ".join(lacks.messages))


def _read_otherwise(request: HttpRequest, job: Import) -> HttpResponse:
    """In another encoding, cut at another character, or another sheet: other columns, so all of it is suggested anew."""
    importing.inspect(job, **{name: request.POST.get(name, "") for name in READINGS})
    job.save(update_fields=["source", "mapping"])
    mapping, lacks = importing.suggested(job)
    return _preview_page(request, job, mapping, error=lacks)


# What the preview's form may ask for besides the start and another look.
OTHERWISE = {"kind": _of_another_kind, "read": _read_otherwise}


@require_POST
def start(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """With `do=preview` the mapping is only tried, with `kind` or `read` suggested anew; else it is confirmed and the work queued."""
    job = _job_or_404(request, project_id, pk, needs="editor")
    if not waits_for_mapping(job):
        return redirect("curation:import", project_id, pk)
    kind, choices = _chosen(request, job)
    try:
        if otherwise := OTHERWISE.get(request.POST.get("do", "")):
            return otherwise(request, job)
        mapping = mapping_choices.read(kind, choices, mend="mend" in request.POST)
        if request.POST.get("do") == "preview":
            return _preview_page(request, job, mapping, choices=choices)
        wishes = {name: name in request.POST for name in ("skip_duplicates", "update_by_key")}
        if importing.confirm(job, mapping, **wishes):
            queue.wake(job)
    except ValidationError as error:
        mapping, _ = importing.suggested(job)
        mapping.kind = kind if kind in mapping_choices.FOR_KIND else mapping.kind
        return _preview_page(request, job, mapping, choices=choices, error=" ".join(error.messages), status=422)
    address = reverse("curation:import", args=[project_id, pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)


def _context(request: HttpRequest, job: Import) -> dict[str, Any]:
    args, source = [job.project_id, job.pk], job.source
    return {
        "job": job,
        "dataset": job.dataset,
        "crumbs": crumbs(request.project, job.dataset),
        "can_edit": request.project.role.covers("editor"),
        "format": FORMATS.get(source.get("format", ""), ""),
        "poll_url": reverse("curation:import_progress", args=args),
        "next_line": _next_line(job, request.project.role.covers("editor")),
        "can_discard": importing.can_be_discarded(job),
        **{
            f"{move}_url": reverse("curation:import_move", args=[*args, move]) for move in ("cancel", "pause", "resume")
        },
    }


def _next_line(job: Import, can_edit: bool) -> str:
    if job.status == Import.Status.DONE and job.dataset.kind == Dataset.Kind.DOCUMENTS:
        place = reverse("curation:new_distillation" if can_edit else "curation:distil", args=[job.project_id])
        text = 'Next: let a teacher write an answer for each document, in <a href="{}?dataset={}">Distil</a>.'
        return format_html(text, place, job.dataset_id)
    if job.status == Import.Status.DONE:
        review = reverse("curation:dataset", args=[job.project_id, job.dataset_id])
        freeze = reverse("curation:new_version" if can_edit else "curation:versions", args=[job.project_id])
        text = (
            'Next: <a href="{}?status=new">review the records</a>, then <a href="{}?dataset={}">freeze a version</a>.'
        )
        return format_html(text, review, freeze, job.dataset_id)
    if job.is_live:
        return "You can leave this page: it goes on. The first records are in the dataset already."
    if not job.done:
        return "Nothing came in so far. Mend the cause, then retry."
    return "What came in is kept. A retry goes on with the next row."


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """What htmx polls. When the work is over, or waits for the mapping, the whole page is asked for anew."""
    job = _job_or_404(request, project_id, pk)
    response = render(request, "partials/progress.html", _context(request, job))
    if not job.is_live or waits_for_mapping(job):
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, pause, resume; a draft that is cancelled leaves nothing behind."""
    job = _job_or_404(request, project_id, pk, needs="editor")
    if move == "cancel" and importing.can_be_discarded(job):
        importing.throw_away(job)
        messages.info(request, f"{job.original_name} was not imported.")
        return _to_data(request, job.project)
    done = {"cancel": job.cancel, "pause": job.pause, "resume": job.enqueue}[move]()
    if not done:
        messages.error(request, "There is nothing left to do." if move == "resume" else "It was over already.")
    elif move == "resume":
        queue.wake(job)
    if request.htmx:
        return render(request, "partials/progress.html", _context(request, job))
    return redirect("curation:import", project_id, pk)


def _to_data(request: HttpRequest, project: Project) -> HttpResponse:
    address = reverse("curation:data", args=[project.pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
