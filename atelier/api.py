"""The REST API: one NinjaAPI, to which every app adds its router. Documented at /api/docs without a CDN."""

from typing import Annotated, Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Header, NinjaAPI, Query
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as RequestError
from ninja.security import HttpBearer

from atelier.accounts.models import APIKey, User
from atelier.jobs.models import Job
from atelier.web.schemas import Id, Parser, whole

# Of every call that makes something: `key: Key = None`. The same key gives the same thing again.
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=80)]
# Of every list that has the newest first: `limit: Limit = 200, before: Before = None`, cut by `newest`.
Limit = whole(1, 200)
Before = Annotated[Id | None, Query(description="the id of the last item of the previous page")]


def newest(rows: QuerySet, limit: int, before: int | None) -> QuerySet:
    """Return a page of rows, the newest first."""
    rows = rows.order_by("-pk")
    return (rows.filter(pk__lt=before) if before else rows)[:limit]


class KeyAuth(HttpBearer):
    """Authentication by `Authorization: Bearer atl_…`: acts as the key's user, inside the key's team only."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        key = APIKey.find(token)
        if key is None:
            return None
        request.api_key, request.user = key, key.user
        return key.user


api = NinjaAPI(
    title="Atelier",
    version="1",
    auth=KeyAuth(),
    parser=Parser(),
    urls_namespace="api",
    description="Every step of the loop. Send `Authorization: Bearer <API key>`; create keys in your team's settings.",
)


@api.exception_handler(PermissionDenied)
def denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return api.create_response(request, {"detail": str(error)}, status=403)


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return api.create_response(request, {"detail": str(error) or "Not found."}, status=404)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return api.create_response(request, {"detail": " ".join(error.messages)}, status=422)


@api.exception_handler(RequestError)
def unreadable(request: HttpRequest, error: RequestError) -> HttpResponse:
    """Respond to a body or query of another shape than documented: one sentence, and each fault with its place beside it."""
    faults = [{"where": _place(fault), "message": fault["msg"]} for fault in error.errors]
    words = "; ".join(f"{fault['where']}: {fault['message']}" for fault in faults)
    return api.create_response(
        request, {"detail": f"The request doesn't match the documentation. {words}.", "faults": faults}, status=422
    )


def _place(fault: dict[str, Any]) -> str:
    """Return the place of a fault in the request; for a text deep within a body, the path to it."""
    inner = fault.get("ctx", {}).get("place")
    return f"body.{inner}" if inner else ".".join(map(str, fault["loc"][-2:]))


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Respond to the library's own refusals. 400 is its status for a body that is not JSON."""
    cause = error.__cause__
    words = " ".join(cause.messages) if isinstance(cause, ValidationError) else str(error)
    words = "The body is not valid JSON." if error.status_code == 400 and cause is None else words
    return api.create_response(request, {"detail": words}, status=error.status_code)


@api.exception_handler(AuthenticationError)
def keyless(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    words = "Send `Authorization: Bearer <API key>` with a key that isn't revoked; create keys in your team's settings."
    return api.create_response(request, {"detail": words}, status=401)


def job_out(job: Job) -> dict[str, Any]:
    """Return the fields that every job's JSON begins with."""
    return {
        "id": job.pk,
        "status": job.status,
        "done": job.done,
        "total": job.total,
        "line": job.line,
        "error": job.error,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "interruptions": job.interruptions,
    }


def mount() -> None:
    """Add the apps' routers. Called once by the URL conf's import, through each app's `api` module."""
    from importlib import import_module

    apps = ("accounts", "audit", "deletions", "webhooks")
    for app in (*(f"atelier.{name}" for name in apps), "curation", "training", "inference"):
        module = import_module(f"{app}.api")
        api.add_router("", module.router)


mount()
