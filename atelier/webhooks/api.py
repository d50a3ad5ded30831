"""REST API of webhooks and their deliveries, for editors."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key, Limit, newest
from atelier.web.schemas import Body, Id, Router
from atelier.webhooks import deliveries, hooks
from atelier.webhooks.models import Delivery, Webhook
from atelier.webhooks.views import changed, created, deleted, renewed

router = Router(tags=["webhooks"])
After = Annotated[Id | None, Query()]


class WebhookIn(Body):
    """A webhook: its URL, and the events to deliver."""

    url: str = Field(max_length=hooks.URL_LENGTH)
    events: list[str] = Field(description="any of imported, submitted, frozen")


class WebhookChange(WebhookIn):
    """The new settings of a webhook."""

    is_active: bool = True


def webhook_out(hook: Webhook, secret: str = "") -> dict[str, Any]:
    """Return a webhook as JSON. The secret is in the response to its creation only."""
    facts = {
        "id": hook.pk,
        "url": hook.url,
        "events": hook.events,
        "is_active": hook.is_active,
        "problem": hooks.problem(hook),
        "created_at": hook.created_at,
    }
    return facts | ({"secret": secret} if secret else {})


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


@router.get("/projects/{project_id}/webhooks", summary="List webhooks")
def list_webhooks(request: HttpRequest, project_id: int) -> Any:
    rows = project_or_404(request, project_id, needs="editor").webhooks.order_by("pk")
    return [webhook_out(hook) for hook in rows]  # a project has at most a handful


@router.post(
    "/projects/{project_id}/webhooks", response={201: dict}, summary="Create a webhook and return its secret once"
)
def add_webhook(request: HttpRequest, project_id: int, body: WebhookIn, idempotency_key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    return Status(201, webhook_out(*created(request, project, body.url, body.events, idempotency_key)))


@router.get("/projects/{project_id}/webhooks/{pk}", summary="Get a webhook")
def get_webhook(request: HttpRequest, project_id: int, pk: int) -> Any:
    return webhook_out(_hook(request, project_id, pk))


@router.put("/projects/{project_id}/webhooks/{pk}", summary="Change a webhook's URL, events or state")
def change_webhook(request: HttpRequest, project_id: int, pk: int, body: WebhookChange) -> Any:
    hook = _hook(request, project_id, pk)
    changed(request, hook, body.url, body.events, body.is_active)
    return webhook_out(hook)


@router.delete("/projects/{project_id}/webhooks/{pk}", response={204: None}, summary="Delete a webhook and its log")
def delete_webhook(request: HttpRequest, project_id: int, pk: int) -> Any:
    deleted(request, _hook(request, project_id, pk))
    return Status(204, None)


@router.post(
    "/projects/{project_id}/webhooks/{pk}/secret", summary="Replace a webhook's secret and return the new one once"
)
def new_secret(request: HttpRequest, project_id: int, pk: int) -> Any:
    hook = _hook(request, project_id, pk)
    return webhook_out(hook, renewed(request, hook))


@router.post("/projects/{project_id}/webhooks/{pk}/test", response={201: dict}, summary="Send a test event")
def send_test(request: HttpRequest, project_id: int, pk: int) -> Any:
    return Status(201, delivery_out(hooks.send_test(_hook(request, project_id, pk))))


@router.get("/projects/{project_id}/webhooks/{pk}/deliveries", summary="List deliveries, newest first")
def list_deliveries(
    request: HttpRequest, project_id: int, pk: int, limit: Limit = 50, after: After = None
) -> dict[str, Any]:
    """Request again with `after` set to `next` until it is null."""
    rows = list(newest(_hook(request, project_id, pk).deliveries, limit + 1, after))
    following = rows[limit - 1].pk if len(rows) > limit else None
    return {"items": [delivery_out(delivery) for delivery in rows[:limit]], "next": following}


@router.post("/projects/{project_id}/webhooks/{pk}/deliveries/{delivery_id}/again", summary="Send a delivery again")
def send_again(request: HttpRequest, project_id: int, pk: int, delivery_id: int) -> Any:
    delivery = child_or_404(_hook(request, project_id, pk).deliveries, delivery_id)
    deliveries.send_again(delivery)
    delivery.refresh_from_db()
    return delivery_out(delivery)
