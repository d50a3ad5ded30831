"""REST: endpoints. A key is written, never read."""

from decimal import Decimal
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Field, File, Form, Router, Schema, Status, UploadedFile

from atelier.accounts.access import child_or_404, project_or_404
from atelier.api import Key
from inference import endpoints
from inference.endpoint_forms import EndpointForm
from inference.models import Endpoint

router = Router(tags=["endpoints"])


class EndpointFields(Schema):
    model_config = {"extra": "forbid"}
    name: str
    url: str = Field("", description="up to and with /v1; not for Mistral's API")
    model: str = ""
    key: str = Field("", description="write-only; kept encrypted")
    price_in: Decimal = Field(Decimal(0), description="of a million prompt tokens")
    price_out: Decimal = Field(Decimal(0), description="of a million answer tokens")
    is_teacher: bool = True


class EndpointIn(EndpointFields):
    """A new endpoint that answers over HTTP."""

    kind: Literal["openai", "mistral"]


class EndpointChange(Schema):
    """What to change; the rest stays. A new address without its key drops the stored one."""

    model_config = {"extra": "forbid"}
    name: str | None = None
    url: str | None = None
    model: str | None = None
    key: str | None = None
    price_in: Decimal | None = None
    price_out: Decimal | None = None
    is_teacher: bool | None = None


def endpoint_out(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.pk, "name": endpoint.name, "kind": endpoint.kind, "url": endpoint.url,
        "model": endpoint.model_shown,
        "has_key": bool(endpoint.sealed_key), "price_in": endpoint.price_in, "price_out": endpoint.price_out,
        "is_teacher": endpoint.is_teacher, "ready": endpoint.is_ready, "archived_at": endpoint.archived_at,
    }  # fmt: skip


def _saved(form: EndpointForm) -> Endpoint:
    """The same checks as the page's form. Raises ValidationError."""
    if not form.is_valid():
        sentences = [f"{name}: {' '.join(errors)}" for name, errors in form.errors.items()]
        raise ValidationError(" ".join(sentences))
    return form.save()


def _added(form: EndpointForm, key: str | None) -> Endpoint:
    """A new endpoint, or the one that the same idempotency key made. Raises ValidationError."""
    keyed = form.instance.project.endpoints.filter(idempotency_key=key)
    if key and (found := keyed.first()):
        return found
    form.instance.idempotency_key = key or None
    try:
        with transaction.atomic():
            return _saved(form)
    except (ValidationError, IntegrityError):  # the same at the same moment
        if key and (found := keyed.first()):
            return found
        raise


@router.get("/projects/{project_id}/endpoints", summary="Endpoints")
def list_endpoints(request: HttpRequest, project_id: int) -> Any:
    rows = project_or_404(request, project_id).endpoints.select_related("deployment", "adapter").order_by("pk")
    return [endpoint_out(endpoint) for endpoint in rows]


@router.post("/projects/{project_id}/endpoints", response={201: dict}, summary="Add an endpoint")
def add_endpoint(request: HttpRequest, project_id: int, body: EndpointIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    return Status(201, endpoint_out(_added(EndpointForm(body.dict(), kind=body.kind, project=project), key)))


@router.post("/projects/{project_id}/endpoints/recorded", response={201: dict}, summary="Add recorded answers")
def add_recorded(
    request: HttpRequest, project_id: int, file: File[UploadedFile], name: str = Form(), is_teacher: bool = Form(True),
    key: Key = None,
) -> Any:  # fmt: skip
    """A teacher that replays a file: JSONL, each line `{"id", "prompt", "answer"}`. Other prompts are an error."""
    project = project_or_404(request, project_id, needs="editor")
    form = EndpointForm(
        {"name": name, "is_teacher": is_teacher}, {"file": file}, kind=Endpoint.Kind.RECORDED, project=project
    )
    return Status(201, endpoint_out(_added(form, key)))


def _endpoint(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Endpoint:
    project = project_or_404(request, project_id, needs=needs)
    return child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)


@router.get("/projects/{project_id}/endpoints/{pk}", summary="One endpoint")
def get_endpoint(request: HttpRequest, project_id: int, pk: int) -> Any:
    return endpoint_out(_endpoint(request, project_id, pk))


@router.patch("/projects/{project_id}/endpoints/{pk}", summary="Change an endpoint")
def change_endpoint(request: HttpRequest, project_id: int, pk: int, body: EndpointChange) -> Any:
    endpoint = _endpoint(request, project_id, pk, needs="editor")
    before = {name: getattr(endpoint, name) for name in EndpointFields.model_fields if name != "key"}
    changes = {name: value for name, value in body.dict(exclude_unset=True).items() if value is not None}
    form = EndpointForm(before | changes, instance=endpoint, kind=endpoint.kind, project=request.project)
    return endpoint_out(_saved(form))


@router.post(
    "/projects/{project_id}/endpoints/{pk}/{move}", summary="Test it with one tiny call, archive or restore it"
)
def move_endpoint(request: HttpRequest, project_id: int, pk: int, move: Literal["test", "archive", "restore"]) -> Any:
    endpoint = _endpoint(request, project_id, pk, needs="editor")
    if move == "test":
        return vars(endpoints.try_out(endpoint))
    (endpoints.archive if move == "archive" else endpoints.restore)(endpoint)
    return endpoint_out(endpoint)
