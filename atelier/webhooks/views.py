"""Pages: the webhooks of a project, one with its deliveries, and one delivery with its tries. For editors."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.webhooks import deliveries, hooks
from atelier.webhooks.forms import WebhookForm
from atelier.webhooks.models import Delivery, Webhook

GET_POST = require_http_methods(["GET", "POST"])
PAGE = 50


def _crumbs(project_id: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Settings", reverse("project_settings", args=[project_id])), *more]


def _all(project_id: int) -> tuple[str, str]:
    return "Webhooks", reverse("webhooks:index", args=[project_id])


@GET_POST
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    """All webhooks, and the form for another."""
    project = project_or_404(request, project_id, needs="editor")
    form = WebhookForm(request.POST or None, initial={"events": Webhook.Event.values})
    if request.method == "POST" and form.is_valid():
        try:
            hook, secret = hooks.create(project, request.user, form.cleaned_data["url"], form.cleaned_data["events"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _page(request, hook, secret=secret)
    context = {"rows": project.webhooks.order_by("pk"), "form": form, "crumbs": _crumbs(project_id)}
    return render(request, "webhooks/webhooks.html", context, status=422 if form.errors else 200)


def _hook(request: HttpRequest, project_id: int, pk: int) -> Webhook:
    project = project_or_404(request, project_id, needs="editor")
    return child_or_404(project.webhooks.select_related("project"), pk)


@GET_POST
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hook = _hook(request, project_id, pk)
    if request.method == "GET":
        return _page(request, hook)
    form = WebhookForm(request.POST)
    try:
        if form.is_valid():
            data = form.cleaned_data
            hooks.change(hook, data["url"], data["events"], data["is_active"])
            messages.success(request, "Saved.")
            return redirect("webhooks:webhook", project_id, pk)
    except ValidationError as error:
        form.add_error(None, error)
    return _page(request, child_or_404(request.project.webhooks, pk), form=form, status=422)


def _page(
    request: HttpRequest, hook: Webhook, *, form: WebhookForm | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    args = [hook.project_id, hook.pk]
    before = request.GET.get("before", "")
    log = hook.deliveries.order_by("-pk")
    shown = list(log.filter(pk__lt=int(before))[: PAGE + 1] if before.isdecimal() else log[: PAGE + 1])
    initial = {"url": hook.url, "events": hook.events, "is_active": hook.is_active}
    context: dict[str, Any] = {
        "hook": hook,
        "form": form or WebhookForm(initial=initial),
        "form_url": reverse("webhooks:webhook", args=args),
        "secret": secret,
        "log": shown[:PAGE],
        "next_url": f"{reverse('webhooks:webhook', args=args)}?before={shown[PAGE - 1].pk}" if shown[PAGE:] else None,
        "crumbs": _crumbs(hook.project_id, _all(hook.project_id)),
    }
    response = render(request, "webhooks/webhook.html", context, status=status)
    if secret:
        response["Cache-Control"] = "no-store"
    return response


@require_POST
def new_secret(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hook = _hook(request, project_id, pk)
    return _page(request, hook, secret=hooks.new_secret(hook))


@require_POST
def send_test(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hooks.send_test(_hook(request, project_id, pk))
    messages.success(request, "A test is on its way: see the log below.")
    return redirect("webhooks:webhook", project_id, pk)


@GET_POST
def delete(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Asks first, for its log goes with it."""
    hook = _hook(request, project_id, pk)
    if request.method == "POST":
        hook.delete()
        messages.success(request, "The webhook is deleted; nothing is sent there any more.")
        return redirect("webhooks:index", project_id)
    question = {
        "title": "Delete this webhook?",
        "text": f"Nothing will be sent to {hook.url} any more, and its log of {hook.deliveries.count()} deliveries goes too.",
        "action": request.path,
        "submit": "Delete",
        "danger": True,
        "cancel_url": reverse("webhooks:webhook", args=[project_id, pk]),
    }
    return render(request, "partials/confirm_page.html", question)


def _delivery(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> Delivery:
    return child_or_404(_hook(request, project_id, pk).deliveries.select_related("webhook"), delivery_id)


@require_GET
def delivery(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> HttpResponse:
    found = _delivery(request, project_id, pk, delivery_id)
    hook_url = reverse("webhooks:webhook", args=[project_id, pk])
    context = {
        "delivery": found,
        "hook": found.webhook,
        "tries": list(enumerate(found.tries, 1))[::-1],
        "body": json.dumps(found.body, indent=1, ensure_ascii=False),
        "crumbs": _crumbs(project_id, _all(project_id), (found.webhook.url[:60], hook_url)),
    }
    return render(request, "webhooks/delivery.html", context)


@require_POST
def send_again(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> HttpResponse:
    if deliveries.send_again(_delivery(request, project_id, pk, delivery_id)):
        messages.success(request, "It is sent again.")
    else:
        messages.error(request, "It waits for its next try anyway.")
    return redirect("webhooks:delivery", project_id, pk, delivery_id)
