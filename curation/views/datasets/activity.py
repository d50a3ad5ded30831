"""The page of a dataset's activity log, by person and action."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.models import Membership
from curation import bulk
from curation.access import dataset_or_404
from curation.datasets import activity
from curation.models import BulkAction
from curation.records.history import LABELS
from curation.views.crumbs import crumbs


@require_GET
def page(request: HttpRequest, project_id: int, dataset_id: int) -> HttpResponse:
    dataset = dataset_or_404(request, project_id, dataset_id)
    project = request.project
    person, action = request.GET.get("person", "")[:150], request.GET.get("action", "")
    action = action if action in activity.ACTIONS else ""
    try:
        listing = activity.page(dataset, person=person, action=action, after=request.GET.get("after", ""))
    except ValidationError:  # a place of another list: begin at the first page
        listing = activity.page(dataset, person=person, action=action)
    chosen = {name: value for name, value in (("person", person), ("action", action)) if value}
    names = Membership.objects.filter(team=project.team_id).order_by("user__username")
    people = list(names.values_list("user__username", flat=True))
    context = {
        "dataset": dataset,
        "crumbs": crumbs(project, dataset),
        "rows": [(act, _can_undo(act, project.role)) for act in listing.acts],
        "narrow": bool(chosen),
        "selects": [
            {
                "name": "person",
                "label": "Person",
                "value": person,
                "options": [("", "Anyone"), *zip(people, people, strict=True)],
            },
            {"name": "action", "label": "Action", "value": action, "options": [("", "Any"), *_actions()]},
        ],
        "next_url": f"{request.path}?{urlencode(chosen | {'after': listing.after})}" if listing.after else None,
    }
    return render(request, "curation/datasets/activity.html", context)


def _actions() -> list[tuple[str, str]]:
    return [(name, LABELS.get(name, name).capitalize()) for name in activity.ACTIONS]


def _can_undo(act: activity.ActivityEntry, role: object) -> bool:
    job = act.bulk
    if job is None or not job.changed or job.action == BulkAction.Action.UNDO or bulk.why_no_undo(job):
        return False
    return role.covers(bulk.role_for(job.action)) and not BulkAction.objects.filter(undoes=job).exists()
