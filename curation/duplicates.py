"""Near-duplicates of a dataset: found over all records, kept as pairs, clusters and what crosses the splits.

The finding is a pass over everything that keeps half a kilobyte a record in memory. Only the writing is a ledger: it makes
the table equal to what was found, so after a kill it is done again and ends the same.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import F

from atelier.jobs.claims import Claim
from curation import contents, dedup
from curation.models import Check, Dataset, NearDuplicate, Record
from curation.models.datasets import RecordQuerySet

READ = 500
MOST_WORDS = 500_000
COMPARED = 2000  # pairs whose texts are in memory at once
WRITTEN = 400
Pair = tuple[int, int]


class Said(NamedTuple):
    """What `contents.compared_text` reads of a record: model instances would take as long as the sketches."""

    fields: dict[str, Any]
    messages: list[Any]
    chosen: list[Any]
    rejected: list[Any]
    tools: list[Any] = []  # never said


def run(claim: Claim[Check]) -> None:
    """Find and write. Raises what a claim raises."""
    job = claim.job
    threshold = float(job.options.get("threshold") or dedup.THRESHOLD)
    sketches = _sketch(claim)
    exact = sketches.exact()
    claim.progress(line="Comparing what looks alike")
    pairs = {(group[0], other): 1.0 for group in exact for other in group[1:]}
    pairs |= _compare(claim, sketches, pairs, threshold)
    claim.progress(line="Writing what was found")
    clusters = dedup.clusters(pairs)
    _write_pairs(claim, pairs)
    _write_clusters(claim, clusters)
    crossing = job.dataset.near_duplicates.filter(crosses=True).count()
    found = {
        "records": len(sketches), "pairs": len(pairs), "exact": sum(len(group) - 1 for group in exact),
        "clusters": len(set(clusters.values())), "in_clusters": len(clusters), "crossing": crossing,
    }  # fmt: skip
    claim.update(found=found)
    claim.progress(total=job.done, line=outcome(found))


def outcome(found: dict[str, int]) -> str:
    if not found["pairs"]:
        return f"No two of {found['records']:,} records are nearly the same."
    line = f"{found['in_clusters']:,} of {found['records']:,} records have a near-duplicate, in {found['clusters']:,} groups"
    return f"{line}; {found['crossing']:,} pairs stand in different splits." if found["crossing"] else f"{line}."


def _sketch(claim: Claim[Check]) -> dedup.Sketches:
    records = claim.job.dataset.records.present()
    sketches, done = dedup.Sketches(), 0
    claim.progress(done=0, total=records.count(), line="Reading the records")
    for batch in texts(records):
        sketches.add([pk for pk, _ in batch], [text for _, text in batch])
        done += len(batch)
        claim.progress(done=done)
    claim.update(done=done, total=done)
    return sketches


def texts(records: RecordQuerySet) -> Iterator[list[tuple[int, str]]]:
    """(id, text to compare) of all, in the order of ids: pages by key, so no transaction stays open."""
    after = 0
    while pks := _fitting(records.filter(pk__gt=after).order_by("pk")):
        yield read(records, pks)
        after = pks[-1]


def _fitting(records: RecordQuerySet) -> list[int]:
    """The next ids, fewer where the texts are long: they are in memory together."""
    pks, words = [], 0
    for pk, length in records.values_list("pk", "words")[:READ]:
        if pks and words + length > MOST_WORDS:
            break
        pks.append(pk)
        words += length
    return pks


def read(records: RecordQuerySet, pks: list[int]) -> list[tuple[int, str]]:
    rows = records.filter(pk__in=pks).order_by("pk").values_list("pk", "fields", "messages", "chosen", "rejected")
    return [(pk, contents.compared_text(Said(*columns))) for pk, *columns in rows]


def _compare(
    claim: Claim[Check], sketches: dedup.Sketches, known: dict[Pair, float], threshold: float
) -> dict[Pair, float]:
    """Read the texts of candidates again and keep the pairs that are as alike as asked."""
    found: dict[Pair, float] = {}
    same = {key: first for first, key in known}
    candidates = (
        (a, b) for a, b in sketches.candidates(threshold) if same.get(a, a) != same.get(b, b)
    )  # fmt: skip
    while chunk := list(islice(candidates, COMPARED)):
        claim.obey()
        sets = _shingle_sets(claim.job.dataset, {pk for pair in chunk for pk in pair})
        for a, b in chunk:
            alike = dedup.similarity(sets[a], sets[b]) if a in sets and b in sets else 0.0
            if alike >= threshold:
                found[a, b] = alike
    return found


def _shingle_sets(dataset: Dataset, pks: set[int]) -> dict[int, dedup.Hashes]:
    return {
        pk: dedup.shingle_set(text)
        for part in _parts(sorted(pks), COMPARED // 20)
        for pk, text in read(dataset.records.present(), part)
    }


def _parts(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part


# --- writing -------------------------------------------------------------------------------------


def _write_pairs(claim: Claim[Check], pairs: dict[Pair, float]) -> None:
    """Make the dataset's pairs these: gone ones go, new ones come, the others stay as they are."""
    rows = claim.job.dataset.near_duplicates
    there: dict[Pair, tuple[int, float]] = {
        (first, second): (pk, alike)
        for pk, first, second, alike in rows.values_list("pk", "first_id", "second_id", "similarity").iterator()
    }
    gone = [pk for pair, (pk, alike) in there.items() if pairs.get(pair) != alike]
    for part in _parts(gone, WRITTEN):
        with claim.writing():
            rows.filter(pk__in=part).delete()
    new = [(pair, alike) for pair, alike in pairs.items() if pair not in there or there[pair][1] != alike]
    for part in _parts(new, WRITTEN):
        claim.obey()
        with claim.writing():
            _add(claim.job.dataset_id, part)
    refresh_crossings(claim)


