"""What the data side shows in the rail and on the project's home."""

from django.urls import reverse

from atelier import loop
from atelier.accounts.models import Project
from curation import datasets
from curation.models import BulkAction, Check, Dataset, Distillation, Export, Import, Record, Version


def register() -> None:
    loop.register(
        loop.Step(10, "data", "Data", "curation:data", _records, _data),
        loop.Step(20, "review", "Review", "curation:review", datasets.to_review, _review),
        loop.Step(30, "distil", "Distil", "curation:distil", _distillations, _distil),
        loop.Step(40, "versions", "Versions", "curation:versions", _versions, _freeze),
        jobs=[Import, Export, BulkAction, Check, Distillation, Version],
    )


def _records(project: Project) -> int:
    return Record.objects.present().filter(dataset__project=project).count()


def _data(project: Project) -> loop.State:
    count, sets = _records(project), project.datasets.count()
    if not count:
        address = reverse("curation:new_import", args=[project.pk])
        return loop.State(0, "Documents or conversations, from a file or an address.", "Import a file", address)
    return loop.State(count, f"records in {sets} dataset{'' if sets == 1 else 's'}.")


def _review(project: Project) -> loop.State:
    count = datasets.to_review(project)
    if count:
        return loop.State(
            count,
            f"record{'' if count == 1 else 's'} wait for review.",
            "Review",
            reverse("curation:review", args=[project.pk]),
            needs="annotator",
        )
    taught = Record.objects.present().filter(dataset__project=project).exclude(dataset__kind=Dataset.Kind.DOCUMENTS)
    return loop.State(
        0, "All conversations are reviewed." if taught.exists() else "Conversations wait here, once there are some."
    )


def _distillations(project: Project) -> int:
    return project.distillations.count()


def _distil(project: Project) -> loop.State:
    count = _distillations(project)
    last = project.distillations.select_related("target").order_by("-pk").first()
    if last is not None:
        return loop.State(count, f"{last.ok} answers by {last.teacher_name} in {last.target.name}.")
    if not Record.objects.present().filter(dataset__project=project).exists():
        return loop.State(0, "A teacher writes answers, once there are records.")
    to_answer = project.datasets.filter(kind=Dataset.Kind.DOCUMENTS, records__deleted_at=None, records__isnull=False)
    line = "A teacher can write answers to the records."
    if not to_answer.exists():
        return loop.State(0, line)
    return loop.State(0, line, "Distil", reverse("curation:distil", args=[project.pk]))


def _versions(project: Project) -> int:
    return project.versions.filter(status=Version.Status.DONE).count()


def _freeze(project: Project) -> loop.State:
    done = project.versions.filter(status=Version.Status.DONE).select_related("dataset")
    last = done.order_by("-pk").first()
    if last is not None:
        return loop.State(done.count(), f"{last} has {last.rows} rows.")
    taught = Record.objects.present().filter(dataset__project=project).exclude(dataset__kind=Dataset.Kind.DOCUMENTS)
    accepted = taught.filter(status=Record.Status.ACCEPTED).count()
    if not accepted:
        return loop.State(0, "A snapshot to train on, once records are accepted.")
    address = reverse("curation:new_version", args=[project.pk])
    return loop.State(0, f"{accepted} accepted records can be frozen.", "Freeze a version", address)
