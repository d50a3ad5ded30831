"""The web process's handler: one thread for a whole request, streams piece by piece, connections shared where that can be."""

import asyncio
import subprocess
import sys
import threading

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from atelier.web.handler import Handler

seen: list[int] = []


def noting(get_response):
    """Return a middleware that notes the thread it runs in, before the view and after it."""

    def middleware(request):
        seen.append(threading.get_ident())
        response = get_response(request)
        seen.append(threading.get_ident())
        return response

    return middleware


def plain(request):
    seen.append(threading.get_ident())
    return HttpResponse("plain")


async def stream(request):
    async def pieces():
        yield b"first"
        await release.wait()
        yield b"second"

    return StreamingHttpResponse(pieces())


async def faulty(request):
    raise ValueError("a fault of the view")


urlpatterns = [path("plain", plain), path("stream", stream), path("faulty", faulty)]
release: asyncio.Event


@pytest.fixture
def handler(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.noting", "django.middleware.common.CommonMiddleware", f"{__name__}.noting"]
    seen.clear()
    return Handler()


async def ask(handler, address: str) -> ApplicationCommunicator:
    scope = {
        "type": "http",
        "method": "GET",
        "path": address,
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
    }
    asked = ApplicationCommunicator(handler, scope)
    await asked.send_input({"type": "http.request", "body": b""})
    return asked


async def test_middleware_and_view_run_in_one_thread_that_is_not_the_event_loops(handler):
    asked = await ask(handler, "/plain")
    assert (await asked.receive_output(5))["status"] == 200
    assert (await asked.receive_output(5))["body"] == b"plain"
    assert len(seen) == 5
    assert set(seen) == {seen[0]} != {threading.get_ident()}
    await asked.wait()


async def test_an_async_view_streams_piece_by_piece(handler):
    global release
    release = asyncio.Event()
    asked = await ask(handler, "/stream")
    assert (await asked.receive_output(5))["status"] == 200
    assert (await asked.receive_output(5))["body"] == b"first"
    assert await asked.receive_nothing(0.2)
    release.set()
    assert (await asked.receive_output(5))["body"] == b"second"
    await asked.wait()


async def test_a_fault_of_an_async_view_is_a_500_page(handler):
    asked = await ask(handler, "/faulty")
    assert (await asked.receive_output(5))["status"] == 500
    await asked.wait()


@pytest.mark.parametrize(("module", "shares"), [("atelier.asgi", True), ("atelier.celery", False)])
def test_the_web_process_alone_shares_its_connections(module, shares, tmp_path):
    pytest.importorskip("psycopg_pool")
    code = (
        f"import {module}; from django.conf import settings; print('pool' in settings.DATABASES['default']['OPTIONS'])"
    )
    surroundings = {"ATELIER_DATA": str(tmp_path), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    surroundings["DJANGO_SETTINGS_MODULE"] = "atelier.settings"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(shares)