def _add(dataset_id: int, pairs: list[tuple[Pair, float]]) -> None:
    """A record may have gone for good since it was read; its pairs go with it."""
    pks = {pk for pair, _ in pairs for pk in pair}
    there = set(Record.objects.filter(pk__in=pks).values_list("pk", flat=True))
    NearDuplicate.objects.bulk_create(
        [
            NearDuplicate(dataset_id=dataset_id, first_id=a, second_id=b, similarity=alike)
            for (a, b), alike in pairs
            if a in there and b in there
        ],
        ignore_conflicts=True,
    )


def refresh_crossings(claim: Claim[Check]) -> None:
    """Mark the pairs whose records stand in different splits now; splits may have been assigned anew."""
    rows = claim.job.dataset.near_duplicates
    for crosses in (True, False):
        wrong = rows.filter(crosses=not crosses)
        wrong = crossing(wrong) if crosses else wrong.filter(first__split=F("second__split"))
        pks = list(wrong.values_list("pk", flat=True))
        for part in _parts(pks, WRITTEN):
            with claim.writing():
                rows.filter(pk__in=part).update(crosses=crosses)


def crossing(rows: Any) -> Any:
    """Of pairs those whose present records stand in different splits."""
    return rows.exclude(first__split=F("second__split")).filter(first__deleted_at=None, second__deleted_at=None)


def _write_clusters(claim: Claim[Check], clusters: dict[int, int]) -> None:
    records = claim.job.dataset.records
    there = dict(records.filter(cluster__isnull=False).values_list("pk", "cluster").iterator())
    changed = [(clusters.get(pk), pk) for pk in there.keys() | clusters.keys() if there.get(pk) != clusters.get(pk)]
    for part in _parts(sorted(changed, key=lambda row: row[1]), WRITTEN):
        claim.obey()
        with claim.writing(), connection.cursor() as cursor:
            cursor.executemany("UPDATE curation_record SET cluster = %s WHERE id = %s", part)
