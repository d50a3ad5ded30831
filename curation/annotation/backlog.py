"""The backlog of a project's Review step: records to review, documents in a queue, and disputed answers."""

from typing import NamedTuple

from atelier.accounts.models import Project
from curation.models import Dataset, Queue, Task
from curation.search import counts as record_counts

MOST = 10_000  # tasks of one kind are counted as far as this: every page's rail asks


class Backlog(NamedTuple):
    """How much waits for people: records to review, tasks whose answers differ, and documents in a queue that want answers."""

    records: int
    disagreements: int
    documents: int


def read(project: Project) -> Backlog:
    """Count what waits in a project. Conversations in a queue count as records, not again as tasks."""
    kinds = dict(
        Queue.objects.filter(dataset__project=project, dataset__deleted_at=None).values_list("pk", "dataset__kind")
    )
    documents = [pk for pk, kind in kinds.items() if kind == Dataset.Kind.DOCUMENTS]
    return Backlog(
        record_counts.to_review(project), _tasks(list(kinds), Task.State.DISPUTED), _tasks(documents, Task.State.OPEN)
    )


def _tasks(queues: list[int], state: str) -> int:
    if not queues:
        return 0
    waiting = Task.objects.filter(queue__in=queues, state=state, known__isnull=True, record__deleted_at=None)
    return waiting.order_by()[:MOST].values("pk").count()


def count(project: Project) -> int:
    """Count all of it, as the rail shows it."""
    return sum(read(project))
