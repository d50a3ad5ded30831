"""Near-duplicates of records made from one template, which all resemble each other: how the check grows with them."""

import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

from tests.bench import gen_chat, workshop
from tests.bench.figures import Clock, Figure, memory
from tests.bench.workshop import SEED, Options

SIZES = (5_000, 10_000, 20_000)
SENTENCES = 9
INSERTED = 500  # at once
WANTED = 60.0  # seconds for the largest, on two cores


def measure(options: Options) -> list[Figure]:
    """Measure the seconds of each size, those of the size before as the reference; then what is stored of the largest."""
    workshop.open_installation()
    figures: list[Figure] = []
    for size in (size for size in SIZES if size <= max(options.rows, SIZES[0])):
        took, found = check(templated(size))
        before = figures[-1].value if figures else None
        figures.append(Figure(f"near-duplicates of {size:,} templated", took, "s", "half as many", before))
    return [
        *figures,
        Figure("near-duplicates of templated records, taken for such", found["in_clusters"] / size),
        Figure("near-duplicates of templated records, pairs of one frame a record", found["frames"] / size),
        Figure("near-duplicates of templated records, the largest", took, "s", "wanted", WANTED),
        Figure("near-duplicates of templated records, peak memory", memory("VmHWM"), "MiB"),
    ]  # fmt: skip


def templated(count: int) -> Any:
    """Return a dataset of conversations that differ in two words each."""
    from curation.models import Dataset, Record
    from curation.records import derived

    dataset = Dataset.objects.create(project=workshop.project(), name=f"Templated {count}")
    drafts = conversations(count)
    while part := list(islice(drafts, INSERTED)):
        Record.objects.bulk_create(
            [derived.complete(Record(dataset=dataset, messages=said), dataset, texts=False) for said in part]
        )
    return dataset


def conversations(count: int) -> Iterator[list[dict[str, str]]]:
    r = random.Random(SEED)
    letter = " ".join(gen_chat.sentence(r, "en") for _ in range(SENTENCES))
    for number in range(count):
        question = f"Write the letter about order {number} to our customer {gen_chat.name(r)}, please."
        answer = f"Dear customer, thank you for order {number}. {letter} Yours, {gen_chat.name(r)}."
        yield [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def check(dataset: Any) -> tuple[float, dict[str, int]]:
    """Return the seconds of the check that a page starts, and what it found."""
    from curation import tasks
    from curation.quality import jobs

    job = jobs.begin(dataset, None, "duplicates")
    with Clock() as clock:
        tasks.check(job.pk)
    workshop.finished(job)
    return clock.wall, job.found
