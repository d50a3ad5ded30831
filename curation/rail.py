"""The data side's part of the rail and of the project's home."""

from collections import Counter

from django.urls import reverse

from atelier import registry
from atelier.accounts.models import Project
from curation.annotation import backlog, comments
from curation.models import (
    AgreementReport,
    BulkAction,
    Check,
    Dataset,
    Deletion,
    Distillation,
    Erasure,
    Export,
    Import,
    Record,
    Version,
)
from curation.search import counts as record_counts

# As `backlog.Backlog` counts them: what one is, and several are.
WAITING = (
    ("record to review", "records to review"),
    ("disagreement to decide", "disagreements to decide"),
    ("document to answer", "documents to answer"),
)


def register() -> None:
    registry.register_inbox(registry.Inbox("Mentions", "curation:mentions", comments.unread))
    registry.register(
        registry.Step(10, "data", "Data", "curation:data", _records, _data),
        registry.Step(20, "review", "Review", "curation:review", backlog.count, _review, also=("annotate/",)),
        registry.Step(30, "distil", "Distil", "curation:distil", registry.ProjectRows(Distillation), _distil),
        registry.Step(
            40, "versions", "Versions", "curation:versions", registry.ProjectRows(Version, Version.Status.DONE), _freeze
        ),
        jobs=[Import, Export, Deletion, Erasure, BulkAction, Check, AgreementReport, Distillation, Version],
    )


def _records(project: Project) -> int:
    return sum(found.total() for found in record_counts.totals(project).values())


def _taught(project: Project) -> Counter[str]:
    """Count the records that are conversations or preferences, by status."""
    kinds = record_counts.totals(project)
    return sum((found for kind, found in kinds.items() if kind != Dataset.Kind.DOCUMENTS), Counter())


def _data(project: Project) -> registry.StepState:
    count, sets = _records(project), project.datasets.count()
    if not count:
        address = reverse("curation:new_import", args=[project.pk])
        return registry.StepState(0, "Documents or conversations, from a file or a URL.", "Import a file", address)
    return registry.StepState(count, f"records in {sets} dataset{'' if sets == 1 else 's'}.")


def _review(project: Project) -> registry.StepState:
    waiting = [
        (number, singular if number == 1 else plural)
        for number, (singular, plural) in zip(backlog.read(project), WAITING, strict=True)
        if number
    ]
    if waiting:
        # The card shows the first number large, so the sentence goes on from it.
        (first, noun), *others = waiting
        line = ", ".join([noun, *(f"{number:,} {words}" for number, words in others)])
        url = reverse("curation:review", args=[project.pk])
        return registry.StepState(first, f"{line}.", "Review", url, needs="annotator")
    return registry.StepState(
        0,
        "All conversations are reviewed."
        if _taught(project).total()
        else "Review conversations here once there are some.",
    )


def _distil(project: Project) -> registry.StepState:
    count = project.distillations.count()
    last = project.distillations.select_related("target").order_by("-pk").first()
    if last is not None:
        return registry.StepState(count, f"{last.ok} answers by {last.teacher_name} in {last.target.name}.")
    kinds = record_counts.totals(project)
    if not kinds:
        return registry.StepState(0, "A teacher writes answers once there are records.")
    line = "A teacher can write answers to the records."
    if not kinds.get(Dataset.Kind.DOCUMENTS, Counter()).total():
        return registry.StepState(0, line)
    return registry.StepState(0, line, "Distil", reverse("curation:distil", args=[project.pk]))


def _freeze(project: Project) -> registry.StepState:
    done = project.versions.filter(status=Version.Status.DONE, archived_at=None).select_related("dataset")
    last = done.order_by("-pk").first()
    if last is not None:
        return registry.StepState(done.count(), f"{last} has {last.rows} rows.")
    accepted = _taught(project)[Record.Status.ACCEPTED]
    if not accepted:
        return registry.StepState(0, "A snapshot to train on once records are accepted.")
    address = reverse("curation:new_version", args=[project.pk])
    return registry.StepState(0, f"{accepted} accepted records can be frozen.", "Freeze a version", address)
