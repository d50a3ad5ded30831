"""Pages of the gallery, and the small answers that its polls and streams ask for."""

import json
import time
from collections.abc import Callable, Iterator

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist

from tests.ui_gallery import content

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)


def strict_policy(get_response: Callable) -> Callable:
    """Return a middleware with the content policy of the app, so that a breach shows here first."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return middleware


class Person(str):
    is_authenticated = True


def shell(request: HttpRequest) -> dict:
    return {
        "project": content.PROJECT,
        "my_projects": [content.PROJECT],
        "steps": content.steps(request.path.strip("/").split("/")[0]),
        "running": content.RUNNING if "idle" not in request.GET else [],
        "running_url": "/running",
        "user": Person("Alice Moreau"),
    }


def page(request: HttpRequest, name: str, **_: int) -> HttpResponse:
    try:
        return render(request, f"gallery/{name}.html", context())
    except TemplateDoesNotExist:
        raise Http404(f"There is no page {name} in the gallery.") from None


def context() -> dict:
    statuses = [
        "draft",
        "queued",
        "running",
        "paused",
        "done",
        "failed",
        "cancelled",
        "accepted",
        "rejected",
        "skipped",
        "serving",
    ]
    buttons = [
        {"label": "Accept", "value": "accept", "key": "a"},
        {"label": "Reject", "value": "reject", "key": "r"},
        {"label": "Delete", "value": "delete", "danger": True},
    ]
    selects = [
        {
            "name": "status",
            "label": "Status",
            "value": "",
            "options": [("", "Any"), ("accepted", "Accepted"), ("rejected", "Rejected")],
        },
        {
            "name": "split",
            "label": "Split",
            "value": "",
            "options": [("", "Any"), ("train", "Train"), ("test", "Test")],
        },
    ]
    tabs = [
        {"label": "Records", "url": "#", "active": True, "count": 144},
        {"label": "Imports", "url": "#", "count": 2},
        {"label": "Checks", "url": "#", "count": 3},
    ]
    return {
        "statuses": statuses,
        "buttons": buttons,
        "selects": selects,
        "tabs": tabs,
        "form": content.form(),
        "records": content.records(),
        "cards": content.cards(),
        "raw": content.RAW,
        "brief": content.BRIEF,
        "diff": content.DIFF,
        "losses": content.losses(),
        "crumbs": [("News briefs", "/"), ("Data", "/data/")],
        "jobs": [
            content.job(),
            content.job(
                "failed",
                pk=8,
                percent=12.0,
                time_left=None,
                error="The teacher answered 401: the key is not accepted. Set another key in Settings, then retry.",
                line="",
            ),
            content.job("done", pk=9, percent=100.0, done=144, time_left=None, line="143 ok, 1 failed"),
        ],
        "user_message": {"role": "user", "text": content.RAW},
        "system_message": {"role": "system", "text": "Rewrite as a Plain Desk brief."},
        "answer": {
            "role": "assistant",
            "text": content.BRIEF,
            "reasoning": "The pier is the news. The figure is money, so $4.5m.",
        },
        "streams": [{"id": n, "stream_url": f"/stream/{n}", "stop_url": "/nothing"} for n in (1, 2)],
        "log": "\n".join(
            f"step {s:>4}  loss {2.4 / (1 + s / 60):.4f}  lr {0.001 * (1 - s / 320):.6f}  168.2 tokens/s"
            for s in range(10, 160, 10)
        ),
    }


def running(request: HttpRequest) -> HttpResponse:
    return render(request, "partials/running.html")


def job(request: HttpRequest) -> HttpResponse:
    done = int(time.time() * 4) % 144
    moving = content.job(done=done, percent=done / 1.44)
    return render(
        request,
        "partials/progress.html",
        {
            "job": moving,
            "poll_url": "/job",
            "cancel_url": "/nothing",
            "pause_url": "/nothing",
            "next_line": "When it ends, the adapter can be deployed beside its base.",
        },
    )


def confirm(request: HttpRequest) -> HttpResponse:
    words = {
        "title": "Delete 12 records?",
        "text": "They leave every list. You can undo this for a day.",
        "action": "/nothing",
        "submit": "Delete",
        "danger": True,
    }
    return render(request, "partials/confirm_page.html", words)


def stream(request: HttpRequest, number: int) -> StreamingHttpResponse:
    def events() -> Iterator[str]:
        yield f"event: reasoning\ndata: {json.dumps({'text': 'Headline first, then figures. '})}\n\n"
        for word in ("<b>Harbour</b> " + content.BRIEF).split(" "):
            time.sleep(0.02 * number)
            yield f"event: token\ndata: {json.dumps({'text': word + ' '})}\n\n"
        yield f"event: done\ndata: {json.dumps({'tokens': 31, 'seconds': 0.62 * number, 'first': 0.05})}\n\n"

    return StreamingHttpResponse(events(), content_type="text/event-stream")


def loss(request: HttpRequest) -> JsonResponse:
    return JsonResponse(content.losses())


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def error(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, f"{status}.html", status=status)
