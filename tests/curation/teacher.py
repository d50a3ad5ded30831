"""What the tests of distillations and versions share: a fake teacher in a thread, and records."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from atelier.accounts.models import Project
from curation.distillation import drafts as distillation_drafts
from curation.models import Dataset, Distillation, Record
from curation.records import derived
from inference.models import Endpoint
from tests.fakes.openai_server import FakeOpenAI, Plan


@contextmanager
def teacher_server(**plan: Any) -> Iterator[FakeOpenAI]:
    """Run a fake teacher that answers over HTTP, on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = FakeOpenAI(Plan(**plan))
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def documents(project: Project, count: int = 5, name: str = "Raw briefs") -> Dataset:
    """A dataset of documents with a column `text` and a topic."""
    dataset = Dataset.objects.create(project=project, name=name, kind=Dataset.Kind.DOCUMENTS)
    drafts = [
        derived.complete(
            Record(dataset=dataset, fields={"text": f"Brief number {n}"}, metadata={"topic": "news"}, key=f"a{n}"),
            dataset,
        )
        for n in range(count)
    ]
    Record.objects.bulk_create(drafts)
    return dataset


def conversations(project: Project, count: int = 5, name: str = "Briefs", status: str = "accepted") -> Dataset:
    """A dataset of accepted conversations."""
    dataset = Dataset.objects.create(project=project, name=name)
    drafts = []
    for n in range(count):
        said = [{"role": "user", "content": f"Question {n}?"}, {"role": "assistant", "content": f"Answer {n}."}]
        drafts.append(derived.complete(Record(dataset=dataset, messages=said, status=status), dataset))
    Record.objects.bulk_create(drafts)
    return dataset


def endpoint(project: Project, url: str, **more: Any) -> Endpoint:
    return Endpoint.objects.create(
        project=project, name=more.pop("name", "Fake"), kind="openai", url=url, model="fake", is_teacher=True, **more
    )


def started(project: Project, teacher: Endpoint, source: Dataset, **more: Any) -> Distillation:
    """Return a queued distillation of a source into a new dataset."""
    fields: dict[str, Any] = {
        "dataset": source,
        "target": Dataset(project=project, name="Answers", shares=source.shares, seed=source.seed),
        "template": "{{ text }}",
        "system_prompt": "Be plain.",
        "student_prompt": "Rewrite.",
        "name": "",
        "filters": {},
        "sampling": {"max_tokens": 100},
        "concurrency": 4,
    }
    return distillation_drafts.start(distillation_drafts.draft(project, teacher, **{**fields, **more}), None)
