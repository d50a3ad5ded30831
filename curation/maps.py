"""The map of a dataset: every record gets a place, so that records about the same lie near each other.

A sample is learned from and laid out; all others are then placed among it. Nothing is written before every place is known,
and only what differs is written: after a kill it is done again, ends the same, and writes the rest.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from django.db import connection

from atelier.jobs.claims import Claim
from curation import duplicates
from curation.embedding import Embedding, Floats, Whole
from curation.layout import FLOOR, Map, Spots, spread
from curation.models import Check, Dataset

LEARNED = 10_000  # records that say which words count
LAID_OUT = 5_000  # of these; the others are placed among them
READ = 200
WRITTEN = 500
SEED = 22


def run(claim: Claim[Check]) -> None:
    """Learn, lay out, place, write. Raises what a claim raises."""
    dataset = claim.job.dataset
    pks = np.fromiter(dataset.records.present().order_by("pk").values_list("pk", flat=True), dtype=np.int64)
    claim.progress(done=0, total=len(pks), line="Reading a sample")
    learned, keys, vectors = _learn(claim, pks)
    claim.progress(line="Laying out the sample")
    laid = _chosen(np.arange(len(keys)), LAID_OUT)
    spots = spread(vectors[laid], claim.obey)
    claim.progress(line="Placing all records")
    placed, places = _place(
        claim, learned, Map(vectors[laid], spots), dict(zip(keys[laid].tolist(), spots, strict=True))
    )
    claim.progress(line="Writing the places")
    written = _write(claim, placed, places)
    claim.update(found={"records": len(placed), "apart": int((places[:, 1] < FLOOR).sum()), "moved": written})
    claim.progress(done=len(placed), total=len(placed), line=outcome(claim.job.found))


def outcome(found: dict[str, int]) -> str:
    if not found["records"]:
        return "There is no record to place."
    line = f"{found['records']:,} record{'' if found['records'] == 1 else 's'} on the map"
    return (
        f"{line}; {found['apart']:,} have no word in common with others and lie at its foot."
        if found["apart"]
        else f"{line}."
    )


def _chosen(values: Whole, most: int) -> Whole:
    """All, or so many by lot: always the same ones, in their order."""
    if len(values) <= most:
        return values
    return np.sort(np.random.default_rng(SEED).choice(values, most, replace=False))


def _learn(claim: Claim[Check], pks: Whole) -> tuple[Embedding, Whole, Floats]:
    """What the sample teaches, the ids of its records, and their vectors."""
    keys: list[int] = []

    def texts() -> Iterator[list[str]]:
        chosen = _chosen(pks, LEARNED).tolist()
        for start in range(0, len(chosen), READ):
            claim.obey()
            rows = duplicates.read(claim.job.dataset.records.present(), chosen[start : start + READ])
            keys.extend(pk for pk, _ in rows)
            yield [text for _, text in rows]

    learned, vectors = Embedding.learn(texts())
    return learned, np.array(keys, dtype=np.int64), vectors


def _place(claim: Claim[Check], learned: Embedding, laid_out: Map, known: dict[int, Any]) -> tuple[Whole, Spots]:
    """The ids of all records and their places; those of the sample stay where they were laid."""
    ids, found = [np.empty(0, dtype=np.int64)], [np.empty((0, 2), dtype=np.float32)]
    done = 0
    for batch in duplicates.texts(claim.job.dataset.records.present()):
        keys = np.array([pk for pk, _ in batch], dtype=np.int64)
        spots = laid_out.place(learned.vectors([text for _, text in batch]), keys)
        for row, pk in enumerate(keys.tolist()):
            if pk in known:
                spots[row] = known[pk]
        ids.append(keys)
        found.append(spots)
        done += len(batch)
        claim.progress(done=done)
    return np.concatenate(ids), np.concatenate(found)


def _write(claim: Claim[Check], pks: Whole, spots: Spots) -> int:
    """Write the places that differ from those there. How many did. A place follows from content: no revision is raised."""
    written = 0
    for start in range(0, len(pks), WRITTEN):
        claim.obey()
        part = slice(start, start + WRITTEN)
        changed = _changed(claim.job.dataset, pks[part].tolist(), np.round(spots[part].astype(np.float64), 5).tolist())
        if changed:
            with claim.writing(), connection.cursor() as cursor:
                cursor.executemany("UPDATE curation_record SET map_x = %s, map_y = %s WHERE id = %s", changed)
        written += len(changed)
    return written


def _changed(dataset: Dataset, pks: list[int], spots: list[list[float]]) -> list[tuple[float, float, int]]:
    rows = dataset.records.filter(pk__in=pks).values_list("pk", "map_x", "map_y")
    there = {pk: (x, y) for pk, x, y in rows}
    return [(x, y, pk) for pk, (x, y) in zip(pks, spots, strict=True) if pk in there and there[pk] != (x, y)]
