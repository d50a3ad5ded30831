"""Pages of a project's endpoints; each can be added, edited, tried and archived."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from atelier.audit import trail
from atelier.audit.models import AuditAction
from atelier.web.methods import require_GET_POST
from atelier.web.toasts import say_error
from inference import endpoints as domain
from inference.forms.endpoints import ADDABLE, EndpointForm
from inference.models import Endpoint

ABOUT = {
    Endpoint.Kind.OPENAI: "Any server with OpenAI's chat completions API: a provider, or your own vLLM.",
    Endpoint.Kind.MISTRAL: "A model behind Mistral's API, with your key.",
    Endpoint.Kind.RECORDED: "Replays answers from a file, for samples or when no live teacher is available.",
}


def _crumbs(project_id: int) -> list[tuple[str, str]]:
    return [("Settings", reverse("project_settings", args=[project_id]))]


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.endpoints.select_related("deployment", "adapter").order_by("-is_teacher", "name")
    return render(
        request,
        "inference/endpoints/index.html",
        {
            "rows": [(row, domain.problem(row)) for row in rows.filter(archived_at=None)],
            "archived": rows.exclude(archived_at=None),
            "kinds": [(kind.value, kind.label, ABOUT[kind]) for kind in ADDABLE],
            "can_edit": project.role.covers("editor"),
            "environment": domain.environment_names_teacher(),
            "crumbs": _crumbs(project_id),
        },
    )


@require_GET_POST
def new(request: HttpRequest, project_id: int, kind: str) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    if kind not in ADDABLE:
        raise Http404("This kind of endpoint does not exist.")
    form = EndpointForm(
        request.POST or None, request.FILES or None, kind=kind, project=project, initial={"is_teacher": True}
    )
    if request.method == "POST" and form.is_valid():
        endpoint = form.save_noted(trail.asker(request), AuditAction.ENDPOINT_CREATED)
        messages.success(request, f"{endpoint.name} was created. Test it once before you use it.")
        return redirect("inference:endpoint", project.pk, endpoint.pk)
    context = {"form": form, "about": ABOUT[kind], "label": Endpoint.Kind(kind).label}
    return render(
        request,
        "inference/endpoints/new.html",
        context | {"crumbs": _endpoint_crumbs(project_id)},
        status=_status(form),
    )


def _endpoint_crumbs(project_id: int) -> list[tuple[str, str]]:
    return [*_crumbs(project_id), ("Endpoints", reverse("inference:endpoints", args=[project_id]))]


def _status(form: EndpointForm) -> int:
    return 422 if form.is_bound and form.errors else 200


@require_GET_POST
def edit(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="viewer" if request.method == "GET" else "editor")
    endpoint = child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)
    form = EndpointForm(
        request.POST or None, request.FILES or None, instance=endpoint, kind=endpoint.kind, project=project
    )
    if request.method == "POST" and form.is_valid():
        form.save_noted(trail.asker(request), AuditAction.ENDPOINT_CHANGED)
        messages.success(request, "Saved.")
        if form.key_dropped:
            messages.warning(request, "The URL changed, so the stored key was deleted. Enter the key for the new URL.")
        return redirect("inference:endpoint", project.pk, pk)
    shown = Endpoint.objects.select_related("deployment", "adapter").get(pk=pk)  # without what the form could not take
    context = {
        "endpoint": shown,
        "problem": domain.problem(shown),
        "form": form,
        "can_edit": project.role.covers("editor"),
        "crumbs": _endpoint_crumbs(project_id),
    }
    return render(request, "inference/endpoints/endpoint.html", context, status=_status(form))


@require_POST
def try_out(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """Test an endpoint by a real, tiny call. It costs money if the endpoint does, so it is for editors."""
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)
    tried = domain.try_out(endpoint, asker=trail.asker(request))
    if request.htmx:
        return render(request, "inference/endpoints/endpoint.html#tried", {"tried": tried})
    text = f"{endpoint.name}: {tried.text} {tried.learned}".strip()
    messages.add_message(request, messages.SUCCESS if tried.ok else messages.ERROR, text)
    return redirect("inference:endpoint", project.pk, pk)


@require_POST
def archive(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.filter(archived_at=None), pk)
    domain.archive(endpoint, trail.asker(request))
    undo = reverse("inference:restore_endpoint", args=[project.pk, pk])
    messages.success(request, f"{endpoint.name} was archived.", extra_tags=undo)
    return redirect("inference:endpoints", project.pk)


@require_POST
def restore(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.exclude(archived_at=None), pk)
    domain.restore(endpoint, trail.asker(request))
    messages.success(request, f"{endpoint.name} was restored.")
    return redirect("inference:endpoints", project.pk)


@require_POST
def from_environment(request: HttpRequest, project_id: int) -> HttpResponse:
    """Add the teacher that the installation's environment names: its key becomes usable here, so owners decide."""
    project = project_or_404(request, project_id, needs="owner")
    try:
        endpoint = domain.from_environment(project, trail.asker(request))
    except ValidationError as error:
        say_error(request, error)
        return redirect("inference:endpoints", project.pk)
    if endpoint is None:
        messages.error(
            request,
            "The installation has no teacher. Set MISTRAL_API_KEY, or ATELIER_TEACHER_URL and _MODEL.",
        )
        return redirect("inference:endpoints", project.pk)
    messages.success(request, f"{endpoint.name} was created.")
    return redirect("inference:endpoint", project.pk, endpoint.pk)
