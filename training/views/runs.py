"""Pages of training runs: the list, a new one, and one run while it trains and after."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import project_or_404
from atelier.accounts.models import Project
from atelier.jobs import queue
from atelier.jobs.pages import END_OF_POLL, addresses, job_or_404, moved
from atelier.web import border
from atelier.web.methods import require_GET_POST
from training import catalogue
from training.bases import offers, store
from training.forms.runs import RunForm
from training.models import Adapter, Run
from training.recipe.fields import FIELDS, Recipe
from training.runs import archive, control, metrics

PAGE = 50
LIVE = "training/runs/run.html#live"


@require_GET
def run_list(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the runs, the newest first; `?archived=1` those in the archive."""
    project = project_or_404(request, project_id)
    archived = "archived" in request.GET
    there = project.runs.filter(archived_at__isnull=not archived)
    rows = there.select_related("version__dataset", "created_by", "adapter").order_by("-pk")
    before = border.whole(request.GET.get("before"))
    run_rows = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    newest = next(iter(control.trainable(project)), None)
    context = {
        "runs": run_rows[:PAGE],
        "can_edit": project.role.covers("editor"),
        "newest": newest,
        "archived": archived,
        "archived_count": project.runs.exclude(archived_at=None).count(),
        "next_url": f"?before={run_rows[PAGE - 1].pk}" + "&archived=1" * archived if len(run_rows) > PAGE else None,
        "new_url": reverse("training:new_run", args=[project.pk]) + (f"?version={newest.pk}" if newest else ""),
    }
    return render(request, "training/runs/index.html" + ("#rows" if request.htmx else ""), context)


@require_GET_POST
def new_run(request: HttpRequest, project_id: int) -> HttpResponse:
    """Create a run.

    `?version=3` chooses the version, `?base=slug` the base; `?like=7` starts from the recipe of another run.
    """
    project = project_or_404(request, project_id, needs="editor")
    shown, initial = suggestion(request, project)
    form = RunForm(request.POST or None, project=project, shown=shown, initial=initial)
    status = 200
    if request.method == "POST":
        try:
            if form.is_valid():
                data = form.cleaned_data
                run = control.start(data["version"], data["base"], data["recipe"], request.user, data["name"])
                queue.wake(run)
                return redirect("training:run", project.pk, run.pk)
        except ValidationError as error:
            form.add_error(None, error)
        status = 422
    context = {
        "form": form,
        "machine": offers.machine(),
        "shown": shown,
        "about": catalogue.get(shown.base),
        "own_prompt": offers.own_prompt(shown.base),
        "rate": f"{shown.learning_rate:g}",
        "method": FIELDS["method"].metadata["choices"][shown.method],
        "can_train": form.fields["version"].queryset.exists(),
    }
    part = "#recipe" if request.htmx and request.method == "GET" else ""
    return render(request, "training/runs/new.html" + part, context, status=status)


def suggestion(request: HttpRequest, project: Project) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe that the form shows, and its other initial values."""
    query = request.POST if request.method == "POST" else request.GET
    like = project.runs.filter(pk=pk).first() if (pk := border.whole(query.get("like"))) else None
    slug = query.get("base") or query.get("fitted_for") or (like.base if like else store.STUDENT)
    if slug not in catalogue.load():
        raise Http404("This base model is not in the catalogue.")
    initial = {"version": version} if (version := border.whole(query.get("version"))) is not None else {}
    if like:
        initial = {"version": like.version_id, "name": like.name} | initial
    if like and slug == like.base:
        return Recipe.from_dict(like.recipe), initial
    return control.fitting(slug), initial


@require_GET
def run(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(request, "training/runs/run.html", context_of(request, job_or_404(request, Run, project_id, pk)))


def context_of(request: HttpRequest, run: Run) -> dict[str, Any]:
    """Return all that the page and its parts show."""
    adapter = Adapter.objects.filter(run=run).first()
    base = catalogue.load().get(run.base)
    log = metrics.log_tail(run.folder / "train.log")
    return {
        "run": run,
        "job": run,
        "adapter": adapter,
        "base": base,
        "can_edit": request.project.role.covers("editor"),
        "recipe": control.recipe_table(run),
        "files": control.files(run),
        "has_checkpoints": run.is_over and bool(archive.removable(run, archive.CHECKPOINTS)),
        "has_files": run.archived_at is not None and bool(archive.removable(run, archive.ALL)),
        **dict(zip(("erased_before", "erased_since"), control.erased(run), strict=True)),
        "next_line": next_line(run),
        "figures": run.summary,
        "log": log,
        "log_mark": str(len(log)),
        "rows": [] if run.is_live else metrics.run_folder.metrics(run.folder)[-20:],
        **addresses(run),
    }


def next_line(run: Run) -> str:
    """Describe the next step, in a sentence."""
    if run.status == Run.Status.DONE:
        models, compare = (reverse(f"inference:{page}", args=[run.project_id]) for page in ("models", "comparisons"))
        text = 'Next: <a href="{}">deploy the adapter</a>, then <a href="{}">compare it</a> with its base.'
        return format_html(text, models, compare)
    return {
        Run.Status.QUEUED: "The run starts as soon as the trainer is free; one run trains at a time.",
        Run.Status.RUNNING: "When the run ends, its adapter appears under Models, ready to deploy.",
        Run.Status.PAUSED: "Resume continues from the last checkpoint.",
        Run.Status.FAILED: "Retry continues from the last checkpoint, if there is one.",
        Run.Status.CANCELLED: "Retry continues from the last checkpoint, if there is one.",
    }.get(Run.Status(run.status), "")


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Return the progress and figures of a run, polled. The last response brings the facts and files along."""
    run = job_or_404(request, Run, project_id, pk)
    return render(request, LIVE, _live(request, run), status=200 if run.is_live else END_OF_POLL)


def _live(request: HttpRequest, run: Run) -> dict[str, Any]:
    return context_of(request, run) | {"with_rest": True}


@require_GET
def log(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Return the end of the log; 204 when nothing was added, so that nobody's selection is lost."""
    run = job_or_404(request, Run, project_id, pk)
    context = context_of(request, run)
    if run.is_live and request.GET.get("mark") == context["log_mark"]:
        return HttpResponse(status=204)
    if not request.htmx:
        return HttpResponse(context["log"], content_type="text/plain; charset=utf-8")
    return render(request, "training/runs/run.html#log", context, status=200 if run.is_live else END_OF_POLL)


@require_GET
def chart(request: HttpRequest, project_id: int, pk: int) -> JsonResponse:
    run = job_or_404(request, Run, project_id, pk)
    return JsonResponse(metrics.chart(run.folder, not run.is_live))


@require_GET
def metrics_download(request: HttpRequest, project_id: int, pk: int) -> FileResponse:
    run = job_or_404(request, Run, project_id, pk)
    path = control.metrics_file(run)
    if path is None:
        raise Http404("This run has no metrics yet. They appear after the first step.")
    name = f"run-{run.number}-metrics.jsonl"
    return FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/jsonl")


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, pause or resume a run, or stop and save it."""
    return moved(request, job_or_404(request, Run, project_id, pk, needs="editor"), move, _live, LIVE)
