"""Pages of the audit trail, of a team for its owners and of the installation for the installation's."""

from typing import Any

from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from atelier.accounts.access import installation_or_404, team_or_404
from atelier.accounts.models import Team
from atelier.audit import reading
from atelier.audit.models import AuditAction, AuditEntry
from atelier.audit.reading import AuditFilters
from atelier.files.downloads import download
from atelier.web import border
from atelier.web.toasts import say_error

PAGE = 50
WRITERS = {"csv": (reading.as_csv, "text/csv"), "jsonl": (reading.as_jsonl, "application/x-ndjson")}


@require_GET
def of_team(request: HttpRequest, team_id: int) -> HttpResponse:
    team = team_or_404(request, team_id, needs="owner")
    return _page(request, reading.of_team(team), team)


@require_GET
def of_installation(request: HttpRequest) -> HttpResponse:
    installation_or_404(request)
    return _page(request, reading.of_installation(), None)


@require_GET
def team_file(request: HttpRequest, team_id: int, form: str) -> StreamingHttpResponse:
    team = request.audited_team = team_or_404(request, team_id, needs="owner")
    return file(reading.of_team(team), request.GET, f"audit-team-{team.pk}", form)


@require_GET
def installation_file(request: HttpRequest, form: str) -> StreamingHttpResponse:
    installation_or_404(request)
    return file(reading.of_installation(), request.GET, "audit", form)


def file(entries: QuerySet[AuditEntry], given: Any, name: str, form: str) -> StreamingHttpResponse:
    """Return the trail as a file, filtered like the page. Raises BadRequest for invalid filters."""
    writer, kind = WRITERS[form]
    try:
        narrowed = AuditFilters.of(given).apply(entries)
    except ValidationError as error:
        raise BadRequest(" ".join(error.messages)) from error
    return download(writer(narrowed), f"{name}.{form}", kind)


def _page(request: HttpRequest, entries: QuerySet[AuditEntry], team: Team | None) -> HttpResponse:
    filters, status = AuditFilters(), 200
    try:
        filters = AuditFilters.of(request.GET)
    except ValidationError as error:
        say_error(request, error)
        status = 422
    before = border.whole(request.GET.get("before", ""))
    rows = filters.apply(entries).order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    shown = [] if status == 422 else list(rows[: PAGE + 1])
    address = reverse("team_audit", args=[team.pk]) if team else reverse("installation_audit")
    more = filters.as_dict() | {"before": shown[PAGE - 1].pk} if shown[PAGE:] else None
    context = {
        "team": team,
        "entries": shown[:PAGE],
        "filters": filters,
        "people": reading.people_of(team),
        "actions": AuditAction.choices,
        "address": address,
        "files": [(form, f"{address}.{form}?{urlencode(filters.as_dict())}") for form in WRITERS],
        "first_url": f"{address}?{urlencode(filters.as_dict())}" if before is not None else None,
        "next_url": f"{address}?{urlencode(more)}" if more else None,
        "crumbs": [(team.name, reverse("team", args=[team.pk]))]
        if team
        else [("Installation", reverse("installation"))],
    }
    return render(request, "audit/audit.html", context, status=status)
