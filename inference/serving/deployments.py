"""Deployments: requests to serve a base with adapters, and their state for people.

Nothing here starts a process: the rows state what is wanted, and the model server carries it out
(`inference.serving.reconciler`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import Project
from inference.models import Deployment, Endpoint
from inference.vllm import MAX_RANK, tool_parser
from training import catalogue
from training.bases import offers
from training.models import Adapter, Base
from training.runs import adapters as trained
from training.runs import archive

NO_SERVER = "The model server isn't running. It is part of `make run`; to start it alone, run `manage.py serve_models`."


@dataclass(frozen=True)
class DeploymentStatus:
    """A deployment as people see it: its state, also when the server does not run, and its endpoints."""

    deployment: Deployment
    state: str
    label: str
    message: str
    endpoints: list[Endpoint]

    @property
    def title(self) -> str:
        return offers.title(self.deployment.base)

    @property
    def is_settled(self) -> bool:
        """Return whether nothing changes until somebody requests it."""
        return self.state in (Deployment.State.READY, Deployment.State.DOWN)


def deploy(project: Project, base: str, adapters: "list[Adapter] | None" = None) -> Deployment:
    """Request that a base be served, with these adapters and those that were. Raises ValidationError."""
    served = adapters or []
    refuse_unservable(project, base, served)
    refuse_other_base(base, [*served, *Adapter.objects.filter(deployments__project=project, deployments__base=base)])
    with transaction.atomic():
        list(Adapter.objects.select_for_update().filter(pk__in=[adapter.pk for adapter in served]))
        refuse_archived(served)  # nobody archives them until this is done
        row, _ = Deployment.objects.get_or_create(project=project, base=base)
        is_new = row.wanted == Deployment.Wanted.DOWN or row.state in (Deployment.State.DOWN, Deployment.State.FAILED)
        fresh = {"state": Deployment.State.WAITING, "message": "", "loaded": []} if is_new else {}
        fields = {"wanted": Deployment.Wanted.UP, "wanted_at": timezone.now(), **fresh}
        Deployment.objects.filter(pk=row.pk).update(**fields)
        row.adapters.add(*served)
        for adapter in [None, *served]:
            endpoint(row, adapter)
    row.refresh_from_db()
    return row


def refuse_unservable(project: Project, base: str, adapters: list[Adapter]) -> None:
    """Raise ValidationError when the base is not on disk, or an adapter is incomplete or is another base's."""
    about = offers.get(base)
    if not Base.objects.filter(slug=base).exists() and base not in [row.slug for row in offers.present()]:
        raise ValidationError(
            f"{about.title} is not on this machine yet. Download it under Models, or with `manage.py pull_model {base}`."
        )
    for adapter in adapters:
        if adapter.project_id != project.pk or adapter.base != base:
            raise ValidationError(f"{adapter} was not trained on {about.title} in this project.")
        if adapter.rank > MAX_RANK:
            raise ValidationError(f"{adapter} has rank {adapter.rank}; adapters up to rank {MAX_RANK} can be served.")
        archive.refuse_archived(adapter)
        if wrong := trained.problem(adapter):
            raise ValidationError(wrong)


def refuse_archived(adapters: list[Adapter]) -> None:
    """Raise ValidationError when one of the adapters has been archived since it was fetched."""
    for adapter in Adapter.objects.filter(pk__in=[adapter.pk for adapter in adapters]):
        archive.refuse_archived(adapter)


def serving(adapter: Adapter) -> Iterator[str]:
    """Yield the bases on which an adapter is deployed, or is about to be."""
    for deployment in adapter.deployments.filter(wanted=Deployment.Wanted.UP):
        yield offers.title(deployment.base)


def forget(adapter: Adapter) -> None:
    """Take an archived adapter out of stopped deployments and its endpoints out of every choice."""
    for deployment in adapter.deployments.all():
        deployment.adapters.remove(adapter)
    Endpoint.objects.filter(adapter=adapter, archived_at=None).update(archived_at=timezone.now())


def refuse_other_base(base: str, adapters: list[Adapter]) -> None:
    """Raise ValidationError for an adapter that was trained on other files of the base than those on disk.

    Runs from before the digest was kept are taken at their word.
    """
    models = Path(settings.MODELS_DIR)
    row = offers.note(base) if offers.store.is_ready(models, base) else Base.objects.filter(slug=base).first()
    for adapter in adapters:
        if row and (why := misfit(adapter, row.digest, row.revision)):
            raise ValidationError(why)


