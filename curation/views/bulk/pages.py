"""Pages of bulk actions on a dataset's records: the POST of the table, the page of an action, its undo."""

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

from atelier.accounts.access import project_or_404
from atelier.accounts.models import Role, User
from atelier.audit import trail
from atelier.jobs import claims, queue
from atelier.jobs.pages import addresses, job_or_404, moved, polled
from atelier.web.toasts import say_error
from curation import bulk as actions
from curation.access import dataset_or_404
from curation.forms.bulk import FORMS
from curation.forms.datasets import named_errors
from curation.models import BulkAction, Dataset
from curation.records.changes import REVIEW
from curation.search.filters import Filters
from curation.views.crumbs import crumbs

ERASE = "erase"  # no bulk action, for it has a job of its own and is never undone
BUTTONS = [
    {"value": "accept", "label": "Accept", "key": "a"},
    {"value": "reject", "label": "Reject", "key": "r"},
    {"value": "skip", "label": "Skip", "key": "s"},
    {"value": "label", "label": "Label", "key": "l"},
    {"value": "reopen", "label": "Return to “To review”", "more": True},
    {"value": "unlabel", "label": "Remove labels …", "more": True},
    {"value": "assign", "label": "Assign …", "more": True},
    {"value": "replace", "label": "Find and replace …", "more": True},
    {"value": "mask", "label": "Mask personal data …", "more": True},
    {"value": "fix", "label": "Fix problems …", "more": True},
    {"value": "key", "label": "Change a key …", "more": True},
    {"value": "copy", "label": "Copy to a dataset …", "more": True},
    {"value": "delete", "label": "Delete", "danger": True, "more": True},
    {"value": ERASE, "label": "Erase everywhere …", "danger": True, "more": True},
]


def _least_role(action: str) -> str:
    return "editor" if action == ERASE else actions.role_for(action)


def buttons(role: Role) -> list[dict[str, Any]]:
    """Return the buttons of the role; an action that needs a form leads to its page."""
    actions_with_button = {*FORMS, *REVIEW, BulkAction.Action.DELETE, ERASE}
    mine = [
        button
        for button in BUTTONS
        if button["value"] in actions_with_button and role.covers(_least_role(str(button["value"])))
    ]
    more = [button for button in mine if button.get("more")]
    return [button for button in mine if not button.get("more")] + ([{"menu": more}] if more else [])


LIST = "list"  # in an address: the query of the list that people came from
SHOWN = 100  # failures on the page; REST has them all


