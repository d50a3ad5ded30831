"""What waits for people in the Review step of a project: records, documents in a queue, and answers that differ."""

from collections import Counter

from atelier.accounts.models import Project
from curation import datasets
from curation.models import Dataset, Queue, Task

MOST = 10_000  # tasks of one kind are counted as far as this: every page's rail asks


def tasks(project: Project) -> Counter[str]:
    """{state: tasks}: whose answers differ, and documents that want answers. Conversations count as records, not again here."""
    boxes = list(
        Queue.objects.filter(dataset__project=project, dataset__deleted_at=None).values_list("pk", "dataset__kind")
    )
    documents = [pk for pk, kind in boxes if kind == Dataset.Kind.DOCUMENTS]
    found: Counter[str] = Counter()
    for state, queues in ((Task.State.DISPUTED, [pk for pk, _ in boxes]), (Task.State.OPEN, documents)):
        if queues:
            waiting = Task.objects.filter(queue__in=queues, state=state, known__isnull=True, record__deleted_at=None)
            found[state] = waiting.order_by()[:MOST].values("pk").count()
    return found


def count(project: Project) -> int:
    """All of it, as the rail shows it."""
    return datasets.to_review(project) + tasks(project).total()


def words(project: Project) -> str:
    """The same in a sentence, by what is to be done; empty when nothing waits."""
    found, records = tasks(project), datasets.to_review(project)
    parts = [
        (records, "record waits for review", "records wait for review"),
        (found[Task.State.DISPUTED], "disagreement waits for a decision", "disagreements wait for a decision"),
        (found[Task.State.OPEN], "document waits for answers", "documents wait for answers"),
    ]
    said = [f"{number:,} {one if number == 1 else many}" for number, one, many in parts if number]
    return ", ".join(said) + "." if said else ""
