"""Pages that import a file or a URL: choose, preview and map, watch."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web.methods import require_GET_POST
from curation.formats import Mapping
from curation.formats.readers.encodings import NAMES
from curation.formats.readers.layouts import QUOTINGS, WORDS
from curation.formats.readers.sources import READINGS, TABLES, TEXTS
from curation.forms import mapping as mapping_forms
from curation.forms.imports import NEW, ImportForm
from curation.imports import discards, drafts
from curation.imports import rows as import_rows
from curation.imports.annotated import plan
from curation.imports.notes import notes_of
from curation.models import Dataset, Import
from curation.views.crumbs import crumbs
from curation.views.imports import annotated as annotated_pages
from curation.views.imports.account import account_of
from curation.views.imports.check import check_of
from curation.views.imports.issues import issue_table

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


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    there = project.imports.filter(dataset__deleted_at=None).select_related("dataset", "created_by")
    rows = there.defer("source", "mapping").order_by("-pk")[:200]  # an account may name thousands of columns
    return render(
        request,
        "curation/imports/index.html",
        {"rows": rows, "crumbs": crumbs(project), "can_edit": project.role.covers("editor")},
    )


@require_GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    initial = {"dataset": request.GET.get("dataset", NEW)}
    form = ImportForm(request.POST or None, request.FILES or None, project=project, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            return _begun(request, form)
        except ValidationError as error:
            form.add_error("file" if form.cleaned_data.get("file") else None, error)
    elsewhere = [(source.title, [form[name] for name in source.fields]) for source in form.other_sources]
    return render(
        request,
        "curation/imports/new.html",
        {"form": form, "crumbs": crumbs(project), "elsewhere": elsewhere},
        status=422 if form.errors else 200,
    )


def _begun(request: HttpRequest, form: ImportForm) -> HttpResponse:
    """Redirect to the preview of an uploaded file. A URL is downloaded by a job first."""
    dataset, is_new = form.target()
    try:
        job = drafts.begin(dataset, request.user, any_kind=is_new, **form.source)
    except ValidationError:
        if is_new:
            dataset.delete()  # it was made for this file only
        raise
    if not job.file and job.enqueue():
        queue.wake(job)
    return redirect("curation:import", job.project_id, job.pk)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Show the preview with its mapping before the start; after it, the progress and the rejected rows."""
    job = job_or_404(request, Import, project_id, pk)
    if waits_for_mapping(job) and plan.name_of(job):
        return redirect("curation:import_annotated", project_id, pk)
    if waits_for_mapping(job):
        mapping, lacks = drafts.suggested(job)
        return _preview_page(request, job, mapping, error=lacks, status=200)
    same = import_rows.unchanged(job)
    context = _context(request, job) | issue_table(request, job) | account_of(job) | {
        "added": job.ok - job.updated, "unchanged": same, "skipped": job.skipped - same,
        "annotated": annotated_pages.result(job),
        "fixed": job.issues.exclude(record=None).exists(),
    }  # fmt: skip
    return render(request, "curation/imports/import.html", context)


def waits_for_mapping(job: Import) -> bool:
    return bool(job.file) and not job.confirmed and job.status in (Import.Status.DRAFT, Import.Status.PAUSED)


