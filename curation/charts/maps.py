"""The job that draws a dataset's map: every record gets a place, similar records near each other.

A sample is learned from and laid out; all others are then placed among it. Nothing is written before every place is
known, and only differences are written: after a kill the job is repeated, ends the same, and writes the rest.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from atelier.jobs.claims import Claim
from curation.charts.embedding import Embedding, Floats, Whole
from curation.charts.layout import FLOOR, Map, Spots, spread
from curation.models import Check, Dataset
from curation.quality import duplicates
from curation.records import derived, store

LEARNED = 10_000  # records that say which words count
LAID_OUT = 5_000  # of these; the others are placed among them
READ = 200
WRITTEN = 500
SEED = 22


def run(claim: Claim[Check]) -> None:
    """Learn, lay out, place and write the map. Raises what a claim raises."""
    dataset = claim.job.dataset
    pks = np.fromiter(dataset.records.present().order_by("pk").values_list("pk", flat=True), dtype=np.int64)
    claim.progress(done=0, total=len(pks), line="Reading a sample")
    learned, keys, vectors = _learn(claim, pks)
    claim.progress(line="Computing the layout of the sample")
    laid = _chosen(np.arange(len(keys)), LAID_OUT)
    spots = spread(vectors[laid], claim.obey)
    claim.progress(line="Placing all records")
    placed, places = _place(
        claim, learned, Map(vectors[laid], spots), dict(zip(keys[laid].tolist(), spots, strict=True))
    )
    claim.progress(line="Saving the positions")
    written = _write(claim, placed, places)
    claim.update(found={"records": len(placed), "apart": int((places[:, 1] < FLOOR).sum()), "moved": written})
    claim.progress(done=len(placed), total=len(placed), line=outcome(claim.job.found))


def outcome(figures: dict[str, int]) -> str:
    if not figures["records"]:
        return "There are no records to place."
    line = f"{figures['records']:,} record{'' if figures['records'] == 1 else 's'} mapped"
    return (
        f"{line}; {figures['apart']:,} share no words with the rest and are shown at the bottom."
        if figures["apart"]
        else f"{line}."
    )


def _chosen(values: Whole, most: int) -> Whole:
    """Return all values, or a fixed random choice of so many, in their order."""
    if len(values) <= most:
        return values
    return np.sort(np.random.default_rng(SEED).choice(values, most, replace=False))


def _learn(claim: Claim[Check], pks: Whole) -> tuple[Embedding, Whole, Floats]:
    """Learn an embedding from a sample of records; return it with the ids and vectors of the sample."""
    keys: list[int] = []

    def texts() -> Iterator[list[str]]:
        chosen = _chosen(pks, LEARNED).tolist()
        for start in range(0, len(chosen), READ):
            claim.obey()
            rows = duplicates.read(
                claim.job.dataset.records.present(), chosen[start : start + READ], derived.compared_text
            )
            keys.extend(pk for pk, _ in rows)
            yield [text for _, text in rows]

    learned, vectors = Embedding.learn(texts())
    return learned, np.array(keys, dtype=np.int64), vectors


def _place(claim: Claim[Check], learned: Embedding, laid_out: Map, known: dict[int, Any]) -> tuple[Whole, Spots]:
    """Return the ids of all records and their places; those of the sample stay where they were laid out."""
    ids, places = [np.empty(0, dtype=np.int64)], [np.empty((0, 2), dtype=np.float32)]
    done = 0
    for batch in duplicates.texts(claim.job.dataset.records.present(), derived.compared_text):
        keys = np.array([pk for pk, _ in batch], dtype=np.int64)
        spots = laid_out.place(learned.vectors([text for _, text in batch]), keys)
        for row, pk in enumerate(keys.tolist()):
            if pk in known:
                spots[row] = known[pk]
        ids.append(keys)
        places.append(spots)
        done += len(batch)
        claim.progress(done=done)
    return np.concatenate(ids), np.concatenate(places)


def _write(claim: Claim[Check], pks: Whole, spots: Spots) -> int:
    """Write the places that differ from the stored ones; return how many did.

    A place follows from content: no revision is raised.
    """
    written = 0
    for start in range(0, len(pks), WRITTEN):
        claim.obey()
        part = slice(start, start + WRITTEN)
        changed = _changed(claim.job.dataset, pks[part].tolist(), np.round(spots[part].astype(np.float64), 5).tolist())
        if changed:
            with claim.writing():
                store.update(["map_x", "map_y"], changed)
        written += len(changed)
    return written


def _changed(dataset: Dataset, pks: list[int], spots: list[list[float]]) -> list[tuple[float, float, int]]:
    rows = dataset.records.filter(pk__in=pks).values_list("pk", "map_x", "map_y")
    there = {pk: (x, y) for pk, x, y in rows}
    return [(x, y, pk) for pk, (x, y) in zip(pks, spots, strict=True) if pk in there and there[pk] != (x, y)]
