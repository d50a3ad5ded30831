"""Writing of the audit trail: one INSERT beside each action of consequence, in the action's own transaction.

Pages, REST and commands call `note`. What they pass must never contain a secret: hosts, not URLs with their paths and
queries; names of keys, not keys.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from django.db import models, transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from atelier.audit.models import AuditAction, AuditEntry
from atelier.network import client_address

T = TypeVar("T")
LONGEST = 200  # characters of a name or a value
MOST_FAILED = 500  # entries of failed sign-ins an hour; what is more is counted in one


class Asker(NamedTuple):
    """Who asks for an action, and from where: what the trail keeps of a request."""

    user: Any = None
    address: str = ""
    key: str = ""  # the API key's name


COMMAND_LINE = Asker()


def asker(request: HttpRequest) -> Asker:
    """Return who sent a request."""
    user, key = getattr(request, "user", None), getattr(request, "api_key", None)
    known = user if user is not None and user.is_authenticated else None
    return Asker(known, address_of(request), _short(str(key)) if key is not None else "")


def note(
    source: HttpRequest | Asker | None,
    action: AuditAction,
    about: models.Model | None = None,
    *,
    actor: Any = None,
    team: Any = None,
    project: Any = None,
    kind: str = "",
    pk: int | None = None,
    name: str = "",
    **detail: Any,
) -> AuditEntry:
    """Note an action on an object; `kind`, `pk` and `name` describe it when there is none, or better than the object does.

    The actor is the requester, unless another is named; without a request it is the command line.
    """
    source = asker(source) if isinstance(source, HttpRequest) else source or COMMAND_LINE
    actor = actor or source.user
    facts = {key: _short(value) for key, value in detail.items() if value not in (None, "")}
    if project is not None:
        team = team or project.team
        facts |= {"project": _short(project.name), "project_id": project.pk}
    if source.key:
        facts["by_key"] = source.key
    return AuditEntry.objects.create(
        action=action,
        actor=actor,
        actor_name=actor.username if actor is not None else "command line" if source is COMMAND_LINE else "",
        team=team,
        object_kind=(kind or (str(about._meta.verbose_name) if about is not None else ""))[:40],
        object_id=pk if pk is not None else getattr(about, "pk", None),
        object_name=_short(name or (str(about) if about is not None else "")),
        address=source.address,
        detail=facts,
    )


def note_deletion(request: HttpRequest, about: models.Model, project: Any, delete: Callable[[], T]) -> T:
    """Delete something of a project and note it, both or neither. Returns the result of `delete`."""
    with transaction.atomic():
        note(request, AuditAction.DELETED, about, project=project)
        return delete()


def note_failed_sign_in(request: HttpRequest, user: Any, name: str) -> None:
    """Count a wrong password with those of the same hour, name and address, so that guessing fills no disk.

    A name that nobody has is not stored, because people type their password there. `name` names an account, or is
    empty.
    """
    address, hour = address_of(request), timezone.now().replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        failed = AuditEntry.objects.filter(action=AuditAction.SIGN_IN_FAILED, at__gte=hour)
        same = failed.filter(actor_name=name, address=address).values_list("pk", flat=True).first()
        if same is None and failed.count() >= MOST_FAILED:
            user, name, address = None, "", ""  # the one for all that are too many
            same = failed.filter(actor_name="", address="").values_list("pk", flat=True).first()
        if same is not None:
            AuditEntry.objects.filter(pk=same).update(count=F("count") + 1)
        else:
            AuditEntry.objects.create(
                action=AuditAction.SIGN_IN_FAILED, actor=user, actor_name=name, address=address,
                object_name="" if address else "from many addresses",
            )  # fmt: skip


def host_of(url: str) -> str:
    """Return the host of a URL, with its port: paths and queries of webhooks are secrets at some providers."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2][:LONGEST]
    except ValueError:
        return ""


def address_of(request: HttpRequest) -> str:
    return client_address.plain(request.META.get("REMOTE_ADDR") or "")


def _short(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


def delete_before(days: int, at_once: int = 1000) -> int:
    """Delete the entries that are older, a few at a time so that nobody waits for the lock. Returns how many."""
    ended = 0
    old = AuditEntry.objects.filter(at__lt=timezone.now() - timedelta(days=days)).order_by("pk")
    while pks := list(old.values_list("pk", flat=True)[:at_once]):
        ended += AuditEntry.objects.filter(pk__in=pks).delete()[0]
    return ended