@require_POST
def change(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    """Start an action on the ticked records, or with `everything` on all that the URL's filters match."""
    action = request.POST.get("action", "")
    dataset = dataset_or_404(request, project_id, dataset_id, needs=_least_role(action))
    project = request.project
    try:
        chosen = _chosen(request)
        if action == ERASE:
            query = urlencode(chosen.as_dict(), doseq=True)
            return redirect(reverse("curation:erase_records", args=[project.pk, dataset.pk]) + f"?{query}")
        if action in FORMS and request.POST.get("sure") != "1":
            return redirect(_form_url(dataset, action, _address(request, chosen)))
        options, asker = _options(request, dataset, action), trail.asker(request)
        job = actions.begin(dataset, request.user, action, chosen, options=options, asker=asker)
    except ValidationError as error:
        say_error(request, error)
        if action in FORMS and request.POST.get("sure") == "1":
            return redirect(_form_url(dataset, action, request.GET.urlencode()))
        return redirect(f"{reverse('curation:dataset', args=[project.pk, dataset.pk])}?{request.GET.urlencode()}")
    return started(request, job, back=list_query(request))


def _address(request: HttpRequest, chosen: Filters) -> str:
    """Return the query of a form's URL. Ticked ids do not describe the list they were ticked in: that is added beside them."""
    came_from = {LIST: back} if chosen.ids and (back := list_query(request)) else {}
    return urlencode({**chosen.as_dict(), **came_from}, doseq=True)


def list_query(request: HttpRequest) -> str:
    """Return the query of the list that people came from: named in the URL, or the URL's own."""
    given = QueryDict(request.GET[LIST]) if LIST in request.GET else request.GET
    return urlencode(dataclasses.replace(Filters.lenient(given), ids=()).as_dict(), doseq=True)


def _chosen(request: HttpRequest) -> Filters:
    chosen = Filters.read(request.GET, strict=True, besides={LIST})
    if request.POST.get("everything") == "1":
        return chosen
    ticked = dataclasses.replace(Filters.read({"ids": request.POST.getlist("ids")}), sort=chosen.sort)
    if not ticked.ids:
        raise ValidationError("No record is selected. Tick the records first.")
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
    """Respond to a started action: few records are done at once, with a toast to undo; many are a job with a page."""
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
    job = _job_to_move(request, project_id, pk)
    try:
        undoing = actions.begin_undo(job, request.user)
    except ValidationError as error:
        say_error(request, error)
        return redirect("curation:bulk", project_id, pk)
    if undoing.is_over:
        messages.info(request, "This action is already undone.")
        return redirect("curation:bulk", project_id, undoing.pk)
    # Back to the list as it was filtered: what is put back is seen where it was.
    back = list_query(request) if LIST in request.GET else urlencode(_listed(job), doseq=True)
    return started(request, undoing, back=back)


def _job_to_move(request: HttpRequest, project_id: int, pk: int) -> BulkAction:
    """Return a bulk action, for those who could have requested it themselves."""
    job = job_or_404(request, BulkAction, project_id, pk, needs="annotator")
    project_or_404(request, project_id, needs=_role_for(job))
    return job


def _role_for(job: BulkAction) -> str:
    return actions.role_for(job.action if job.undoes is None else job.undoes.action)


def _listed(job: BulkAction) -> dict[str, Any]:
    return {name: value for name, value in job.filters.items() if name != "ids"}


@require_GET
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    return render(
        request, "curation/bulk/action.html", _context(request, job_or_404(request, BulkAction, project_id, pk))
    )


def _context(request: HttpRequest, job: BulkAction) -> dict[str, Any]:
    waiting = reverse("curation:dataset", args=[job.project_id, job.dataset_id]) + "?status=new"
    undone, why = BulkAction.objects.filter(undoes=job).first(), actions.why_no_undo(job)
    can_undo = bool(job.changed) and undone is None and not why
    return {
        "job": job,
        "crumbs": crumbs(request.project, job.dataset),
        "undone": undone,
        "can_edit": request.project.role.covers(_role_for(job)),
        **addresses(job),
        "can_undo": can_undo,
        "why_no_undo": why if job.is_over and job.changed and undone is None else "",
        "failures": job.failures.select_related("record").order_by("record_id")[:SHOWN] if job.left else [],
        "wish": option_words(job),
        "next_line": format_html(
            'Next: <a href="{}">continue reviewing</a>{}', waiting, ". You can undo this here." if can_undo else "."
        )
        if job.is_over
        else "You can leave this page; the action continues.",
    }


def option_words(job: BulkAction) -> list[tuple[str, str]]:
    """Return the action's options, as (name, words)."""
    words_by_option = {name: _said(name, value) for name, value in job.options.items()}
    return [(name, words) for name, words in words_by_option.items() if words]


def _said(name: str, value: Any) -> str:
    if name == "users":
        return ", ".join(User.objects.filter(pk__in=value).order_by("username").values_list("username", flat=True))
    if name == "dataset":
        return getattr(Dataset.objects.filter(pk=value).first(), "name", "a deleted dataset")
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@require_GET
def progress(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    job = job_or_404(request, BulkAction, project_id, pk)
    return polled(request, job, _context(request, job))


@require_POST
def move(request: HttpRequest, project_id: int, pk: int, move: str) -> HttpResponse:
    """Cancel a bulk action, or resume it from where it stopped."""
    return moved(request, _job_to_move(request, project_id, pk), move, _context)
