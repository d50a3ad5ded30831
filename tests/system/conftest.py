"""What the kill tests begin with: a project in a fresh installation, and a teacher that counts its calls."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.installation import ROOT, Installation
from tests.system.processes import wait_for

PROJECT = """
from atelier.accounts.models import Project, Team, User
from curation.models import Dataset
project = Project.objects.create(team=Team.objects.get(), name="Kills", created_by=User.objects.get())
dataset = Dataset.objects.create(project=project, name="Rows", kind="conversations")
result = [project.pk, dataset.pk]
"""
IMPORT = """
from django.core.files import File
from atelier.jobs import queue
from curation.imports import drafts
from curation.models import Dataset
dataset = Dataset.objects.get(pk=dataset)
with open(path, "rb") as file:
    job = drafts.begin(dataset, dataset.project.created_by, file=File(file), name="rows.jsonl")
drafts.confirm(job, drafts.mapping_from(job.mapping))
if wake:
    queue.wake(job)
result = job.pk
"""


DISTIL = """
from atelier.jobs import queue
from curation.distillation import drafts
from curation.models import Dataset
from inference.models import Endpoint
dataset = Dataset.objects.get(pk=dataset)
prices = {"price_in": 1, "price_out": 1}
teacher = Endpoint.objects.create(project=dataset.project, name="Fake", kind="openai", url=url, model="fake", **prices)
target = Dataset(project=dataset.project, name="Answers", kind="conversations")
job = drafts.start(drafts.draft(
    dataset.project, teacher, dataset=dataset, target=target,
    name="", template="{{ text }}", sampling={"max_tokens": 64}, concurrency=concurrency,
), dataset.project.created_by)
queue.wake(job)
result = job.pk
"""
DOCUMENTS = """
from curation.models import Dataset, Record
from django.utils import timezone
dataset = Dataset.objects.get(pk=dataset)
Dataset.objects.filter(pk=dataset.pk).update(kind="documents")
Record.objects.bulk_create([
    Record(dataset=dataset, fields={"text": f"Row number {n}."}, status="accepted", content_hash=f"{n:064}",
           source_group=f"{n:064}", split="train", preview=f"Row number {n}.") for n in range(rows)
])
"""


def start_import(installation: Installation, dataset: int, path: Path, *, wake: bool = True) -> int:
    return installation.run(IMPORT, dataset=dataset, path=str(path), wake=wake)


def new_project(installation: Installation) -> tuple[int, int]:
    """Return the ids of a project and of its dataset of conversations."""
    project, dataset = installation.run(PROJECT)
    return project, dataset


def chat_file(path: Path, rows: int, words: int = 40) -> Path:
    """Write conversations that all differ, one per line."""
    with path.open("w") as file:
        for number in range(rows):
            asked = f"Question {number}: " + " ".join(f"w{number * 7 + at}" for at in range(words))
            messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": f"Answer {number}."}]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def count(installation: Installation, sql: str, *values: object) -> int:
    return int(next(iter(installation.rows(f"SELECT count(*) FROM {sql}", *values)[0].values())))


def in_the_middle(installation: Installation, table: str, pk: int, least: int, most: int, seconds: float = 60) -> int:
    """Wait until the job has done at least so much; return how much."""

    def look() -> int:
        row = installation.row(table, pk)
        assert row["status"] in ("queued", "running"), f"{table} {pk} was {row['status']} too early: {row['error']}"
        return row["done"] if row["done"] >= least else 0

    done = wait_for(look, seconds, f"{table} {pk} to get going")
    assert done < most, "it was through before it could be killed"
    return done


def nothing_left(installation: Installation, seconds: float = 12) -> None:
    wait_for(lambda: not installation.leftovers(), seconds, f"the end of {installation.leftovers()}")


class Teacher:
    """A fake chat completions server in a process of its own, which outlives every kill; it counts its calls."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, calls: Path) -> None:
        self.process, self.url, self.calls = process, url, calls

    def asked(self) -> list[str]:
        """Return the last user message of every call that came, in order."""
        return [json.loads(line) for line in self.calls.read_text().splitlines()] if self.calls.exists() else []


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[Callable[[float], Teacher]]:
    """Provide a function that starts a teacher that takes so many seconds for an answer."""
    started: list[Teacher] = []

    def start(latency: float) -> Teacher:
        calls = tmp_path / "calls.jsonl"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.teacher", str(latency), str(calls)],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        url = wait_for(process.stdout.readline, 30, "the teacher").split()[-1]
        started.append(Teacher(process, url, calls))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
