"""REST API of deployments."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema

from atelier.accounts.access import child_or_404, project_or_404
from atelier.web.schemas import Body, Id, Router
from inference.serving import deployments
from inference.serving.deployments import DeploymentStatus

router = Router(tags=["models"])


class ServedOut(Schema):
    endpoint: int
    endpoint_name: str
    adapter: int | None
    is_ready: bool


class DeploymentOut(Schema):
    """A base that is served; `takes_tools` states whether it can be offered tools."""

    id: int
    base: str
    wanted: str
    state: str
    message: str
    url: str
    takes_tools: bool
    wanted_at: datetime
    endpoints: list[ServedOut]


class DeploymentIn(Body):
    """What to serve: adapters by id, or a base by its name in the catalogue, or both."""

    base: str = ""
    adapters: list[Id] = Field([], max_length=100)


def deployment_out(live: DeploymentStatus) -> dict[str, Any]:
    row = live.deployment
    is_up = live.state == "ready"
    served = [
        {"endpoint": e.pk, "endpoint_name": e.name, "adapter": e.adapter_id, "is_ready": is_up and e.is_ready}
        for e in live.endpoints
    ]
    return {
        "id": row.pk,
        "base": row.base,
        "wanted": row.wanted,
        "state": live.state,
        "message": live.message,
        "url": row.url if is_up else "",
        "takes_tools": bool(deployments.tool_parser_of(row.base)),
        "wanted_at": row.wanted_at,
        "endpoints": served,
    }


@router.get("/projects/{project_id}/deployments", response=list[DeploymentOut], summary="List deployments")
def list_deployments(request: HttpRequest, project_id: int) -> Any:
    return [deployment_out(live) for live in deployments.live_in(project_or_404(request, project_id))]


@router.post("/projects/{project_id}/deployments", response=DeploymentOut, summary="Deploy a base or an adapter")
def deploy(request: HttpRequest, project_id: int, body: DeploymentIn) -> Any:
    """Safe to repeat: deploying again what is already deployed changes nothing."""
    project = project_or_404(request, project_id, needs="editor")
    adapters = [child_or_404(project.adapters, pk) for pk in body.adapters]
    base = body.base or (adapters[0].base if adapters else "")
    return deployment_out(deployments.live(deployments.deploy(project, base, adapters)))


@router.get("/projects/{project_id}/deployments/{deployment_id}", response=DeploymentOut, summary="Get a deployment")
def get_deployment(request: HttpRequest, project_id: int, deployment_id: int) -> Any:
    return deployment_out(
        deployments.live(child_or_404(project_or_404(request, project_id).deployments, deployment_id))
    )


@router.delete(
    "/projects/{project_id}/deployments/{deployment_id}", response=DeploymentOut, summary="Stop serving a deployment"
)
def stop_serving(request: HttpRequest, project_id: int, deployment_id: int, adapter: int | None = None) -> Any:
    """With `adapter` only that adapter is removed; the base and the other adapters stay."""
    project = project_or_404(request, project_id, needs="editor")
    deployment = child_or_404(project.deployments, deployment_id)
    if adapter is None:
        deployments.stop(deployment)
    else:
        deployments.remove_adapter(deployment, child_or_404(project.adapters, adapter))
    return deployment_out(deployments.live(deployment))