def _preview_page(
    request: HttpRequest,
    job: Import,
    mapping: Mapping,
    *,
    choices: dict[str, str] | None = None,
    texts: dict[str, Any] | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    """Show the preview. With choices that make no mapping, `error` says why, and no rows are checked under another."""
    columns = job.source.get("columns", [])
    unchecked = status == 422
    try:
        checked = {"rows": []} if unchecked else check_of(job, mapping)
    except ValidationError as problem:
        checked, error = {"rows": []}, " ".join(problem.messages)
    choices = choices or mapping_forms.of(mapping, columns)
    context = (
        _context(request, job)
        | checked
        | {
            "notes": checked["check"]["notes"] if "check" in checked else notes_of(job, mapping),
            "system_text": mapping.system_text if texts is None else texts["system_text"],
            "templated": bool(mapping.templates),
            "fixed_texts": _fixed_texts(columns, choices, mapping.templates if texts is None else texts["templates"]),
            "fix": mapping.fix,
            "skip": request.POST.get("skip_duplicates") if request.POST else job.skip_duplicates,
            "update": request.POST.get("update_by_key") if request.POST else job.update_by_key,
            "error": error,
            "unchecked": unchecked,
            "several": job.source.get("compression") == "zip" and job.origin.get("kind") in TOGETHER,
            "kind": mapping.kind,
            "kinds": Dataset.Kind.choices,
            "columns": [(index, name, choices.get(name, "")) for index, name in enumerate(columns)],
            "new_columns": job.source.get("new_columns", []),
            "new_line": _new_line(job.source.get("new_columns", []), choices),
            "choices": [
                (value, label)
                for value, label in mapping_forms.CHOICES.items()
                if value in mapping_forms.FOR_KIND[mapping.kind]
            ],
            "fixed_kind": job.dataset.records.exists(),
            **_readings(job.source),
        }
    )
    partial = "#preview" if request.htmx else ""
    return render(request, "curation/imports/preview.html" + partial, context, status=status)


def _fixed_texts(columns: list[str], choices: dict[str, str], templates: dict[str, str]) -> list[tuple[int, str, str]]:
    """Return the number, the name and the template of each column that is a text of a message."""
    spoken = [(index, name) for index, name in enumerate(columns) if choices.get(name) in mapping_forms.SPOKEN]
    return [(index, name, templates.get(name) or f"{{{name}}}") for index, name in spoken]


def _texts(request: HttpRequest, job: Import) -> dict[str, Any]:
    """Return the fixed texts of the form: the system message, and templates by column."""
    columns = enumerate(job.source.get("columns", []))
    given = {name: text for index, name in columns if (text := _lines(request, f"template.{index}"))}
    return {"system_text": _lines(request, "system_text"), "templates": given}


def _lines(request: HttpRequest, name: str) -> str:
    """Return the text of a field; browsers send line ends of their own."""
    return request.POST.get(name, "").replace("\r\n", "\n")


def _new_line(new: list[str], choices: dict[str, str]) -> str:
    """Describe columns that the last import did not have; empty if there are none."""
    if not new:
        return ""
    uses = {"": "ignored", "fields": "a source field", "metadata": "metadata"}
    named = []
    for name in new[:NEW_NAMED]:
        choice = choices.get(name, "")
        use = uses.get(choice) or mapping_forms.CHOICES.get(choice, "unknown use")
        named.append(f"“{name}” ({use[0].lower()}{use[1:]})")
    more = f" and {len(new) - NEW_NAMED:,} more" if len(new) > NEW_NAMED else ""
    it = "it is" if len(new) == 1 else "they are"
    return f"New since the last import: {', '.join(named)}{more}. Check whether {it} what you want."


def _readings(source: dict[str, Any]) -> dict[str, Any]:
    """Return how the file may be read otherwise; no choices for a format that defines its own encoding."""
    sheets = source.get("sheets", [])
    if source.get("format") == "xlsx" and source.get("compression") != "zip":
        return {"sheets": sheets if len(sheets) > 1 else [], "headers": _headers(source), "read_as": source}
    # Of a zip, what is chosen holds for all files that it goes with; nothing chosen leaves each to its own guess.
    is_zip = source.get("compression") == "zip"
    is_table = is_zip or source.get("format") in TABLES
    if not is_zip and source.get("format") not in TEXTS:
        return {}
    encoding = source.get("encoding", "")
    known = NAMES if is_zip or encoding in NAMES else {encoding: encoding.upper()} | NAMES
    guessed: list[tuple[Any, str]] = [("", "as guessed")] if is_zip else []
    cuts = {"delimiters": [*guessed, *WORDS.items()], "headers": guessed + _headers(source)}
    more = cuts | {"quotings": guessed + list(QUOTINGS.items())} if is_table else {}
    read_as = {name: source.get(name) if not is_zip or name in source.get("chosen", []) else "" for name in READINGS}
    return {"encodings": guessed + list(known.items()), "read_as": read_as, **more}


def _headers(source: dict[str, Any]) -> list[tuple[Any, str]]:
    """Return the rows that may have the names of the columns."""
    most = max(5, source.get("header", 1))
    return [(number, f"in row {number}" if number else "nowhere") for number in range(most + 1)]


def _chosen(request: HttpRequest, job: Import) -> tuple[str, dict[str, str]]:
    """Return the kind and the use of each column, as the form has them."""
    columns = enumerate(job.source.get("columns", []))
    choices = {name: request.POST.get(f"column.{index}", "") for index, name in columns}
    return job.dataset.kind if job.dataset.records.exists() else request.POST.get("kind", ""), choices


def _of_another_kind(request: HttpRequest, job: Import) -> HttpResponse:
    """Suggest other uses for the columns when another kind is chosen, but keep the ID, the group and the labels."""
    kind, given = _chosen(request, job)
    if kind not in mapping_forms.FOR_KIND:
        raise ValidationError(f"No kind is called {kind[:40]!r}. Choose one of {', '.join(mapping_forms.FOR_KIND)}.")
    mapping = drafts.suggested_as(job, kind)
    choices = mapping_forms.of(mapping, job.source["columns"])
    for use in ("key", "group", "labels"):
        if column := next((name for name, chosen in given.items() if chosen == use), ""):
            choices |= {name: "metadata" for name, chosen in choices.items() if chosen == use} | {column: use}
    texts = _texts(request, job)
    try:
        return _preview_page(request, job, mapping_forms.read(kind, choices, **texts), choices=choices)
    except ValidationError as lacks:
        return _preview_page(request, job, mapping, choices=choices, texts=texts, error=" ".join(lacks.messages))


def _read_otherwise(request: HttpRequest, job: Import) -> HttpResponse:
    """Read the file with another encoding, delimiter or sheet, and suggest the whole mapping again, for its columns differ."""
    drafts.inspect(job, **{name: request.POST.get(name, "") for name in READINGS})
    job.save(update_fields=["source", "mapping"])
    mapping, lacks = drafts.suggested(job)
    return _preview_page(request, job, mapping, error=lacks)


# What the preview's form may ask for besides the start and another look.
OTHERWISE = {"kind": _of_another_kind, "read": _read_otherwise}


@require_POST
def start(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Confirm the mapping and queue the work. With `do=preview` it is only tried, with `kind` or `read` suggested again."""
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    if not waits_for_mapping(job):
        return redirect("curation:import", project_id, pk)
    kind, choices = _chosen(request, job)
    texts = _texts(request, job)
    try:
        if otherwise := OTHERWISE.get(request.POST.get("do", "")):
            return otherwise(request, job)
        mapping = mapping_forms.read(kind, choices, fix="fix" in request.POST, **texts)
        if request.POST.get("do") == "preview":
            return _preview_page(request, job, mapping, choices=choices)
        wishes = {name: name in request.POST for name in ("skip_duplicates", "update_by_key")}
        if drafts.confirm(job, mapping, **wishes):
            queue.wake(job)
    except ValidationError as error:
        mapping, _ = drafts.suggested(job)
        mapping.kind = kind if kind in mapping_forms.FOR_KIND else mapping.kind
        return _preview_page(
            request, job, mapping, choices=choices, texts=texts, error=" ".join(error.messages), status=422
        )
    address = reverse("curation:import", args=[project_id, pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)


def _context(request: HttpRequest, job: Import) -> dict[str, Any]:
    return {
        "job": job,
        "dataset": job.dataset,
        "crumbs": crumbs(request.project, job.dataset),
        "can_edit": request.project.role.covers("editor"),
        "format": FORMATS.get(job.source.get("format", ""), ""),
        "next_line": _next_line(job, request.project.role.covers("editor")),
        "can_discard": discards.can_be_discarded(job),
        **addresses(job),
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
        return "You can leave this page; the import continues. The first records are already in the dataset."
    if not job.done:
        return "No rows imported yet. Fix the problem, then retry."
    return "Imported rows are kept. A retry continues with the next row."


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Return the progress that htmx polls. When the job has ended, or waits for the mapping, the whole page is reloaded."""
    job = job_or_404(request, Import, project_id, pk)
    return polled(request, job, _context(request, job), ends=waits_for_mapping(job))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, pause, resume an import; a draft that is cancelled leaves nothing behind."""
    job = job_or_404(request, Import, project_id, pk, needs="editor")
    if move == "cancel" and discards.can_be_discarded(job):
        discards.throw_away(job)
        messages.info(request, f"{job.original_name} was not imported.")
        return _to_data(request, job.project)
    return moved(request, job, move, _context)


def _to_data(request: HttpRequest, project: Project) -> HttpResponse:
    address = reverse("curation:data", args=[project.pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)
