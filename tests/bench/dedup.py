"""Near-duplicates: the check that a page starts, on rows with planted pairs, against reading and sketching alone."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench import workshop
from tests.bench.figures import Clock, Figure, memory, rates
from tests.bench.workshop import ROOT, SEED, Options

SHARES = ["--dups", "0.05", "--related", "0.02"]
NAME = "Planted"
WANTED = 0.95
REFERENCE = "reading the file and sketching with rensa, alone"


def measure(options: Options) -> list[Figure]:
    path = planted(options)
    workshop.open_installation()
    from curation import tasks
    from curation.quality import jobs

    dataset = workshop.import_rows(path, NAME)
    job = jobs.begin(dataset, None, "duplicates")
    before = memory("VmRSS")
    with Clock() as ours:
        tasks.check(job.pk)
    workshop.finished(job)
    peak = memory("VmHWM")
    with Clock() as bare:
        floor(path)
    recall, precision, related = judged(dataset, path.with_suffix(".tsv"))
    return [
        *rates("near-duplicates", options.rows, ours, REFERENCE, bare),
        Figure("near-duplicates, recall of planted pairs", recall, "", "wanted", WANTED),
        Figure("near-duplicates, precision", precision, "", "wanted", WANTED),
        Figure("near-duplicates, related rows taken for such", related, "pairs", "planted", float(len(planted_pairs(path.with_suffix(".tsv"), "related")))),
        Figure("near-duplicates, peak memory of the worker", peak, "MiB", "the same process before it began", before),
    ]  # fmt: skip


def planted(options: Options) -> Path:
    """Return the path of the rows, and beside them of what was planted; created once."""
    path = options.home / "bench" / f"planted-{options.rows}-{SEED}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        made = ["-n", str(options.rows), "--seed", str(SEED), *SHARES, "--pairs", str(path.with_suffix(".tsv"))]
        subprocess.run([sys.executable, "-m", "tests.bench.gen_chat", *made, "-o", str(draft)], check=True, cwd=ROOT)
        draft.rename(path)
    return path


def planted_pairs(path: Path, *kinds: str) -> set[tuple[int, int]]:
    """Return (origin, row) of planted pairs by their places in the file, from 0."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {(int(origin), int(row)) for origin, row, how in lines if how in kinds}


def judged(dataset: Any, pairs: Path) -> tuple[float, float, float]:
    """Return recall of planted duplicates; precision, where two copies of one row are a true pair too; related ones found."""
    places = {pk: line - 1 for pk, line in dataset.records.values_list("pk", "import_line")}
    found = {
        tuple(sorted((places[a], places[b])))
        for a, b in dataset.near_duplicates.values_list("first_id", "second_id").iterator()
    }
    wanted = planted_pairs(pairs, "exact", "light", "heavy")
    origin = {row: of for of, row in wanted}
    true = sum(origin.get(a, a) == origin.get(b, b) for a, b in found)
    # Copies of the same words are joined to the first of them alone, so being in one group counts as found.
    clusters = {
        places[pk]: cluster
        for pk, cluster in dataset.records.filter(cluster__isnull=False).values_list("pk", "cluster")
    }
    met = sum(a in clusters and clusters[a] == clusters.get(b) for a, b in wanted)
    return met / len(wanted), true / max(1, len(found)), float(len(found & planted_pairs(pairs, "related")))


def floor(path: Path) -> None:
    """Do the least that any way needs: every row read and sketched, nothing compared and nothing written."""
    from curation.quality import minhash

    sketches = minhash.Sketches()
    with path.open("rb") as lines:
        rows = enumerate(texts(lines))
        while batch := list(islice(rows, 500)):
            sketches.add([number for number, _ in batch], [text for _, text in batch])


def texts(lines: Any) -> Iterator[str]:
    import orjson

    for line in lines:
        yield "\n".join(message["content"] for message in orjson.loads(line)["messages"])
