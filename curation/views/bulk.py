"""Bulk actions over a dataset's records: the POST of the table, the page of an action, its undo."""

import dataclasses
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Role, User
from atelier.jobs import claims, queue
from curation import bulk as actions
from curation.filters import Filters
from curation.forms import named_errors
from curation.models import BulkAction, Dataset
from curation.records import REVIEW
from curation.views.bulk_forms import FORMS

BUTTONS = [
    {"value": "accept", "label": "Accept", "key": "a"},
    {"value": "reject", "label": "Reject", "key": "r"},
    {"value": "skip", "label": "Skip", "key": "s"},
    {"value": "label", "label": "Label", "key": "l"},
    {"value": "reopen", "label": "Back to review", "more": True},
    {"value": "unlabel", "label": "Take labels away …", "more": True},
    {"value": "assign", "label": "Assign …", "more": True},
    {"value": "replace", "label": "Find and replace …", "more": True},
    {"value": "mask", "label": "Mask personal data …", "more": True},
    {"value": "mend", "label": "Mend problems …", "more": True},
    {"value": "copy", "label": "Copy to a dataset …", "more": True},
    {"value": "delete", "label": "Delete", "danger": True, "more": True},
]


def buttons(role: Role) -> list[dict[str, Any]]:
    """Those of the role; what needs a form leads to its page."""
    known = {*FORMS, *REVIEW, BulkAction.Action.DELETE}
    mine = [
        button for button in BUTTONS if button["value"] in known and role.covers(actions.role_for(str(button["value"])))
    ]
    more = [button for button in mine if button.get("more")]
    return [button for button in mine if not button.get("more")] + ([{"menu": more}] if more else [])


LIST = "list"  # in an address: the query of the list that people came from
SHOWN = 100  # failures on the page; REST has them all


