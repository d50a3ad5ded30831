"""Reading of the audit trail: what an owner may see, filtered, by page, and as a file."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date

from atelier.accounts.models import Team, User
from atelier.audit.models import PERSONAL, AuditAction, AuditEntry
from curation.formats.writers.tables import safe_cell

LINES = 500
COLUMNS = ("id", "at", "person", "action", "object_kind", "object_id", "object", "team", "address", "count", "detail")


@dataclass(frozen=True)
class AuditFilters:
    """The filters in the page's URL. Days are whole ones, in UTC, the last included."""

    person: str = ""
    action: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "AuditFilters":
        """Read filters.

        Raises ValidationError for an invalid action or day, so that nobody takes a wrong list for the whole.
        """
        action = query.get("action", "")
        if action and action not in AuditAction.values:
            raise ValidationError(f"No action is called {action[:40]!r}.")
        person = query.get("person", "").strip()[:150]
        return cls(person, action, _day(query, "since"), _day(query, "until"))

    def apply(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        if self.person:
            entries = entries.filter(actor_name=self.person)
        if self.action:
            entries = entries.filter(action=self.action)
        if self.since:
            entries = entries.filter(at__gte=_midnight(self.since))
        if self.until:
            entries = entries.filter(at__lt=_midnight(self.until) + timedelta(days=1))
        return entries

    def as_dict(self) -> dict[str, str]:
        """Return the filters that are set, for links."""
        days = {name: day.isoformat() for name, day in (("since", self.since), ("until", self.until)) if day}
        words = {name: text for name, text in (("person", self.person), ("action", self.action)) if text}
        return words | days


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name, "").strip()
    try:
        day = parse_date(text[:20]) if text else None
        wrong = bool(text) and (day is None or not 1990 <= day.year <= 9000)
    except ValueError:
        wrong = True
    if wrong:
        raise ValidationError(f"{text[:20]!r} isn't a date. Write it as 2026-11-30.")
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def of_team(team: Team) -> QuerySet[AuditEntry]:
    """Return what happened in a team, and when and from where its members signed in."""
    mine = Q(team=team) | Q(team=None, action__in=PERSONAL, actor__in=team.memberships.values("user"))
    return AuditEntry.objects.filter(mine).select_related("team")


def of_installation() -> QuerySet[AuditEntry]:
    """Return all entries, of all teams and of none."""
    return AuditEntry.objects.select_related("team")


def people_of(team: Team | None) -> list[str]:
    """Return names to choose from: those who are in the team, or have an account."""
    users = User.objects.filter(memberships__team=team) if team else User.objects.all()
    return list(users.order_by("username").values_list("username", flat=True)[:1000])


def entry_out(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as REST and JSONL have it."""
    return {
        "id": entry.pk, "at": entry.at, "person": entry.actor_name, "action": entry.action,
        "object_kind": entry.object_kind, "object_id": entry.object_id, "object": entry.object_name,
        "team": entry.team.name if entry.team else "", "address": entry.address, "count": entry.count,
        "detail": entry.detail,
    }  # fmt: skip


def as_jsonl(entries: QuerySet[AuditEntry]) -> Iterator[bytes]:
    for entry in _all(entries):
        yield orjson.dumps(entry_out(entry), option=orjson.OPT_APPEND_NEWLINE)


def as_csv(entries: QuerySet[AuditEntry]) -> Iterator[bytes]:
    """Yield the entries as CSV that is safe in a spreadsheet: no cell begins a formula."""
    yield _lines([COLUMNS])
    rows = ([safe_cell(_cell(value)) for value in entry_out(entry).values()] for entry in _all(entries))
    while chunk := list(islice(rows, LINES)):
        yield _lines(chunk)


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return orjson.dumps(value).decode() if value else ""
    return value.isoformat() if isinstance(value, datetime) else value


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _all(entries: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    """Yield entries, the newest first, in pages by id: a file that somebody downloads slowly holds no cursor open."""
    before: int | None = None
    ordered = entries.order_by("-pk")
    while page := list((ordered if before is None else ordered.filter(pk__lt=before))[:LINES]):
        yield from page
        before = page[-1].pk
