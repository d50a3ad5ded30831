"""Middleware of the shell."""

import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
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
def unavailable_when_database_is_down(get_response: Callable[..., Any]) -> Any:
    """Turn a lost or busy database into a 503 page that says so, whatever the view was doing."""

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("The database failed at %s: %s", request.path, exception, exc_info=exception)
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