@require_POST
def change(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Act on the ticked records, or with `everything` on all that the address's filters match."""
    action = request.POST.get("action", "")
    project = project_or_404(request, project_id, needs=actions.role_for(action))
    dataset = child_or_404(project.datasets, dataset_id)
    try:
        chosen = _chosen(request)
        if action in FORMS and request.POST.get("sure") != "1":
            return redirect(_form_url(dataset, action, _address(request, chosen)))
        job = actions.begin(dataset, request.user, action, chosen, options=_options(request, dataset, action))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        if action in FORMS and request.POST.get("sure") == "1":
            return redirect(_form_url(dataset, action, request.GET.urlencode()))
        return redirect(f"{reverse('curation:dataset', args=[project.pk, dataset.pk])}?{request.GET.urlencode()}")
    return started(request, job, back=list_query(request))


def _address(request: HttpRequest, chosen: Filters) -> str:
    """The query of a form's address. What was ticked says nothing of the list it was ticked in: that stands beside it."""
    came_from = {LIST: back} if chosen.ids and (back := list_query(request)) else {}
    return urlencode({**chosen.as_dict(), **came_from}, doseq=True)


def list_query(request: HttpRequest) -> str:
    """The query of the list that people came from: named in the address, or the address's own."""
    given = QueryDict(request.GET[LIST]) if LIST in request.GET else request.GET
    return urlencode(dataclasses.replace(Filters.lenient(given), ids=()).as_dict(), doseq=True)


def _chosen(request: HttpRequest) -> Filters:
    chosen = Filters.read(request.GET)
    if request.POST.get("everything") == "1":
        return chosen
    ticked = dataclasses.replace(Filters.read({"ids": request.POST.getlist("ids")}), sort=chosen.sort)
    if not ticked.ids:
        raise ValidationError("Nothing is selected: tick the records first.")
    return ticked


def _form_url(dataset: Dataset, action: str, filters: str) -> str:
    return reverse("curation:bulk_form", args=[dataset.project_id, dataset.pk, action]) + f"?{filters}"


def _options(request: HttpRequest, dataset: Dataset, action: str) -> dict[str, Any]:
    if action not in FORMS:
        return {}
    form = FORMS[action](request.POST, dataset=dataset)
    if not form.is_valid():
        raise ValidationError(named_errors(form))
    return form.options()


def started(request: HttpRequest, job: BulkAction, back: str = "") -> HttpResponse:
    """Few records are done at once and answered with a toast that undoes; many are a job with a page."""
    page = reverse("curation:bulk", args=[job.project_id, job.pk])
    if job.total > actions.INLINE:
        queue.wake(job)
        return redirect(page)
    claims.execute(BulkAction, job.pk, actions.run)
    job.refresh_from_db()
    if job.status != BulkAction.Status.DONE:
        return redirect(page)
    can_undo = job.changed and job.action != BulkAction.Action.UNDO and not actions.why_no_undo(job)
    undo_url = reverse("curation:undo_bulk", args=[job.project_id, job.pk]) if can_undo else ""
    if undo_url and back:
        undo_url += f"?{urlencode({LIST: back})}"
    messages.success(request, job.line, extra_tags=undo_url)
    address = reverse("curation:dataset", args=[job.project_id, job.dataset_id])
    return redirect(f"{address}?{back}" if back else address)


@require_POST
def undo(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk)
    project_or_404(request, project_id, needs=actions.role_for(job.action if job.undoes is None else job.undoes.action))
    try:
        undoing = actions.begin_undo(job, request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("curation:bulk", project_id, pk)
    if undoing.is_over:
        messages.info(request, "That is undone already.")
        return redirect("curation:bulk", project_id, undoing.pk)
    # Back to the list as it was filtered: what is put back is seen where it was.
    back = list_query(request) if LIST in request.GET else urlencode(_listed(job), doseq=True)
    return started(request, undoing, back=back)


def _listed(job: BulkAction) -> dict[str, Any]:
    return {name: value for name, value in job.filters.items() if name != "ids"}


def _job_or_404(request: HttpRequest, project_id: int, pk: int, needs: str = "annotator") -> BulkAction:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.bulkactions.select_related("dataset", "undoes__dataset", "project", "created_by"), pk)


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(
        request, "curation/bulk.html", _context(request, _job_or_404(request, project_id, pk, needs="viewer"))
    )


def _context(request: HttpRequest, job: BulkAction) -> dict[str, Any]:
    args = [job.project_id, job.pk]
    from curation.views.datasets import crumbs  # datasets uses this module for its buttons

    action = job.undoes.action if job.undoes is not None else job.action
    waiting = reverse("curation:dataset", args=[job.project_id, job.dataset_id]) + "?status=new"
    undone, why = BulkAction.objects.filter(undoes=job).first(), actions.why_no_undo(job)
    can_undo = bool(job.changed) and undone is None and not why
    return {
        "job": job,
        "crumbs": crumbs(request.project, job.dataset),
        "undone": undone,
        "poll_url": reverse("curation:bulk_progress", args=args),
        "can_edit": request.project.role.covers(actions.role_for(action)),
        "cancel_url": reverse("curation:bulk_move", args=[*args, "cancel"]),
        "resume_url": reverse("curation:bulk_move", args=[*args, "resume"]),
        "can_undo": can_undo,
        "why_no_undo": why if job.is_over and job.changed and undone is None else "",
        "failures": job.failures.select_related("record").order_by("record_id")[:SHOWN] if job.left else [],
        "wish": wish(job),
        "next_line": format_html(
            'Next: <a href="{}">go on reviewing</a>{}', waiting, "; this can be undone here." if can_undo else "."
        )
        if job.is_over
        else "You can leave this page: it goes on.",
    }


def wish(job: BulkAction) -> list[tuple[str, str]]:
    """What the action was told, as (name, words)."""
    said = {name: _said(name, value) for name, value in job.options.items()}
    return [(name, words) for name, words in said.items() if words]


def _said(name: str, value: Any) -> str:
    if name == "users":
        return ", ".join(User.objects.filter(pk__in=value).order_by("username").values_list("username", flat=True))
    if name == "dataset":
        return getattr(Dataset.objects.filter(pk=value).first(), "name", "a dataset that is gone")
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = _job_or_404(request, project_id, pk, needs="viewer")
    response = render(request, "partials/progress.html", _context(request, job))
    if job.is_over:
        response.status_code, response["HX-Refresh"] = 286, "true"
    return response


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel, or resume from where it stopped."""
    job = _job_or_404(request, project_id, pk)
    project_or_404(request, project_id, needs=actions.role_for(job.action if job.undoes is None else job.undoes.action))
    if not (job.cancel() if move == "cancel" else job.enqueue()):
        messages.error(request, "It was over already." if move == "cancel" else "There is nothing left to do.")
    elif move == "resume":
        queue.wake(job)
    if request.htmx:
        return render(request, "partials/progress.html", _context(request, job))
    return redirect("curation:bulk", project_id, pk)
