"""Pages of models: bases and adapters, what of them is served, and the wishes to deploy and to stop serving."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.web import border
from atelier.web.toasts import say_error
from inference.models import Deployment
from inference.serving import deployments
from training.bases import offers as base_offers


@require_GET
def models(request: HttpRequest, project_id: int) -> HttpResponse:
    """Show the models; for htmx only the part with all that is served, which is polled."""
    project = project_or_404(request, project_id)
    if request.htmx and not request.htmx.history_restore_request:
        return render(request, "inference/deployments/index.html#serving", serving(project))
    offers = base_offers.offers(project)
    context = {
        "offers": offers,
        "machine": base_offers.machine(),
        "counting": project.base or base_offers.store.STUDENT,
        "without_tools": {
            offer.base.slug
            for offer in offers
            if (offer.row or offer.base.is_mistral) and not deployments.tool_parser_of(offer.base.slug)
        },
        **serving(project),
    }
    return render(request, "inference/deployments/index.html", context)


def serving(project: Project) -> dict[str, Any]:
    """Return what is wanted and its state, and the adapters that are not wanted now."""
    lives = [live for live in deployments.live_in(project) if live.state != "down" or live.message]
    served = {e.adapter_id for live in lives if live.deployment.wanted == "up" for e in live.endpoints}
    ready = [e.pk for live in lives for e in live.endpoints if live.state == "ready" and e.is_ready]
    adapters = project.adapters.filter(archived_at=None).select_related("run__version__dataset").order_by("-pk")
    return {
        "lives": lives,
        "adapters": adapters,
        "served": served,
        "can_edit": project.role.covers("editor"),
        "served_bases": {live.deployment.base for live in lives if live.deployment.wanted == "up"},
        "every": 10 if all(live.is_settled for live in lives) else 1,
        "compare_url": compare_url(project, ready),
        "has_adapters": bool(adapters),
    }


def compare_url(project: Project, ready: list[int]) -> str:
    """Return the URL of a new comparison between what is ready, at most four; empty unless there are two."""
    if len(ready) < 2:
        return ""
    return reverse("inference:new_comparison", args=[project.pk]) + "?endpoints=" + ",".join(map(str, ready[:4]))


@require_POST
def deploy(request: HttpRequest, project_id: int) -> HttpResponse:
    """Deploy `base`, or the base of `adapter` with that adapter."""
    project = project_or_404(request, project_id, needs="editor")
    adapter = None
    if request.POST.get("adapter"):
        wanted = request.POST["adapter"]
        adapter = child_or_404(project.adapters, border.whole(wanted) or 0)
    base = adapter.base if adapter else request.POST.get("base", "")
    try:
        deployments.deploy(project, base, [adapter] if adapter else [])
    except ValidationError as error:
        say_error(request, error)
    return redirect("inference:models", project.pk)


@require_POST
def stop_serving(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Stop serving a deployment, or with `adapter` remove only that adapter from it."""
    project = project_or_404(request, project_id, needs="editor")
    deployment = child_or_404(Deployment.objects.filter(project=project), pk)
    wanted = request.POST.get("adapter", "")
    if wanted:
        adapter = child_or_404(project.adapters, border.whole(wanted) or 0)
        deployments.remove_adapter(deployment, adapter)
    else:
        deployments.stop(deployment)
    return redirect("inference:models", project.pk)
