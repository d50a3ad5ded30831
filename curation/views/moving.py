"""Pages: moving over from another annotation tool: what was asked, who is who, and what could not come along."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from atelier.accounts.access import child_or_404, project_or_404
from atelier.jobs import queue
from curation import importing, mapping_choices, moving
from curation.formats import Mapping, Source, read
from curation.formats.label_studio import META
from curation.models import Dataset, Import, Question
from curation.views.datasets import crumbs

SHOWN = 5  # tasks at the foot of the page


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The preview of a move. With `do=preview` the choices are only tried; else they are confirmed and the work queued."""
    project = project_or_404(request, project_id, needs="editor" if request.method == "POST" else "viewer")
    job = child_or_404(project.imports.select_related("dataset", "project", "created_by"), pk)
    waits = bool(job.file) and not job.confirmed and job.status in (Import.Status.DRAFT, Import.Status.PAUSED)
    if not waits or not moving.name_of(job):
        return redirect("curation:import", project_id, pk)
    mapping, error = importing.suggested(job)
    if request.method == "GET":
        return _preview(request, job, mapping, error)
    try:
        mapping = _read(request, job)
        job.mapping = mapping.to_json()
        job.save(update_fields=["source", "mapping"])
        if request.POST.get("do") == "preview":
            return _preview(request, job, mapping)
        if importing.confirm(job, mapping, skip_duplicates=False):
            queue.wake(job)
    except ValidationError as problem:
        return _preview(request, job, mapping, " ".join(problem.messages), 422)
    address = reverse("curation:import", args=[project_id, pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)


def _read(request: HttpRequest, job: Import) -> Mapping:
    """The choices of the form, noted on the job. Raises ValidationError."""
    post = request.POST
    people = {name.removeprefix("who:"): post[name] for name in post if name.startswith("who:")}
    kinds = {name.removeprefix("kind:"): post[name] for name in post if name.startswith("kind:")}
    kinds = {name: kind for name, kind in kinds.items() if kind != post.get(f"was:{name}")}
    moving.wish(job, config=post.get("config", ""), people=people, kinds=kinds)
    columns = job.source.get("columns", [])
    choices = {name: post.get(f"column.{number}", "") for number, name in enumerate(columns)}
    kind = job.dataset.kind if job.dataset.records.exists() else post.get("kind", "")
    mapping = mapping_choices.read(kind, choices)
    if mapping.key != moving.key_of(job):
        raise ValidationError(
            f"The row's id must stay “{moving.key_of(job)}”: by it a task is known when you move again."
        )
    return mapping


def _preview(request: HttpRequest, job: Import, mapping: Mapping, error: str = "", status: int = 200) -> HttpResponse:
    columns = job.source.get("columns", [])
    with importing.local(job) as path:
        asked, people = moving.look(job, path, mapping)
        first = [row for row, _ in zip(read(path, Source.from_json(job.source)), range(SHOWN), strict=False)]
    choices, words = mapping_choices.of(mapping, columns), dict(Question.Kind.choices) | {"": "Leave out"}
    context = {
        "job": job, "dataset": job.dataset, "tool": moving.name_of(job), "error": error,
        "crumbs": crumbs(request.project, job.dataset), "can_edit": request.project.role.covers("editor"),
        "asked": [(one, [(kind, words[kind]) for kind in kinds], kinds[0]) for one, kinds in asked],
        "people": [(who, user.username if user else "") for who, user in people.items()],
        "members": list(moving.members(job).values_list("username", flat=True)),
        "config": job.source.get("moving", {}).get("config", ""), "takes_config": job.source["tool"] != "argilla",
        "kind": mapping.kind, "kinds": Dataset.Kind.choices, "fixed_kind": job.dataset.records.exists(),
        "columns": [(number, name, choices.get(name, "")) for number, name in enumerate(columns)],
        "choices": [(value, text) for value, text in mapping_choices.CHOICES.items() if value in mapping_choices.FOR_KIND[mapping.kind]],
        "first": [_task(row.line, row.task, row.problem, mapping) for row in first],
        "cancel_url": reverse("curation:import_move", args=[job.project_id, job.pk, "cancel"]),
    }  # fmt: skip
    part = "#preview" if request.htmx else ""
    return render(request, "curation/moving.html" + part, context, status=status)


def _task(line: int, task: dict[str, Any] | None, problem: Any, mapping: Mapping) -> dict[str, Any]:
    if task is None:
        return {"line": line, "wrong": problem.message if problem else "This cannot be read."}
    data = task.get("data") or task.get("fields") or {}
    texts = [(name, str(value)[:300]) for name, value in data.items() if name in mapping.columns and name != META]
    answered = task.get("annotations")
    if answered is None:
        answered = {str(one.get("user_id")) for given in task["responses"].values() for one in given or []}
    predicted = task.get("predictions") or task.get("suggestions") or []
    return {"line": line, "texts": texts, "answers": len(answered), "predictions": len(predicted)}


def result(job: Import) -> dict[str, Any] | None:
    """What came besides the records, and what could not, for the page of the import; None for any other import."""
    state = job.source.get("moving", {})
    if "counts" not in state:
        return None
    left = sorted(state.get("left", {}).items(), key=lambda pair: -pair[1][0])
    return {
        "tool": moving.name_of(job),
        "counts": [(word, state["counts"].get(name, 0)) for name, word in moving.HEADINGS.items()],
        "left": [(code, count, message) for code, (count, message) in left],
    }
