"""Pages: the endpoints of a project; each can be added, edited, tried and archived."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from atelier.accounts.access import child_or_404, project_or_404
from inference import endpoints as domain
from inference.endpoint_forms import ADDABLE, EndpointForm
from inference.models import Endpoint

GET_POST = require_http_methods(["GET", "POST"])
ABOUT = {
    Endpoint.Kind.OPENAI: "Any server that speaks OpenAI's chat completions: a provider, or a vLLM of your own.",
    Endpoint.Kind.MISTRAL: "A model behind Mistral's API, with your key.",
    Endpoint.Kind.RECORDED: "Replays answers from a file: for samples, and to go on without a live teacher.",
}


def _crumbs(project_id: int) -> list[tuple[str, str]]:
    return [("Settings", reverse("project_settings", args=[project_id]))]


@require_GET
def index(request: HttpRequest, project_id: int) -> HttpResponse:
    project = project_or_404(request, project_id)
    rows = project.endpoints.select_related("deployment", "adapter").order_by("-is_teacher", "name")
    return render(
        request,
        "inference/endpoints.html",
        {
            "rows": rows.filter(archived_at=None),
            "archived": rows.exclude(archived_at=None),
            "kinds": [(kind.value, kind.label, ABOUT[kind]) for kind in ADDABLE],
            "can_edit": project.role.covers("editor"),
            "environment": domain.environment_names_teacher(),
            "crumbs": _crumbs(project_id),
        },
    )


@GET_POST
def new(request: HttpRequest, project_id: int, kind: str) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    if kind not in ADDABLE:
        raise Http404("There is no such kind of endpoint.")
    form = EndpointForm(
        request.POST or None, request.FILES or None, kind=kind, project=project, initial={"is_teacher": True}
    )
    if request.method == "POST" and form.is_valid():
        endpoint = form.save()
        messages.success(request, f"{endpoint.name} is there. Try it once before you use it.")
        return redirect("inference:endpoint", project.pk, endpoint.pk)
    context = {"form": form, "about": ABOUT[kind], "label": Endpoint.Kind(kind).label}
    return render(
        request, "inference/endpoint_new.html", context | {"crumbs": _endpoint_crumbs(project_id)}, status=_status(form)
    )


def _endpoint_crumbs(project_id: int) -> list[tuple[str, str]]:
    return [*_crumbs(project_id), ("Endpoints", reverse("inference:endpoints", args=[project_id]))]


def _status(form: EndpointForm) -> int:
    return 422 if form.is_bound and form.errors else 200


@GET_POST
def edit(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="viewer" if request.method == "GET" else "editor")
    endpoint = child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)
    form = EndpointForm(
        request.POST or None, request.FILES or None, instance=endpoint, kind=endpoint.kind, project=project
    )
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        if form.key_dropped:
            messages.warning(
                request, "The address changed, so the stored key was dropped: enter the key for the new address."
            )
        return redirect("inference:endpoint", project.pk, pk)
    shown = Endpoint.objects.select_related("deployment", "adapter").get(pk=pk)  # without what the form could not take
    context = {
        "endpoint": shown,
        "form": form,
        "can_edit": project.role.covers("editor"),
        "crumbs": _endpoint_crumbs(project_id),
    }
    return render(request, "inference/endpoint.html", context, status=_status(form))


@require_POST
def try_out(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    """A real, tiny call. It costs money where the endpoint does, so it is for editors."""
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.select_related("deployment", "adapter"), pk)
    tried = domain.try_out(endpoint)
    if request.htmx:
        return render(request, "inference/endpoint.html#tried", {"tried": tried})
    messages.add_message(request, messages.SUCCESS if tried.ok else messages.ERROR, f"{endpoint.name}: {tried.text}")
    return redirect("inference:endpoint", project.pk, pk)


@require_POST
def archive(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.filter(archived_at=None), pk)
    domain.archive(endpoint)
    undo = reverse("inference:restore_endpoint", args=[project.pk, pk])
    messages.success(request, f"{endpoint.name} is archived.", extra_tags=undo)
    return redirect("inference:endpoints", project.pk)


@require_POST
def restore(request: HttpRequest, project_id: int, pk: int) -> HttpResponse:
    project = project_or_404(request, project_id, needs="editor")
    endpoint = child_or_404(project.endpoints.exclude(archived_at=None), pk)
    domain.restore(endpoint)
    messages.success(request, f"{endpoint.name} is back.")
    return redirect("inference:endpoints", project.pk)


@require_POST
def from_environment(request: HttpRequest, project_id: int) -> HttpResponse:
    """Take over the teacher that the installation's environment names: its key becomes usable here, so owners decide."""
    project = project_or_404(request, project_id, needs="owner")
    try:
        endpoint = domain.from_environment(project)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("inference:endpoints", project.pk)
    if endpoint is None:
        messages.error(
            request,
            "The installation names no teacher: set MISTRAL_API_KEY, or ATELIER_TEACHER_URL and _MODEL.",
        )
        return redirect("inference:endpoints", project.pk)
    messages.success(request, f"{endpoint.name} is there.")
    return redirect("inference:endpoint", project.pk, endpoint.pk)
