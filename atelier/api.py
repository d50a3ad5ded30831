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

# Of every call that makes something: `key: Key = None`. The same key gives the same thing again.
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=80)]
# Of every list that has the newest first: `limit: Limit = 200, before: Before = None`, cut by `newest`.
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[int | None, Query(ge=1, lt=2**63, description="the id of the last one of the page before")]


def newest(rows: QuerySet, limit: int, before: int | None) -> QuerySet:
    """A page of rows, the newest first."""
    rows = rows.order_by("-pk")
    return (rows.filter(pk__lt=before) if before else rows)[:limit]


class KeyAuth(HttpBearer):
    """`Authorization: Bearer atl_…`: acts as the key's user, inside the key's team only."""

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
    urls_namespace="api",
    description="Every step of the loop. Send `Authorization: Bearer <API key>`; make keys in your team's settings.",
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
    """A body or query of another shape than documented: one sentence, and each fault with its place beside it."""
    faults = [{"where": ".".join(map(str, fault["loc"][-2:])), "message": fault["msg"]} for fault in error.errors]
    words = "; ".join(f"{fault['where']}: {fault['message']}" for fault in faults)
    return api.create_response(
        request, {"detail": f"The request is not as documented. {words}.", "faults": faults}, status=422
    )


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    """The library's own refusals. 400 is its word for a body that is not JSON."""
    words = "The body is not valid JSON." if error.status_code == 400 else str(error)
    return api.create_response(request, {"detail": words}, status=error.status_code)


@api.exception_handler(AuthenticationError)
def keyless(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    words = "Send `Authorization: Bearer <API key>` with a key that is not revoked; make keys in your team's settings."
    return api.create_response(request, {"detail": words}, status=401)


def job_out(job: Job) -> dict[str, Any]:
    """What every job's JSON begins with."""
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

    for app in ("atelier.accounts", "atelier.webhooks", "curation", "training", "inference"):
        module = import_module(f"{app}.api")
        api.add_router("", module.router)


mount()
