"""Fifty people annotate at once over HTTP, against the web process as it ships: each submit brings the next record along."""

import asyncio
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench import workshop
from tests.bench.figures import Figure, quantile
from tests.bench.workshop import ROOT, Options

PEOPLE, SECONDS, WANTED = 50, 20, 50.0  # submits a second that are asked for
OVERLAP = 2
LIMIT = 200.0  # ms that are asked for at p95


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    dataset, keys = prepare(records=int(SECONDS * WANTED))
    port = free_port()
    web = start(port)
    try:
        paced = counted(web.pid, everybody(port, dataset, keys, WANTED))
        flat_out = counted(web.pid, everybody(port, dataset, keys, 0, seconds=SECONDS / 2))
    finally:
        web.terminate()
        web.wait()
    over = beyond_overlap(dataset)
    if over:
        raise RuntimeError(f"{over} records were given beyond their overlap.")
    return [
        *figures("submits, 50 people at 1 a second each", paced),
        *figures("submits, 50 people without a pause", flat_out),
    ]


def prepare(records: int) -> tuple[Any, list[str]]:
    """Return a dataset whose queue lasts for the whole run, and a key for each person."""
    from atelier.accounts.models import APIKey, Membership, Role, User
    from curation.annotation import questions, queue
    from curation.models import Dataset, Record
    from curation.records import derived

    project = workshop.project()
    dataset = Dataset.objects.create(project=project, name="Submits", kind=Dataset.Kind.CONVERSATIONS)
    rows = [
        Record(
            dataset=dataset, split="train", source_group=f"{number:064d}",
            messages=[{"role": "user", "content": f"What is {number}?"}, {"role": "assistant", "content": "A number. " * 40}],
        )
        for number in range(2 * records)
    ]  # fmt: skip
    for row in rows:
        derived.complete(row)
    Record.objects.bulk_create(rows, batch_size=500)
    questions.create(dataset, title="Tone", kind="label", options={"labels": ["plain", "loud"]})
    box = queue.of(dataset)
    box.overlap = OVERLAP
    box.save()
    queue.fill(dataset, dataset.records.all())
    keys = []
    for number in range(PEOPLE):
        user = User.objects.create(username=f"person-{number}")
        Membership.objects.create(team=project.team, user=user, role=Role.ANNOTATOR)
        keys.append(APIKey.issue(project.team, user, "bench")[1])
    return dataset, keys


def free_port() -> int:
    from atelier.processes import supervisor

    return supervisor.free_port("127.0.0.1", 18_700)


def start(port: int) -> "subprocess.Popen[bytes]":
    """Start the web process with the command of `manage.py up`; return when it answers."""
    from atelier import installation

    command = next(child.argv for child in installation.children(port) if child.name == "web")
    web = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "ATELIER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return web
        except OSError:
            time.sleep(0.2)
    web.terminate()
    raise RuntimeError("The web process did not answer within 60 s.")


def counted(pid: int, work: Any) -> dict[str, Any]:
    """Return what the people measure, and the processor seconds that the web process took in that time."""
    before = processor(pid)
    found: dict[str, Any] = asyncio.run(work)
    return found | {"web": processor(pid) - before}


def processor(pid: int) -> float:
    """Return the processor seconds of a process so far. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def everybody(port: int, dataset: Any, keys: list[str], rate: float, seconds: float = SECONDS) -> dict[str, Any]:
    """Run all people at once, each in a rhythm of its own when there is a rate.

    Returns milliseconds of every first record and every submit, which ends with the next record in hand.
    """
    times: dict[str, list[float]] = {"submit": [], "first": []}
    root = f"http://127.0.0.1:{port}/api/projects/{dataset.project_id}"
    began = time.perf_counter()
    # Not httpx, which takes more processor for a call than the web process has for its answer.
    connector, limit = aiohttp.TCPConnector(limit=PEOPLE), aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, timeout=limit) as client:
        people = [
            person(client, root, dataset.pk, key, times, began + seconds, PEOPLE / rate if rate else 0, number / PEOPLE)
            for number, key in enumerate(keys)
        ]
        await asyncio.gather(*people)
    return times | {"wall": time.perf_counter() - began}


async def person(
    client: aiohttp.ClientSession, root: str, dataset: int, key: str, times: dict[str, list[float]], until: float,
    pause: float, phase: float,
) -> None:  # fmt: skip
    headers = {"Authorization": f"Bearer {key}"}
    due = time.perf_counter() + phase * pause
    given = await timed(times["first"], client.post(f"{root}/datasets/{dataset}/queue/next", headers=headers))
    at = given["id"]
    while due < until and time.perf_counter() < until:
        await asyncio.sleep(max(0, due - time.perf_counter()))
        address = f"{root}/annotations/{at}/submit?with_next=true"
        done = await timed(times["submit"], client.post(address, headers=headers, json={"answers": {"tone": "plain"}}))
        at = done["next"]["id"]
        due += pause


async def timed(into: list[float], call: Any) -> Any:
    """Return the response's JSON; append the milliseconds until all of it was there."""
    began = time.perf_counter()
    async with call as answer:
        body = await answer.read()
    into.append(1000 * (time.perf_counter() - began))
    if answer.status != 200:
        raise RuntimeError(f"{answer.url} answered {answer.status}: {body[:200]!r}")
    return json.loads(body)


def beyond_overlap(dataset: Any) -> int:
    """Count the records with more open and submitted annotations than they need."""
    from django.db.models import Count, F, Q

    from curation.models import Task

    held = Count("annotations", filter=Q(annotations__state__in=["open", "submitted"]))
    return Task.objects.filter(queue__dataset=dataset).annotate(held=held).filter(held__gt=F("wanted")).count()


def figures(name: str, found: dict[str, Any]) -> list[Figure]:
    """Return figures, each beside its target: 50 submits a second, p95 at most 200 ms."""
    rate = len(found["submit"]) / found["wall"]
    return [
        Figure(name, rate, "submits/s", "asked for", WANTED),
        Figure(
            f"{name}, of the web's processor", 1000 * found["web"] / len(found["submit"]), "ms", "a core", 1000 / WANTED
        ),
        Figure(f"{name}, p50", quantile(found["submit"], 0.5), "ms", "asked for at p95", LIMIT),
        Figure(f"{name}, p95", quantile(found["submit"], 0.95), "ms", "asked for at p95", LIMIT),
    ]
