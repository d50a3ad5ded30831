"""Distilling 2,000 records by a teacher that answers in 200 ms, 64 calls in flight, against a bare HTTP client."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import workshop
from tests.bench.figures import Clock, Figure, rates
from tests.bench.workshop import Options

ROWS, IN_FLIGHT, LATENCY = 2000, 64, 0.2


def measure(options: Options) -> list[Figure]:
    workshop.open_installation()
    from curation import tasks
    from tests.curation import teacher as fake_teacher

    rows = min(ROWS, options.rows)
    project = workshop.project()
    source = fake_teacher.documents(project, rows)
    with teacher() as url:
        with Clock() as bare:
            asyncio.run(ask(url, rows))
        job = fake_teacher.started(project, fake_teacher.endpoint(project, url), source, concurrency=IN_FLIGHT)
        with Clock() as ours:
            tasks.distil(job.pk)
    workshop.finished(job)
    if (made := job.target.records.count()) != rows:
        raise RuntimeError(f"{made} of {rows} answers became records.")
    return [
        *rates("distil", rows, ours, "bare aiohttp, 64 in flight", bare),
        Figure("distil, against the ideal", rows / ours.wall, "rows/s", "64 in flight / 200 ms", IN_FLIGHT / LATENCY),
    ]


@contextmanager
def teacher() -> Iterator[str]:
    """Run the fake teacher as a process of its own; provide its base URL."""
    command = [sys.executable, "-u", "-m", "tests.fakes.openai_server", "--latency", str(LATENCY)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=workshop.ROOT)
    try:
        assert process.stdout is not None
        found = re.match(r"listening on (\S+)", process.stdout.readline())
        if found is None:
            raise RuntimeError("The fake teacher did not start.")
        yield found[1]
    finally:
        process.terminate()
        process.wait(10)


async def ask(url: str, rows: int) -> None:
    """Send the same conversations with nothing around them."""
    import aiohttp

    places = asyncio.Semaphore(IN_FLIGHT)

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        said = [{"role": "system", "content": "Be plain."}, {"role": "user", "content": f"Brief number {number}"}]
        body = {"model": "fake", "messages": said, "max_tokens": 100}
        async with places, session.post(f"{url}/chat/completions", json=body) as response:
            (await response.json())["choices"][0]["message"]["content"]

    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
        await asyncio.gather(*(one(session, number) for number in range(rows)))
