"""Pages of distillations, a new one with its preview, and the progress of one."""

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
from atelier.web import border
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from curation.distillation import budget as distillation_budget
from curation.distillation import drafts, previews, prompts
from curation.forms.distillations import BudgetForm, DistilForm
from curation.models import Dataset, Distillation, Record
from curation.search import selection
from inference import endpoints

JOB = "curation/distillation/distillation.html#job"


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    return render(
        request,
        "curation/distillation/index.html",
        {
            "rows": project.distillations.filter(dataset__deleted_at=None, target__deleted_at=None)
            .select_related("dataset", "target", "created_by")
            .order_by("-pk")[:200],
            "can_edit": project.role.covers("editor"),
            "has_records": Record.objects.present().filter(dataset__in=project.datasets.all()).exists(),
            "has_teacher": endpoints.teachers(project).exists(),
        },
    )


@require_GET_POST
def new(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the form; its button Preview sends three records to the teacher, Start queues the job."""
    project = project_or_404(request, project_id, needs="editor")
    if not endpoints.teachers(project).exists() or not _sources(project).exists():
        return redirect("curation:distil", project.pk)
    posted = request.method == "POST"
    form = DistilForm(request.POST if posted else None, project=project, initial=_initial(request, project))
    context: dict[str, Any] = {"form": form, "crumbs": _crumbs(project)}
    if posted and form.is_valid() and form.job is not None:
        try:
            if request.POST.get("do") == "start":
                return _start(request, form.job)
            context |= _preview(form.job)
        except ValidationError as error:
            form.add_error(None, error)
    chosen = form["dataset"].value()
    context |= _columns(
        project, chosen.pk if isinstance(chosen, Dataset) else border.whole(chosen), form["status"].value()
    )
    status = 422 if posted and form.errors else 200
    return render(request, "curation/distillation/new.html" + ("#page" if request.htmx else ""), context, status=status)


def _start(request: HttpRequest, job: Distillation) -> HttpResponse:
    queue.wake(drafts.start(job, request.user))
    address = reverse("curation:distillation", args=[job.project_id, job.pk])
    return HttpResponse(headers={"HX-Redirect": address}) if request.htmx else redirect(address)


def _preview(job: Distillation) -> dict[str, Any]:
    tried = previews.preview(job, endpoints.client_for(job.teacher, previews.SECONDS))
    return {"previews": tried, "estimate": previews.estimate(job, tried), "job": job}


def _sources(project: Project) -> Any:
    return project.datasets.exclude(kind=Dataset.Kind.PREFERENCES).order_by("-pk")


def _initial(request: HttpRequest, project: Project) -> dict[str, Any]:
    sources, wanted = _sources(project), border.whole(request.GET.get("dataset"))
    dataset = sources.filter(pk=wanted).first() if wanted else None
    dataset = dataset or sources.filter(kind=Dataset.Kind.DOCUMENTS).first() or sources.first()
    last = project.distillations.filter(dataset=dataset).order_by("-pk").first()
    return {
        "target": last.target_id if last else None,
        "dataset": dataset,
        "teacher": endpoints.teachers(project).first(),
        "template": prompts.suggested_template(dataset) if dataset else "",
        "system_prompt": project.guidelines,
        "student_prompt": project.student_prompt,
    }


def _columns(project: Project, dataset_id: int | None, status: object) -> dict[str, Any]:
    """Return what can be inserted into the template, and how many records there are, for the dataset as it is chosen now."""
    dataset = project.datasets.filter(pk=dataset_id).first() if dataset_id else None
    if dataset is None:
        return {"columns": [], "found": 0}
    filters = {"status": status} if status in Record.Status.values else {}
    return {
        "columns": prompts.columns_in(dataset),
        "found": selection.select(dataset, filters).count(),
        "source": dataset,
    }


@require_GET
def columns(request: HttpRequest, project_id: int) -> HttpResponse:
    """Return the columns beside the template and the number of records, when another dataset or status is chosen."""
    project = project_or_404(request, project_id, needs="editor")
    context = _columns(project, border.whole(request.GET.get("dataset")), request.GET.get("status"))
    return render(request, "curation/distillation/new.html#columns", context)


def _crumbs(project: Project) -> list[tuple[str, str]]:
    return [("Distil", reverse("curation:distil", args=[project.pk]))]


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, Distillation, project_id, pk)
    return render(
        request, "curation/distillation/distillation.html", _context(request, job) | {"crumbs": _crumbs(job.project)}
    )


def _context(request: HttpRequest, job: Distillation, **more: Any) -> dict[str, Any]:
    can_edit = request.project.role.covers("editor")
    return {
        "job": job,
        "can_edit": can_edit,
        "next_line": _next_line(job, can_edit),
        "budget_form": BudgetForm(),
        **addresses(job),
        **more,
    }


def _next_line(job: Distillation, can_edit: bool) -> str:
    if job.status == job.Status.DONE:
        review = reverse("curation:dataset", args=[job.project_id, job.target_id]) + "?status=new"
        freeze = reverse("curation:new_version" if can_edit else "curation:versions", args=[job.project_id])
        freeze = f"{freeze}?dataset={job.target_id}"
        if job.failed:
            text = 'Next: check in the ledger why {} failed, retry them, then <a href="{}">review {}</a>.'
            return format_html(text, job.failed, review, job.target.name)
        text = 'Next: <a href="{}">review the answers in {}</a>, then <a href="{}">freeze a version</a>.'
        return format_html(text, review, job.target.name, freeze)
    if job.is_live:
        return f"The answers are added to {job.target.name} as they are written. You can already review them there."
    return "Existing answers are kept. A retry continues with the missing ones."


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Return the progress that htmx polls. When the job has ended, the whole page is reloaded, once."""
    job = job_or_404(request, Distillation, project_id, pk)
    return polled(request, job, _context(request, job, oob=True), JOB)


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, pause or resume a distillation."""
    job = job_or_404(request, Distillation, project_id, pk, needs="editor")
    return moved(request, job, move, _context, JOB)


@require_POST
def retry(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Retry what failed."""
    job = job_or_404(request, Distillation, project_id, pk, needs="editor")
    try:
        count = drafts.retry_failed(job)
    except ValidationError as error:
        say_error(request, error)
    else:
        queue.wake(job)
        messages.success(request, f"{count} failed row{'s' if count != 1 else ''} will be retried.")
    return redirect("curation:distillation", project_id, pk)


@require_POST
def budget(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Raise the budget that stopped the distillation, and resume."""
    job = job_or_404(request, Distillation, project_id, pk, needs="editor")
    form = BudgetForm(request.POST)
    try:
        if not form.is_valid():
            raise ValidationError("Enter the budget as a number such as 2.50, or leave it empty for no limit.")
        distillation_budget.change(job, form.cleaned_data["budget"])
    except ValidationError as error:
        say_error(request, error)
    else:
        if job.enqueue():
            queue.wake(job)
    return redirect("curation:distillation", project_id, pk)
