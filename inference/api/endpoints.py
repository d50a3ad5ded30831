"""REST API of endpoints. A key can be written, never read."""

from decimal import Decimal
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from ninja import Field, File, Form, Status, UploadedFile

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.jobs.once import earlier
from atelier.web.schemas import Body, Router, money
from inference import endpoints
from inference.forms.endpoints import EndpointForm
from inference.models import Endpoint

router = Router(tags=["endpoints"])
Price = money(Endpoint, "price_in")
TokensField = Literal["max_tokens", "max_completion_tokens"]
Sampled = Literal["temperature", "top_p", "seed"]


class EndpointFields(Body):
    name: str
    url: str = Field("", description="up to and including /v1; not for Mistral's API")
    model: str = ""
    key: str = Field("", description="write-only; kept encrypted")
    price_in: Price = Field(Decimal(0), description="price per million prompt tokens")
    price_out: Price = Field(Decimal(0), description="price per million answer tokens")
    tokens_field: TokensField = Field("max_tokens", description="the name under which the limit of tokens is sent")
    left_out: list[Sampled] = Field([], description="sampling fields that the server refuses")
    more_fields: dict[str, Any] = Field(
        {}, description='further fields of every request, such as {"reasoning_effort": "low"}'
    )
    is_teacher: bool = True


class EndpointIn(EndpointFields):
    """A new endpoint that answers over HTTP."""

    kind: Literal["openai", "mistral"]


class EndpointChange(Body):
    """Changes of an endpoint; fields that are left out stay as they are. A new URL without its key drops the stored one."""

    name: str | None = None
    url: str | None = None
    model: str | None = None
    key: str | None = None
    price_in: Price | None = None
    price_out: Price | None = None
    tokens_field: TokensField | None = None
    left_out: list[Sampled] | None = None
    more_fields: dict[str, Any] | None = None
    is_teacher: bool | None = None


def endpoint_out(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk, "name": endpoint.name, "kind": endpoint.kind, "url": endpoint.url,
        "model": endpoint.model_shown,
        "has_key": bool(endpoint.sealed_key), "price_in": endpoint.price_in, "price_out": endpoint.price_out,
        "tokens_field": endpoint.tokens_field, "left_out": endpoint.left_out, "more_fields": endpoint.more_fields,
        "is_teacher": endpoint.is_teacher, "ready": endpoint.is_ready, "problem": endpoints.problem(endpoint), "archived_at": endpoint.archived_at,
    }  # fmt: skip


def _saved(request: HttpRequest, form: EndpointForm, action: AuditAction) -> Endpoint:
    """Save an endpoint with the same checks as the page's form. Raises ValidationError."""
    if not form.is_valid():
        sentences = [f"{name}: {' '.join(errors)}" for name, errors in form.errors.items()]
        raise ValidationError(" ".join(sentences))
    return form.save_noted(trail.asker(request), action)


def _added(request: HttpRequest, form: EndpointForm, key: str | None) -> Endpoint:
    """Create an endpoint, or return the one that the same idempotency key created. Raises ValidationError."""
    # Not by `once`: what is saved with a file has its own transaction, after which the file goes or stays.
    rows = form.instance.project.endpoints
    if existing := earlier(rows, key):
        return existing
    form.instance.idempotency_key = key or None
    try:
        return _saved(request, form, AuditAction.ENDPOINT_CREATED)
    except (ValidationError, IntegrityError):  # the same at the same moment
        if existing := earlier(rows, key):
            return existing
        raise


@router.get("/projects/{project_id}/endpoints", summary="List endpoints")
def list_endpoints(request: HttpRequest, project_id: int) -> Any:
    rows = project_or_404(request, project_id).endpoints.select_related("deployment", "adapter").order_by("pk")
    return [endpoint_out(endpoint) for endpoint in rows]


@router.post("/projects/{project_id}/endpoints", response={201: dict}, summary="Create an endpoint")
def add_endpoint(request: HttpRequest, project_id: int, body: EndpointIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    return Status(201, endpoint_out(_added(request, EndpointForm(body.dict(), kind=body.kind, project=project), key)))


@router.post(
    "/projects/{project_id}/endpoints/recorded", response={201: dict}, summary="Create an endpoint of recorded answers"
)
def add_recorded(
    request: HttpRequest, project_id: int, file: File[UploadedFile], name: str = Form(), is_teacher: bool = Form(True),
    key: Key = None,
) -> Any:  # fmt: skip
    """Adds a teacher that replays a file: JSONL, each line `{"id", "prompt", "answer"}`. Other prompts return an error."""
    project = project_or_404(request, project_id, needs="editor")
    form = EndpointForm(
        {"name": name, "is_teacher": is_teacher}, {"file": file}, kind=Endpoint.Kind.RECORDED, project=project
    )
    return Status(201, endpoint_out(_added(request, form, key)))


def _endpoint(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Endpoint:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)


@router.get("/projects/{project_id}/endpoints/{pk}", summary="Get an endpoint")
def get_endpoint(request: HttpRequest, project_id: int, pk: int) -> Any:
    return endpoint_out(_endpoint(request, project_id, pk))


@router.patch("/projects/{project_id}/endpoints/{pk}", summary="Change an endpoint")
def change_endpoint(request: HttpRequest, project_id: int, pk: int, body: EndpointChange) -> Any:
    endpoint = _endpoint(request, project_id, pk, needs="editor")
    before = {name: getattr(endpoint, name) for name in EndpointFields.model_fields if name != "key"}
    changes = {name: value for name, value in body.dict(exclude_unset=True).items() if value is not None}
    form = EndpointForm(before | changes, instance=endpoint, kind=endpoint.kind, project=request.project)
    return endpoint_out(_saved(request, form, AuditAction.ENDPOINT_CHANGED))


@router.post(
    "/projects/{project_id}/endpoints/{pk}/{move}",
    summary="Test an endpoint with one small call, archive or restore it",
)
def move_endpoint(request: HttpRequest, project_id: int, pk: int, move: Literal["test", "archive", "restore"]) -> Any:
    endpoint = _endpoint(request, project_id, pk, needs="editor")
    if move == "test":
        return vars(endpoints.try_out(endpoint, asker=trail.asker(request)))
    change = endpoints.archive if move == "archive" else endpoints.restore
    change(endpoint, trail.asker(request))
    return endpoint_out(endpoint)
