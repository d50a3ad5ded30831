"""REST API of the audit trail of the key's team, for its owners."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Schema

from atelier.accounts.access import team_or_404
from atelier.api import Before, Limit, newest
from atelier.audit import reading
from atelier.audit.reading import AuditFilters
from atelier.audit.views import file
from atelier.web.schemas import Router

router = Router(tags=["team"])


class AuditQuery(Schema):
    """Filters of audit entries: of one person, one action, and from one day to another, both included, in UTC."""

    person: str = ""
    action: str = ""
    since: str = ""
    until: str = ""


@router.get("/team/audit", summary="List the audit trail, newest first")
def list_audit(
    request: HttpRequest, narrowed: Annotated[AuditQuery, Query()], limit: Limit = 200, before: Before = None
) -> dict[str, Any]:
    """Only owners of the team may read the trail. Request again with `before` set to `next` until it is null."""
    team = team_or_404(request, request.api_key.team_id, needs="owner")
    entries = AuditFilters.of(narrowed.dict()).apply(reading.of_team(team))
    rows = list(newest(entries, limit + 1, before))
    following = rows[limit - 1].pk if len(rows) > limit else None
    return {"items": [reading.entry_out(entry) for entry in rows[:limit]], "next": following}


@router.get("/team/audit/file", summary="Download the audit trail")
def audit_file(
    request: HttpRequest, narrowed: Annotated[AuditQuery, Query()], form: Literal["csv", "jsonl"] = "jsonl"
) -> Any:
    """Only owners of the team may download the trail."""
    team = request.audited_team = team_or_404(request, request.api_key.team_id, needs="owner")
    AuditFilters.of(narrowed.dict())  # a wrong filter is a 422 here
    return file(reading.of_team(team), narrowed.dict(), f"audit-team-{team.pk}", form)
