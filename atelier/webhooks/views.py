"""Pages of a project's webhooks, one with its deliveries, and one delivery with its tries. For editors."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web import border
from atelier.web.methods import require_GET_POST
from atelier.webhooks import deliveries, hooks
from atelier.webhooks.forms import WebhookForm
from atelier.webhooks.models import Delivery, Webhook

PAGE = 50


def _crumbs(project_id: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Settings", reverse("project_settings", args=[project_id])), *more]


def _all(project_id: int) -> tuple[str, str]:
    return "Webhooks", reverse("webhooks:index", args=[project_id])


@require_GET_POST
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    """List all webhooks, with the form for another."""
    project = project_or_404(request, project_id, needs="editor")
    form = WebhookForm(request.POST or None, initial={"events": Webhook.Event.values})
    if request.method == "POST" and form.is_valid():
        try:
            hook, secret = created(request, project, form.cleaned_data["url"], form.cleaned_data["events"])
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _page(request, hook, secret=secret)
    context = {"rows": project.webhooks.order_by("pk"), "form": form, "crumbs": _crumbs(project_id)}
    return render(request, "webhooks/webhooks.html", context, status=422 if form.errors else 200)


# What is done to a webhook, and noted: for pages and REST.


def created(
    request: HttpRequest, project: Project, url: str, events: list[str], key: str | None = None
) -> tuple[Webhook, str]:
    """Create a webhook as hooks.create does, and note it in the audit trail."""
    with transaction.atomic():
        hook, secret = hooks.create(project, request.user, url, events, key)
        if secret:  # else it was there
            _note(request, AuditAction.WEBHOOK_CREATED, hook, project)
    return hook, secret


def changed(request: HttpRequest, hook: Webhook, url: str, events: list[str], is_active: bool) -> None:
    """Change a webhook as hooks.change does, and note it in the audit trail."""
    before = trail.host_of(hook.url)
    with transaction.atomic():
        hooks.change(hook, url, events, is_active)
        _note(request, AuditAction.WEBHOOK_CHANGED, hook, hook.project, before=before, is_active=is_active)


def renewed(request: HttpRequest, hook: Webhook) -> str:
    """Replace a webhook's secret as hooks.new_secret does, and note it in the audit trail."""
    with transaction.atomic():
        _note(request, AuditAction.WEBHOOK_SECRET_RENEWED, hook, hook.project)
        return hooks.new_secret(hook)


def deleted(request: HttpRequest, hook: Webhook) -> None:
    with transaction.atomic():
        _note(request, AuditAction.DELETED, hook, hook.project)
        hook.delete()


def _note(request: HttpRequest, action: AuditAction, hook: Webhook, project: Project, **detail: Any) -> None:
    """Note an action by the webhook's host: the rest of its URL is a secret at some receivers."""
    trail.note(request, action, hook, project=project, name=trail.host_of(hook.url), **detail)


def _hook(request: HttpRequest, project_id: int, pk: int) -> Webhook:
    project = project_or_404(request, project_id, needs="editor")
    return child_or_404(project.webhooks.select_related("project"), pk)


@require_GET_POST
def page(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hook = _hook(request, project_id, pk)
    if request.method == "GET":
        return _page(request, hook)
    form = WebhookForm(request.POST)
    try:
        if form.is_valid():
            data = form.cleaned_data
            changed(request, hook, data["url"], data["events"], data["is_active"])
            messages.success(request, "Saved.")
            return redirect("webhooks:webhook", project_id, pk)
    except ValidationError as error:
        form.add_error(None, error)
    return _page(request, child_or_404(request.project.webhooks, pk), form=form, status=422)


def _page(
    request: HttpRequest, hook: Webhook, *, form: WebhookForm | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    args = [hook.project_id, hook.pk]
    before = border.whole(request.GET.get("before"))
    log = hook.deliveries.order_by("-pk")
    shown = list(log.filter(pk__lt=before)[: PAGE + 1] if before else log[: PAGE + 1])
    initial = {"url": hook.url, "events": hook.events, "is_active": hook.is_active}
    context: dict[str, Any] = {
        "hook": hook,
        "problem": hooks.problem(hook),
        "form": form or WebhookForm(initial=initial),
        "form_url": reverse("webhooks:webhook", args=args),
        "secret": secret,
        "log": shown[:PAGE],
        "next_url": f"{reverse('webhooks:webhook', args=args)}?before={shown[PAGE - 1].pk}" if shown[PAGE:] else None,
        "crumbs": _crumbs(hook.project_id, _all(hook.project_id)),
    }
    return render(request, "webhooks/webhook.html", context, status=status)


@require_POST
def new_secret(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hook = _hook(request, project_id, pk)
    return _page(request, hook, secret=renewed(request, hook))


@require_POST
def send_test(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    hooks.send_test(_hook(request, project_id, pk))
    messages.success(request, "A test event is on its way. See the log below.")
    return redirect("webhooks:webhook", project_id, pk)


@require_GET_POST
def delete(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Ask for confirmation, for the log is deleted too; the POST deletes the webhook."""
    hook = _hook(request, project_id, pk)
    if request.method == "POST":
        deleted(request, hook)
        messages.success(request, "The webhook was deleted. Nothing more is sent to its URL.")
        return redirect("webhooks:index", project_id)
    question = {
        "title": "Delete this webhook?",
        "text": f"Nothing more will be sent to {hook.url}. Its log of {hook.deliveries.count()} deliveries will be deleted too.",
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
    delivery = _delivery(request, project_id, pk, delivery_id)
    hook_url = reverse("webhooks:webhook", args=[project_id, pk])
    context = {
        "delivery": delivery,
        "hook": delivery.webhook,
        "tries": list(enumerate(delivery.tries, 1))[::-1],
        "body": json.dumps(delivery.body, indent=1, ensure_ascii=False),
        "crumbs": _crumbs(project_id, _all(project_id), (delivery.webhook.url[:60], hook_url)),
    }
    return render(request, "webhooks/delivery.html", context)


@require_POST
def send_again(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> HttpResponse:
    if deliveries.send_again(_delivery(request, project_id, pk, delivery_id)):
        messages.success(request, "The event is being sent again.")
    else:
        messages.error(request, "The event is already waiting for its next attempt.")
    return redirect("webhooks:delivery", project_id, pk, delivery_id)
