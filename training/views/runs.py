"""Pages of runs: the list, a new one, and one run while it trains and after."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from training import bases, catalogue, metrics, runs, student
from training.forms import RunForm
from training.models import Adapter, Run
from training.recipe import FIELDS, Recipe

GET_POST = require_http_methods(["GET", "POST"])
PAGE = 50
END_OF_POLL = 286  # htmx stops asking


@require_GET
def run_list(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.runs.select_related("version__dataset", "created_by", "adapter").order_by("-pk")
    before = request.GET.get("before", "")
    found = list((rows.filter(pk__lt=int(before)) if before.isdigit() else rows)[: PAGE + 1])
    newest = next(iter(runs.trainable(project)), None)
    context = {
        "runs": found[:PAGE],
        "can_edit": project.role.covers("editor"),
        "newest": newest,
        "next_url": f"?before={found[PAGE - 1].pk}" if len(found) > PAGE else None,
        "new_url": reverse("training:new_run", args=[project.pk]) + (f"?version={newest.pk}" if newest else ""),
    }
    return render(request, "training/runs.html" + ("#rows" if request.htmx else ""), context)


@GET_POST
def new_run(request: HttpRequest, project_id: int) -> HttpResponse:
    """`?version=3` chooses the version, `?base=slug` the base; `?like=7` starts from the recipe of another run."""
    project = project_or_404(request, project_id, needs="editor")
    shown, initial = suggestion(request, project)
    form = RunForm(request.POST or None, project=project, shown=shown, initial=initial)
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                data = form.cleaned_data
                run = runs.start(data["version"], data["base"], data["recipe"], request.user, data["name"])
                queue.wake(run)
                return redirect("training:run", project.pk, run.pk)
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    context = {
        "form": form,
        "machine": bases.machine(),
        "shown": shown,
        "about": catalogue.get(shown.base),
        "rate": f"{shown.learning_rate:g}",
        "method": FIELDS["method"].metadata["choices"][shown.method],
        "can_train": form.fields["version"].queryset.exists(),
    }
    part = "#recipe" if request.htmx and request.method == "GET" else ""
    return render(request, "training/run_new.html" + part, context, status=status)


def suggestion(request: HttpRequest, project: Project) -> tuple[Recipe, dict[str, Any]]:
    """The recipe that the form shows, and what else it starts with."""
    given = request.POST if request.method == "POST" else request.GET
    like = project.runs.filter(pk=given["like"]).first() if str(given.get("like", "")).isdigit() else None
    slug = given.get("base") or given.get("fitted_for") or (like.base if like else student.STUDENT)
    if slug not in catalogue.load():
        raise Http404("The catalogue has no such base model.")
    initial = {"version": int(given["version"])} if str(given.get("version", "")).isdigit() else {}
    if like:
        initial = {"version": like.version_id, "name": like.name} | initial
    if like and slug == like.base:
        return Recipe.from_dict(like.recipe), initial
    return runs.fitting(slug), initial


@require_GET
def run(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    return render(request, "training/run.html", context_of(project, fetched(project, pk)))


def fetched(project: Project, pk: int) -> Run:
    return child_or_404(project.runs.select_related("version__dataset", "created_by", "project"), pk)


def context_of(project: Project, found: Run) -> dict[str, Any]:
    """All that the page and its parts show."""
    adapter = Adapter.objects.filter(run=found).first()
    base = catalogue.load().get(found.base)
    log = metrics.log_tail(found.folder / "train.log")
    return {
        "run": found,
        "job": found,
        "adapter": adapter,
        "base": base,
        "can_edit": project.role.covers("editor"),
        "recipe": runs.recipe_table(found),
        "files": runs.files(found),
        "next_line": next_line(found),
        "figures": found.summary,
        "log": log,
        "log_mark": str(len(log)),
        "rows": [] if found.is_live else metrics.rundir.metrics(found.folder)[-20:],
    }


def next_line(found: Run) -> str:
    """What comes next, in a sentence."""
    if found.status == Run.Status.DONE:
        models, compare = (reverse(f"inference:{page}", args=[found.project_id]) for page in ("models", "comparisons"))
        text = 'Next: <a href="{}">deploy the adapter</a>, then <a href="{}">compare it</a> with its base.'
        return format_html(text, models, compare)
    return {
        Run.Status.QUEUED: "It starts as soon as the trainer is free; one run trains at a time.",
        Run.Status.RUNNING: "When it ends its adapter appears under Models, ready to deploy.",
        Run.Status.PAUSED: "Resume goes on from the last checkpoint.",
        Run.Status.FAILED: "Retry goes on from the last checkpoint, if there is one.",
        Run.Status.CANCELLED: "Retry goes on from the last checkpoint, if there is one.",
    }.get(Run.Status(found.status), "")


@require_GET
def live(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The progress and figures of a run, polled. The last answer brings the facts and files along."""
    project = project_or_404(request, project_id)
    found = fetched(project, pk)
    status = 200 if found.is_live else END_OF_POLL
    return render(request, "training/run.html#live", context_of(project, found) | {"with_rest": True}, status=status)


@require_GET
def log(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """The end of the log; 204 when nothing was added, so that nobody's selection is lost."""
    project = project_or_404(request, project_id)
    found = fetched(project, pk)
    context = context_of(project, found)
    if found.is_live and request.GET.get("mark") == context["log_mark"]:
        return HttpResponse(status=204)
    if not request.htmx:
        return HttpResponse(context["log"], content_type="text/plain; charset=utf-8")
    return render(request, "training/run.html#log", context, status=200 if found.is_live else END_OF_POLL)


@require_GET
def chart(request: HttpRequest, project_id: int, pk: int) -> JsonResponse:
    project = project_or_404(request, project_id)
    found = fetched(project, pk)
    return JsonResponse(metrics.chart(found.folder, not found.is_live))


@require_GET
def metrics_download(request: HttpRequest, project_id: int, pk: int) -> FileResponse:
    project = project_or_404(request, project_id)
    found = fetched(project, pk)
    path = runs.metrics_file(found)
    if path is None:
        raise Http404("This run has no figures yet: they come with its first step.")
    name = f"run-{found.number}-metrics.jsonl"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/jsonl")


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, pause, resume, or stop and save."""
    project = project_or_404(request, project_id, needs="editor")
    found = fetched(project, pk)
    try:
        runs.move(found, move)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        if move == "resume":
            queue.wake(found)
    if request.htmx:
        return render(request, "training/run.html#live", context_of(project, found) | {"with_rest": True})
    return redirect(reverse("training:run", args=[project.pk, found.pk]))
