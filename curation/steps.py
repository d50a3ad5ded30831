"""What the data side shows in the rail and on the project's home."""

from collections import Counter

from django.urls import reverse

from atelier import loop
from atelier.accounts.models import Project
from curation import datasets
from curation.annotation import comments, waiting
from curation.models import (
    AgreementReport,
    BulkAction,
    Check,
    Dataset,
    Deletion,
    Distillation,
    Export,
    Import,
    Record,
    Version,
)


def register() -> None:
    loop.register_inbox(loop.Inbox("Mentions", "curation:mentions", comments.unread))
    loop.register(
        loop.Step(10, "data", "Data", "curation:data", _records, _data),
        loop.Step(20, "review", "Review", "curation:review", waiting.count, _review, also=("annotate/",)),
        loop.Step(30, "distil", "Distil", "curation:distil", loop.Rows(Distillation), _distil),
        loop.Step(40, "versions", "Versions", "curation:versions", loop.Rows(Version, Version.Status.DONE), _freeze),
        jobs=[Import, Export, Deletion, BulkAction, Check, AgreementReport, Distillation, Version],
    )


def _records(project: Project) -> int:
    return sum(found.total() for found in datasets.totals(project).values())


def _taught(project: Project) -> Counter[str]:
    """Records that are conversations or preferences, by status."""
    kinds = datasets.totals(project)
    return sum((found for kind, found in kinds.items() if kind != Dataset.Kind.DOCUMENTS), Counter())


def _data(project: Project) -> loop.State:
    count, sets = _records(project), project.datasets.count()
    if not count:
        address = reverse("curation:new_import", args=[project.pk])
        return loop.State(0, "Documents or conversations, from a file or an address.", "Import a file", address)
    return loop.State(count, f"records in {sets} dataset{'' if sets == 1 else 's'}.")


def _review(project: Project) -> loop.State:
    line = waiting.words(project)
    if line:
        # The card shows the first number large, so the sentence goes on from it.
        first, _, rest = line.partition(" ")
        return loop.State(
            int(first.replace(",", "")),
            rest,
            "Review",
            reverse("curation:review", args=[project.pk]),
            needs="annotator",
        )
    return loop.State(
        0,
        "All conversations are reviewed."
        if _taught(project).total()
        else "Conversations wait here, once there are some.",
    )


def _distil(project: Project) -> loop.State:
    count = project.distillations.count()
    last = project.distillations.select_related("target").order_by("-pk").first()
    if last is not None:
        return loop.State(count, f"{last.ok} answers by {last.teacher_name} in {last.target.name}.")
    kinds = datasets.totals(project)
    if not kinds:
        return loop.State(0, "A teacher writes answers, once there are records.")
    line = "A teacher can write answers to the records."
    if not kinds.get(Dataset.Kind.DOCUMENTS, Counter()).total():
        return loop.State(0, line)
    return loop.State(0, line, "Distil", reverse("curation:distil", args=[project.pk]))


def _freeze(project: Project) -> loop.State:
    done = project.versions.filter(status=Version.Status.DONE).select_related("dataset")
    last = done.order_by("-pk").first()
    if last is not None:
        return loop.State(done.count(), f"{last} has {last.rows} rows.")
    accepted = _taught(project)[Record.Status.ACCEPTED]
    if not accepted:
        return loop.State(0, "A snapshot to train on, once records are accepted.")
    address = reverse("curation:new_version", args=[project.pk])
    return loop.State(0, f"{accepted} accepted records can be frozen.", "Freeze a version", address)
