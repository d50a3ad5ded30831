"""Audit middleware: notes every file download, whichever page or call sends it."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web.middleware import unavailable


@sync_and_async_middleware
def downloads_noted(get_response: Callable[..., Any]) -> Any:
    """Note every download in one place, those of future views included."""

    def noted(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        disposition = response.headers.get("Content-Disposition", "")
        if not disposition.startswith("attachment") or response.status_code != 200:
            return response
        name = disposition.partition('filename="')[2].rstrip('"')
        project, key = getattr(request, "project", None), getattr(request, "api_key", None)
        team = getattr(request, "audited_team", None) or (key.team if key is not None else None)
        try:
            trail.note(request, AuditAction.DOWNLOADED, kind="file", name=name, project=project, team=team)
        except (OperationalError, InterfaceError) as error:  # nothing leaves unnoted
            response.close()
            return unavailable(request, error)
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            return await sync_to_async(noted)(request, await get_response(request))

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> HttpResponseBase:  # type: ignore[misc]
            return noted(request, get_response(request))

    return middleware
