"""Middleware of every request: sign-in, caching, validation of input, and errors of the database and the disk."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import BadRequest
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.loader import render_to_string
from django.utils.decorators import sync_and_async_middleware

from atelier.characters import flaw
from atelier.files import disk
from atelier.web import border

log = logging.getLogger(__name__)


class SignInRequired(LoginRequiredMiddleware):
    """Requires a session on every page unless its view says otherwise. The API's operations require a key instead."""

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponse | None:
        if request.resolver_match is not None and request.resolver_match.namespaces[:1] == ["api"]:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


@sync_and_async_middleware
def kept_by_nobody(get_response: Callable[..., Any]) -> Any:
    """Set for every response of a view how long it may be cached; static files are served before this.

    The response to a form or of the API is never stored, because new keys, passwords and secrets are shown in such
    responses only. Pages may be cached in their reader's own browser, which revalidates them each time.
    """

    def marked(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if "Cache-Control" not in response:
            secret = request.method not in {"GET", "HEAD"} or request.path.startswith("/api/")
            response["Cache-Control"] = "no-store" if secret else "private, no-cache"
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return marked(request, await get_response(request))

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> HttpResponse:  # type: ignore[misc]
            return marked(request, get_response(request))

    return middleware


@sync_and_async_middleware
def methods_in_json(get_response: Callable[..., Any]) -> Any:
    """Return JSON for a method that a URL lacks, which the API's library answers in plain text; every other refusal is JSON."""

    def told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not (isinstance(response, HttpResponseNotAllowed) and request.path.startswith("/api/")):
            return response
        allowed = response["Allow"]
        words = f"{request.method} isn't allowed at this URL. Allowed: {allowed}."
        return JsonResponse({"detail": words}, status=405, headers={"Allow": allowed})

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return told(request, await get_response(request))

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> HttpResponse:  # type: ignore[misc]
            return told(request, get_response(request))

    return middleware


def _look_at_address(found: dict[str, Any]) -> None:
    """Raise Http404 for an impossible id or name: no id has more than 63 bits, and no name holds what cannot be stored."""
    for value in found.values():
        is_number = isinstance(value, int) or str(value).isdecimal()
        if (border.whole(value) is None) if is_number else bool(flaw(str(value))):
            raise Http404("Page not found.")


def _look_at_fields(request: HttpRequest) -> None:
    """Raise BadRequest, with the field's name, for a text that cannot be stored. Browsers send none: programs do."""
    if wrong := border.fields(request.GET.lists()) or border.fields(request.POST.lists()):
        raise BadRequest(wrong)


@sync_and_async_middleware
def storable_input(get_response: Callable[..., Any]) -> Any:
    """No page is asked for by a number or given a text that the database cannot hold. The API's operations look at their
    queries and bodies themselves (`atelier.web.schemas`)."""

    def process_view(request: HttpRequest, view: Any, args: Any, found: dict[str, Any]) -> None:
        _look_at_address(found)
        if not (request.resolver_match and request.resolver_match.namespaces[:1] == ["api"]):
            _look_at_fields(request)

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> Any:
            return await get_response(request)

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> Any:  # type: ignore[misc]
            return get_response(request)

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware


def unavailable(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    """Return the response for a full disk (507), and for a lost or busy database (503); None for anything else."""
    if disk.is_full(exception):
        log.error("The disk is full at %s: %s", request.path, exception, exc_info=exception)
        return _told(request, 507, disk.FULL)
    if isinstance(exception, OperationalError | InterfaceError):
        log.error("The database failed at %s: %s", request.path, exception, exc_info=exception)
        return _told(request, 503, "The database does not answer. Try again in a moment.")
    return None


def _told(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": sentence}, status=status)
    return HttpResponse(render_to_string(f"{status}.html"), status=status)  # by no request: that might ask the database


@sync_and_async_middleware
def unavailable_when_database_or_disk_fails(get_response: Callable[..., Any]) -> Any:
    """Turn a lost or busy database and a full disk into a page that says so, whatever the view was doing."""

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return unavailable(request, exception)

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> Any:
            return await get_response(request)

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> Any:  # type: ignore[misc]
            return get_response(request)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
