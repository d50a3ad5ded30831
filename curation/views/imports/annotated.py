"""Pages: imports from other annotation tools: what was asked, who is who, and what could not come along."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from atelier.jobs import queue
from atelier.jobs.pages import job_or_404
from atelier.web.methods import require_GET_POST
from curation.formats import FormatError, Mapping, Source
from curation.formats.annotation_tools.label_studio import META
from curation.forms import mapping as mapping_forms
from curation.imports import drafts
from curation.imports.annotated import plan
from curation.imports.reader import FileReader
from curation.models import Dataset, Import, Question
from curation.views.crumbs import crumbs

SHOWN = 5  # tasks at the foot of the page


@require_GET_POST
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Show the preview of an import from another tool.

    With `do=preview` the choices are only tried; else they are confirmed and the work queued.
    """
    job = job_or_404(request, Import, project_id, pk, needs="editor" if request.method == "POST" else "viewer")
    waits = bool(job.file) and not job.confirmed and job.status in (Import.Status.DRAFT, Import.Status.PAUSED)
    if not waits or not plan.name_of(job):
        return redirect("curation:import", project_id, pk)
    mapping, error = drafts.suggested(job)
    if request.method == "GET":
        return _preview(request, job, mapping, error)
    try:
        mapping = _read(request, job)
        job.mapping = mapping.to_json()
        job.save(update_fields=["source", "mapping"])
        if request.POST.get("do") == "preview":
            return _preview(request, job, mapping)
        if drafts.confirm(job, mapping, skip_duplicates=False):
            queue.wake(job)
    except ValidationError as problem:
        return _preview(request, job, mapping, " ".join(problem.messages), 422)
    address = reverse("curation:import", args=[project_id, pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)


def _read(request: HttpRequest, job: Import) -> Mapping:
    """Return the mapping of the form's choices, noted on the job. Raises ValidationError."""
    post = request.POST
    people = {name.removeprefix("who:"): post[name] for name in post if name.startswith("who:")}
    kinds = {name.removeprefix("kind:"): post[name] for name in post if name.startswith("kind:")}
    kinds = {name: kind for name, kind in kinds.items() if kind != post.get(f"was:{name}")}
    plan.configure(job, config=post.get("config", ""), people=people, kinds=kinds)
    columns = job.source.get("columns", [])
    choices = {name: post.get(f"column.{number}", "") for number, name in enumerate(columns)}
    kind = job.dataset.kind if job.dataset.records.exists() else post.get("kind", "")
    mapping = mapping_forms.read(kind, choices)
    if mapping.key != plan.key_of(job):
        raise ValidationError(
            f"The ID must stay “{plan.key_of(job)}”, because it identifies each task when you import again."
        )
    return mapping


def _preview(request: HttpRequest, job: Import, mapping: Mapping, error: str = "", status: int = 200) -> HttpResponse:
    columns = job.source.get("columns", [])
    questions, people, first = [], {}, []
    try:
        with drafts.local(job) as path, FileReader(path) as file:
            questions, people = plan.look(job, path, mapping)
            shown = [name for name in mapping.columns if name != META]
            first = file.tasks(Source.from_json(job.source), shown, SHOWN)
    except FormatError as problem:
        error = str(problem)
    choices, words = mapping_forms.of(mapping, columns), dict(Question.Kind.choices) | {"": "Ignore"}
    context = {
        "job": job, "dataset": job.dataset, "tool": plan.name_of(job), "error": error,
        "crumbs": crumbs(request.project, job.dataset), "can_edit": request.project.role.covers("editor"),
        "asked": [(one, [(kind, words[kind]) for kind in kinds], kinds[0]) for one, kinds in questions],
        "people": [(who, user.username if user else "") for who, user in people.items()],
        "members": list(plan.members(job).values_list("username", flat=True)),
        "config": job.source.get("moving", {}).get("config", ""), "takes_config": job.source["tool"] != "argilla",
        "kind": mapping.kind, "kinds": Dataset.Kind.choices, "fixed_kind": job.dataset.records.exists(),
        "columns": [(number, name, choices.get(name, "")) for number, name in enumerate(columns)],
        "choices": [(value, text) for value, text in mapping_forms.CHOICES.items() if value in mapping_forms.FOR_KIND[mapping.kind]],
        "first": first,
        "cancel_url": reverse("curation:import_move", args=[job.project_id, job.pk, "cancel"]),
    }  # fmt: skip
    part = "#preview" if request.htmx else ""
    return render(request, "curation/imports/annotated.html" + part, context, status=status)


def result(job: Import) -> dict[str, Any] | None:
    """Return what was imported besides the records, and what could not be, for the import's page; None for any other import."""
    state = job.source.get("moving", {})
    if "counts" not in state:
        return None
    leftovers = sorted(state.get("left", {}).items(), key=lambda pair: -pair[1][0])
    return {
        "tool": plan.name_of(job),
        "counts": [(word, state["counts"].get(name, 0)) for name, word in plan.HEADINGS.items()],
        "left": [(code, count, message) for code, (count, message) in leftovers],
    }
