"""A dataset of conversations with a question and a queue."""

from collections.abc import Callable
from typing import Any

import pytest

from curation.annotation import questions, queue
from curation.models import Dataset, Queue, Record
from curation.records import derived

TEXT = "The night at the town hall went well, said Mira."


def make_record(dataset: Dataset, number: int = 0, answer: str = TEXT, **more: Any) -> Record:
    record = Record(
        dataset=dataset, fields={"brief": f"brief {number}"}, split="train", source_group=f"{number:064d}",
        messages=[{"role": "user", "content": f"brief {number}"}, {"role": "assistant", "content": answer}], **more,
    )  # fmt: skip
    derived.complete(record)
    record.save()
    return record


@pytest.fixture
def chats(project) -> Dataset:
    return Dataset.objects.create(project=project, name="Chats", kind="conversations")


@pytest.fixture
def tone(chats):
    return questions.create(chats, title="Tone", kind="label", options={"labels": ["plain", "loud"]})


@pytest.fixture
def waiting(chats, tone) -> Callable[..., Queue]:
    """Return a function that creates a queue with so many records."""

    def build(count: int = 3, **settings: Any) -> Queue:
        for number in range(count):
            make_record(chats, number)
        found = queue.of(chats)
        for name, value in settings.items():
            setattr(found, name, value)
        found.save()
        queue.fill(chats, chats.records.all())
        return found

    return build