def misfit(adapter: Adapter, digest: str, revision: str = "") -> str:
    """Return why an adapter cannot be served on a base with these files, as a sentence; empty when it can."""
    trained_on = adapter.run.facts.get("base_digest")
    if not digest or not trained_on or trained_on == digest:
        return ""
    revisions = [str(adapter.run.facts.get("base_revision") or "")[:12], revision[:12]]
    known = f" (revision {revisions[0]}; on disk is {revisions[1]})" if all(revisions) else ""
    return (
        f"{adapter} was trained on other files of {offers.title(adapter.base)} than those on this machine{known}, so its "
        "answers would be wrong. Download the revision that it was trained on, or train again; to serve the base "
        "without it, remove the adapter from the deployment."
    )


def tool_parser_of(slug: str) -> str:
    """Return vLLM's parser of the calls that a base writes; empty when none fits, so that it can be offered no tools."""
    base = catalogue.load().get(slug)
    if base is None:  # dropped from the catalogue
        return ""
    folder = offers.store.folder_of(Path(settings.MODELS_DIR), slug)
    return tool_parser.find(folder, base.serve, is_template=not base.is_mistral)


def why_no_tools(endpoint: Endpoint) -> str:
    """Return why an endpoint cannot be offered tools, as a sentence; empty when it can, or only its server knows."""
    if endpoint.kind != Endpoint.Kind.SERVED or endpoint.deployment is None:
        return ""
    slug = endpoint.deployment.base
    if tool_parser_of(slug):
        return ""
    return (
        f"{offers.title(slug)} can't be offered tools: its chat template writes none, or vLLM has no parser for the calls "
        "that it would write."
    )


def endpoint(deployment: Deployment, adapter: Adapter | None) -> Endpoint:
    """Return the endpoint of the base or of one adapter, created on the first call and restored from the archive."""
    name = adapter.name if adapter else f"{offers.get(deployment.base).title} (base)"
    row = Endpoint.objects.filter(deployment=deployment, adapter=adapter).first()
    if row is None:
        taken = Endpoint.objects.filter(project=deployment.project, name=name).exists()
        row = Endpoint(
            project=deployment.project,
            deployment=deployment,
            adapter=adapter,
            kind=Endpoint.Kind.SERVED,
            name=f"{name}, served here" if taken else name,
            model=adapter.served_name if adapter else deployment.base,
        )
    row.archived_at = None
    row.save()
    return row


def stop(deployment: Deployment) -> bool:
    """Request that a deployment stop. Its endpoints stay, for comparisons and evaluations refer to them.

    Returns False when it was already stopped.
    """
    changed = Deployment.objects.filter(pk=deployment.pk, wanted=Deployment.Wanted.UP).update(
        wanted=Deployment.Wanted.DOWN, wanted_at=timezone.now(), message=""
    )
    deployment.refresh_from_db()
    if changed and deployment.is_silent:  # nobody is there to stop it, and nothing runs
        Deployment.objects.filter(pk=deployment.pk).update(
            state=Deployment.State.DOWN, loaded=[], url="", sealed_key=""
        )
        deployment.refresh_from_db()
    return bool(changed)


def remove_adapter(deployment: Deployment, adapter: Adapter) -> bool:
    """Request that one adapter be removed, the base and the others left as they are.

    Returns False when it was not part of it.
    """
    there = deployment.adapters.filter(pk=adapter.pk).exists()
    deployment.adapters.remove(adapter)
    Deployment.objects.filter(pk=deployment.pk).update(wanted_at=timezone.now())
    return there


def live(deployment: Deployment) -> DeploymentStatus:
    """Return a deployment's state to show. When the server does not run, its last report is no longer true."""
    state = Deployment.State(deployment.state)
    message = deployment.message
    is_wanted = deployment.wanted == Deployment.Wanted.UP
    if is_wanted and deployment.is_silent:
        waited = timezone.now() - max(deployment.wanted_at, deployment.seen_at or deployment.wanted_at)
        state, message = Deployment.State.WAITING, NO_SERVER if waited > timedelta(seconds=5) else ""
    elif not is_wanted and state not in (Deployment.State.DOWN, Deployment.State.FAILED):
        state = Deployment.State.STOPPING
    endpoints = sorted(deployment.endpoints.all(), key=lambda endpoint: endpoint.pk)
    served = [e for e in endpoints if e.adapter is None or e.adapter in deployment.adapters.all()]
    return DeploymentStatus(deployment, state.value, state.label, message, served)


def live_in(project: Project) -> list[DeploymentStatus]:
    """Return all deployments of a project as people see them, the wanted ones first."""
    rows = project.deployments.prefetch_related("adapters", "endpoints__adapter__run").order_by("-wanted", "base")
    return [live(row) for row in rows]
