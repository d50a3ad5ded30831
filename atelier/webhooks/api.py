"""REST: webhooks and their deliveries. For editors."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key, Limit, newest
from atelier.webhooks import deliveries, hooks
from atelier.webhooks.models import Delivery, Webhook

router = Router(tags=["webhooks"])
After = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


class WebhookIn(Schema):
    """Where to, and what."""

    model_config = {"extra": "forbid"}
    url: str = Field(max_length=hooks.URL_LENGTH)
    events: list[str] = Field(description="some of imported, submitted, frozen")


class WebhookChange(WebhookIn):
    """As it shall be from now on."""

    is_active: bool = True


def webhook_out(hook: Webhook, secret: str = "") -> dict[str, Any]:
    """The secret stands in the answer to its making only."""
    found = {
        "id": hook.pk,
        "url": hook.url,
        "events": hook.events,
        "is_active": hook.is_active,
        "created_at": hook.created_at,
    }
    return found | ({"secret": secret} if secret else {})


def delivery_out(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.pk,
        "event_id": delivery.event_id,
        "event": delivery.event,
        "state": delivery.state,
        "body": delivery.body,
        "tries": delivery.tries,
        "due_at": delivery.due_at,
        "created_at": delivery.created_at,
    }


def _hook(request: HttpRequest, project_id: int, pk: int) -> Webhook:
    project = project_or_404(request, project_id, needs="editor")
    return child_or_404(project.webhooks.select_related("project"), pk)


@router.get("/projects/{project_id}/webhooks", summary="Webhooks")
def list_webhooks(request: HttpRequest, project_id: int) -> Any:
    rows = project_or_404(request, project_id, needs="editor").webhooks.order_by("pk")
    return [webhook_out(hook) for hook in rows]  # a project has at most a handful


@router.post("/projects/{project_id}/webhooks", response={201: dict}, summary="Add a webhook; gives its secret once")
def add_webhook(request: HttpRequest, project_id: int, body: WebhookIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    return Status(201, webhook_out(*hooks.create(project, request.user, body.url, body.events, idempotency_key)))


@router.get("/projects/{project_id}/webhooks/{pk}", summary="One webhook")
def get_webhook(request: HttpRequest, project_id: int, pk: int) -> Any:
    return webhook_out(_hook(request, project_id, pk))


@router.put("/projects/{project_id}/webhooks/{pk}", summary="Change address, events, or whether it is active")
def change_webhook(request: HttpRequest, project_id: int, pk: int, body: WebhookChange) -> Any:
    hook = _hook(request, project_id, pk)
    hooks.change(hook, body.url, body.events, body.is_active)
    return webhook_out(hook)


@router.delete("/projects/{project_id}/webhooks/{pk}", response={204: None}, summary="Delete it with its log")
def delete_webhook(request: HttpRequest, project_id: int, pk: int) -> Any:
    _hook(request, project_id, pk).delete()
    return Status(204, None)


@router.post("/projects/{project_id}/webhooks/{pk}/secret", summary="Replace the secret; gives the new one once")
def new_secret(request: HttpRequest, project_id: int, pk: int) -> Any:
    hook = _hook(request, project_id, pk)
    return webhook_out(hook, hooks.new_secret(hook))


@router.post("/projects/{project_id}/webhooks/{pk}/test", response={201: dict}, summary="Send a test")
def send_test(request: HttpRequest, project_id: int, pk: int) -> Any:
    return Status(201, delivery_out(hooks.send_test(_hook(request, project_id, pk))))


@router.get("/projects/{project_id}/webhooks/{pk}/deliveries", summary="The log, the newest first")
def list_deliveries(
    request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: After = None
) -> dict[str, Any]:
    """Ask again with `after` set to `next` until it is null."""
    found = list(newest(_hook(request, project_id, pk).deliveries, limit + 1, after))
    following = found[limit - 1].pk if len(found) > limit else None
    return {"items": [delivery_out(delivery) for delivery in found[:limit]], "next": following}


@router.post("/projects/{project_id}/webhooks/{pk}/deliveries/{delivery_id}/again", summary="Send it again")
def send_again(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> Any:
    delivery = child_or_404(_hook(request, project_id, pk).deliveries, delivery_id)
    deliveries.send_again(delivery)
    delivery.refresh_from_db()
    return delivery_out(delivery)
