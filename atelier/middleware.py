"""Middleware of the shell."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware

log = logging.getLogger(__name__)


class SignInRequired(LoginRequiredMiddleware):
    """Every page wants a session unless its view says otherwise. The API's operations want a key instead."""

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponse | None:
        if request.resolver_match is not None and request.resolver_match.namespaces[:1] == ["api"]:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


@sync_and_async_middleware
def methods_in_json(get_response: Callable[..., Any]) -> Any:
    """The API's library answers a method that an address lacks in plain text; every other refusal is JSON."""

    def told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not (isinstance(response, HttpResponseNotAllowed) and request.path.startswith("/api/")):
            return response
        allowed = response["Allow"]
        words = f"{request.method} cannot be used at this address; it takes {allowed}."
        return JsonResponse({"detail": words}, status=405, headers={"Allow": allowed})

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return told(request, await get_response(request))

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> HttpResponse:  # type: ignore[misc]
            return told(request, get_response(request))

    return middleware


@sync_and_async_middleware
def unavailable_when_database_is_down(get_response: Callable[..., Any]) -> Any:
    """Turn a lost or busy database into a 503 page that says so, whatever the view was doing."""

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("The database failed at %s: %s", request.path, exception, exc_info=exception)
            if request.path.startswith("/api/"):
                return JsonResponse({"detail": "The database does not answer: try again in a moment."}, status=503)
            return render(request, "503.html", status=503)
        return None

    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> Any:
            return await get_response(request)

        markcoroutinefunction(middleware)
    else:

        def middleware(request: HttpRequest) -> Any:  # type: ignore[misc]
            return get_response(request)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
