"""A project with something of everything that can hang on one, its files included."""

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from atelier.accounts.models import Project, User
from atelier.webhooks.models import Delivery, Webhook
from curation import tasks
from curation.models import (
    Annotation,
    Check,
    Comment,
    Dataset,
    Deletion,
    Distillation,
    Export,
    Generation,
    Import,
    ImportIssue,
    Queue,
    SelectedRecord,
    Selection,
    Task,
    Version,
)
from curation.records import changes
from curation.versions import diff, freezes
from inference.models import (
    Comparison,
    Deployment,
    Endpoint,
    Evaluation,
    EvaluationAnswer,
    Reply,
    Side,
    Turn,
    Vote,
)
from tests.curation.teacher import conversations
from tests.curation.versions.test_leaks_of_many import pair_up
from training.models import Adapter, Pull, Run


def furnish(project: Project, user: User, count: int = 12) -> Version:
    """Give a project one of everything; return its version."""
    dataset = conversations(project, count)
    pair_up(dataset, 2)
    version = freezes.create(dataset, user, allow_leaks=True)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    assert version.status == "done", version.error
    _add_data(project, dataset, user)
    _add_annotations(dataset, user)
    _add_versions_use(project, version)
    endpoint = _add_models(project, version, user)
    _add_comparison(project, endpoint, user)
    hook = Webhook.objects.create(project=project, url="https://a.example", events=["frozen"], sealed_secret="")
    Delivery.objects.create(webhook=hook, event="frozen", state="failed")
    return version


def stored(folder: str, content: bytes = b"marker") -> str:
    return default_storage.save(f"{folder}/file", ContentFile(content))


def _add_data(project: Project, dataset: Dataset, user: User) -> None:
    job = Import.objects.create(project=project, dataset=dataset, file=stored("imports"), status="done")
    ImportIssue.objects.create(parent=job, line=1, outcome="failed", code="x", message="No.", raw="")
    Export.objects.create(project=project, dataset=dataset, file=stored("exports"), status="done", format="chat")
    Check.objects.create(project=project, dataset=dataset, part="texts", status="done")
    Deletion.objects.create(project=project, name="Gone", status="done")
    changes.review(dataset.records.first(), user, "accept")
    chosen = Selection.objects.create(dataset=dataset, size=1)
    SelectedRecord.objects.create(selection=chosen, record=dataset.records.first())
    target = conversations(project, 2, name="Answers")
    job = Distillation.objects.create(
        project=project, dataset=dataset, target=target, name="D", template="x", status="done"
    )  # fmt: skip
    for record, result in zip(dataset.records.all(), target.records.all(), strict=False):
        Generation.objects.create(distillation=job, record=record, result=result, outcome="ok")


def _add_annotations(dataset: Dataset, user: User) -> None:
    queue = Queue.objects.create(dataset=dataset)
    for record in dataset.records.all()[:3]:
        task = Task.objects.create(queue=queue, record=record)
        Annotation.objects.create(task=task, record=record, user=user, author=user.username)
        Comment.objects.create(record=record, user=user, author=user.username, text="Why?")


def _add_versions_use(project: Project, version: Version) -> None:
    path = diff._path(version, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"marker")
    Export.objects.create(
        project=project, dataset=version.dataset, version=version, file=stored("exports"), status="done", format="chat"
    )  # fmt: skip


def _add_models(project: Project, version: Version, user: User) -> Endpoint:
    Pull.objects.create(project=project, slug="a-base", status="done")
    run = Run.objects.create(project=project, version=version, number=1, base="a-base", status="done")
    (run.folder / "adapter").mkdir(parents=True)
    (run.folder / "adapter" / "weights").write_bytes(b"marker")
    folder = str((run.folder / "adapter").relative_to(settings.DATA_DIR))
    adapter = Adapter.objects.create(
        project=project, run=run, name="A", base="a-base", folder=folder, digest="", rank=8
    )  # fmt: skip
    deployment = Deployment.objects.create(project=project, base="a-base")
    deployment.adapters.add(adapter)
    endpoint = Endpoint.objects.create(
        project=project, name="E", kind="recorded", answers=stored("answers"), deployment=deployment, adapter=adapter
    )  # fmt: skip
    evaluation = Evaluation.objects.create(project=project, version=version, name="V", status="done")
    evaluation.endpoints.add(endpoint)
    EvaluationAnswer.objects.create(evaluation=evaluation, endpoint=endpoint, row=1)
    return endpoint


def _add_comparison(project: Project, endpoint: Endpoint, user: User) -> None:
    comparison = Comparison.objects.create(project=project, name="C")
    side = Side.objects.create(comparison=comparison, position=0, endpoint=endpoint)
    turn = Turn.objects.create(comparison=comparison, index=0, prompt="Hello?", user=user)
    reply = Reply.objects.create(turn=turn, side=side, state="done", text="Hello.")
    Vote.objects.create(turn=turn, user=user, verdict="side", winner=reply, blind=False)


def rows() -> dict[str, set[Any]]:
    """Return the ids of all rows of all Atelier's tables."""
    ours = [model for model in apps.get_models(include_auto_created=True) if model.__module__.split(".")[0] in OURS]
    return {model._meta.label: set(model._base_manager.values_list("pk", flat=True)) for model in ours}


OURS = ("atelier", "curation", "training", "inference")


def files() -> list[str]:
    folder = Path(settings.DATA_DIR)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
