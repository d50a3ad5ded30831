"""Deployments: the wish that a base with adapters be served, and what people see of how it goes.

Nothing here starts a process: the rows say what is wanted, and the model server makes it so (`inference.server`).
"""

from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import Project
from inference.models import Deployment, Endpoint
from training import adapters as trained
from training import bases
from training.models import Adapter, Base

NO_SERVER = "The model server does not run. It is part of `make run`; alone it starts with `manage.py serve_models`."


@dataclass(frozen=True)
class Live:
    """A deployment as people see it: its state, also when the server is gone, and its endpoints."""

    deployment: Deployment
    state: str
    label: str
    message: str
    endpoints: list[Endpoint]

    @property
    def title(self) -> str:
        return bases.title(self.deployment.base)

    @property
    def is_settled(self) -> bool:
        """True when nothing changes before somebody wants it."""
        return self.state in (Deployment.State.READY, Deployment.State.DOWN)


def deploy(project: Project, base: str, adapters: "list[Adapter] | None" = None) -> Deployment:
    """Want a base served, these adapters with it and those that were. Raises ValidationError."""
    wanted = adapters or []
    refuse_unservable(project, base, wanted)
    with transaction.atomic():
        row, _ = Deployment.objects.get_or_create(project=project, base=base)
        is_new = row.wanted == Deployment.Wanted.DOWN or row.state in (Deployment.State.DOWN, Deployment.State.FAILED)
        fresh = {"state": Deployment.State.WAITING, "message": "", "loaded": []} if is_new else {}
        fields = {"wanted": Deployment.Wanted.UP, "wanted_at": timezone.now(), **fresh}
        Deployment.objects.filter(pk=row.pk).update(**fields)
        row.adapters.add(*wanted)
        for adapter in [None, *wanted]:
            endpoint(row, adapter)
    row.refresh_from_db()
    return row


def refuse_unservable(project: Project, base: str, adapters: list[Adapter]) -> None:
    """Raises ValidationError when the base is not on disk, or an adapter is not whole or is another base's."""
    about = bases.get(base)
    if not Base.objects.filter(slug=base).exists() and base not in [row.slug for row in bases.present()]:
        raise ValidationError(
            f"{about.title} is not on this machine yet: fetch it under Models, or with `manage.py pull_model {base}`."
        )
    for adapter in adapters:
        if adapter.project_id != project.pk or adapter.base != base:
            raise ValidationError(f"{adapter} was not trained on {about.title} in this project.")
        if wrong := trained.problem(adapter):
            raise ValidationError(wrong)


def endpoint(deployment: Deployment, adapter: Adapter | None) -> Endpoint:
    """The endpoint of the base or of one adapter, made on the first call and taken out of the archive."""
    name = adapter.name if adapter else f"{bases.get(deployment.base).title} (base)"
    found = Endpoint.objects.filter(deployment=deployment, adapter=adapter).first()
    if found is None:
        taken = Endpoint.objects.filter(project=deployment.project, name=name).exists()
        found = Endpoint(
            project=deployment.project,
            deployment=deployment,
            adapter=adapter,
            kind=Endpoint.Kind.SERVED,
            name=f"{name}, served here" if taken else name,
            model=adapter.served_name if adapter else deployment.base,
        )
    found.archived_at = None
    found.save()
    return found


def take_down(deployment: Deployment) -> bool:
    """Want it down. Its endpoints stay, for comparisons and evaluations refer to them. False when it was."""
    changed = Deployment.objects.filter(pk=deployment.pk, wanted=Deployment.Wanted.UP).update(
        wanted=Deployment.Wanted.DOWN, wanted_at=timezone.now(), message=""
    )
    deployment.refresh_from_db()
    if changed and deployment.is_silent:  # nobody is there to stop it, and nothing runs
        Deployment.objects.filter(pk=deployment.pk).update(state=Deployment.State.DOWN, loaded=[], url="")
        deployment.refresh_from_db()
    return bool(changed)


def take_down_adapter(deployment: Deployment, adapter: Adapter) -> bool:
    """Want one adapter out, the base and the others left as they are. False when it was not in."""
    there = deployment.adapters.filter(pk=adapter.pk).exists()
    deployment.adapters.remove(adapter)
    Deployment.objects.filter(pk=deployment.pk).update(wanted_at=timezone.now())
    return there


def live(deployment: Deployment) -> Live:
    """What to show. When the server is gone, what it last said is no longer true."""
    state = Deployment.State(deployment.state)
    message = deployment.message
    is_wanted = deployment.wanted == Deployment.Wanted.UP
    if is_wanted and deployment.is_silent:
        waited = timezone.now() - max(deployment.wanted_at, deployment.seen_at or deployment.wanted_at)
        state, message = Deployment.State.WAITING, NO_SERVER if waited > timedelta(seconds=5) else ""
    elif not is_wanted and state not in (Deployment.State.DOWN, Deployment.State.FAILED):
        state = Deployment.State.STOPPING
    served = [e for e in deployment.endpoints.all() if e.adapter is None or e.adapter in deployment.adapters.all()]
    return Live(deployment, state.value, state.label, message, served)


def live_in(project: Project) -> list[Live]:
    """All deployments of a project as people see them, those wanted first."""
    rows = project.deployments.prefetch_related("adapters", "endpoints__adapter__run").order_by("-wanted", "base")
    return [live(row) for row in rows]
