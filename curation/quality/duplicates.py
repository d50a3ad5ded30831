"""The near-duplicate job of a dataset: found over all records, stored as pairs, clusters and pairs that cross the splits.

Finding them is a pass over everything that keeps half a kilobyte a record in memory. Only the writing is a ledger: it
makes the table equal to what was found, so after a kill it is done again and ends the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from django.db.models import F

from atelier.jobs.claims import Claim
from atelier.jobs.pace import taking_turns
from curation.checks.record import Content
from curation.models import Check, Dataset, NearDuplicate, Record
from curation.models.records import RecordQuerySet
from curation.quality import frames, minhash, shingles
from curation.records import derived, store
from curation.records.batches import fitting

READ = 500
MOST_WORDS = 500_000
COMPARED = 2000  # pairs whose texts are in memory at once
SHINGLES = 10_000_000  # of eight bytes, kept between two such chunks: what resembles hundreds of others is read once
JUDGED = 200  # pairs whose texts, and whose neighbours' texts, are in memory at once
WORDS = 1_000_000  # words and pairs of words of about a hundred bytes, kept between two such chunks
WRITTEN = 400
WITNESS = 0.6  # of the threshold: a text that is so similar tells what is frame and what is fact
Pair = tuple[int, int]
Sides = dict[int, str]
Form = TypeVar("Form", bound=Sized)


class ComparedContent(NamedTuple):
    """The part of a record that `derived.compared_text` reads: model instances would take as long as the sketches."""

    fields: dict[str, Any]
    messages: list[Any]
    chosen: list[Any]
    rejected: list[Any]
    tools: list[Any] = []  # never said


class Compared(NamedTuple):
    """What comparing gave."""

    pairs: dict[Pair, float]  # in the order of their ids, with their similarity
    bounded: set[int]  # records of which some pairs were left out
    frames: int  # pairs that were as similar, but only share a frame


def run(claim: Claim[Check]) -> None:
    """Find near-duplicates and write them. Raises what a claim raises."""
    job = claim.job
    threshold = threshold_of(job)
    sketches = _sketch(claim)
    claim.progress(line="Comparing similar records")
    exact = sketches.exact()
    pairs = {(group[0], other): 1.0 for group in exact for other in group[1:]}
    compared = compare(claim, sketches, threshold, pairs)
    pairs |= compared.pairs
    claim.progress(line="Saving the results")
    clusters = minhash.clusters(pairs)
    _write_pairs(claim, pairs)
    _write_clusters(claim, clusters)
    crossing = job.dataset.near_duplicates.filter(crosses=True).count()
    figures = {
        "records": len(sketches), "pairs": len(pairs), "exact": sum(len(group) - 1 for group in exact),
        "clusters": len(set(clusters.values())), "in_clusters": len(clusters), "crossing": crossing,
        "bounded": len(compared.bounded & clusters.keys()), "frames": compared.frames, "threshold": threshold,
    }  # fmt: skip
    claim.update(found=figures)
    claim.progress(total=job.done, line=outcome(figures))


def outcome(figures: dict[str, Any]) -> str:
    """Return what a check found, as a sentence."""
    if not figures["pairs"]:
        return f"No near-duplicates among {figures['records']:,} records. {_framed(figures)}".rstrip()
    line = f"{figures['in_clusters']:,} of {figures['records']:,} records have a near-duplicate, in {figures['clusters']:,} groups"
    line = f"{line}; {figures['crossing']:,} pairs are in different splits." if figures["crossing"] else f"{line}."
    return " ".join(filter(None, [line, _framed(figures), _left_out(int(figures.get("bounded", 0)))]))


def _framed(figures: dict[str, Any]) -> str:
    count = figures.get("frames", 0)
    if not count:
        return ""
    pairs, share, differ = ("pair", "shares", "differs") if count == 1 else ("pairs", "share", "differ")
    return f"{count:,} similar {pairs} only {share} a frame and {differ} in facts."


def last(dataset: Dataset) -> Check | None:
    """Return the last check for near-duplicates that ended well: what is stored is what it found."""
    checks = Check.objects.filter(dataset=dataset, part=Check.Part.DUPLICATES, status=Check.Status.DONE)
    return checks.order_by("-pk").first()


def threshold_of(job: Check) -> float:
    """Return the similarity from which two records are near-duplicates for this check."""
    return float(job.options.get("threshold") or minhash.THRESHOLD)


def threshold(dataset: Dataset) -> float | None:
    """Return the similarity from which the stored pairs are near-duplicates; None if nobody looked for them."""
    looked = last(dataset)
    return threshold_of(looked) if looked else None


def bounded(dataset: Dataset) -> int:
    """Count the records of which only the nearest pairs are kept."""
    looked = last(dataset)
    return int(looked.found.get("bounded", 0)) if looked else 0


def left_out(dataset: Dataset) -> str:
    """Describe what lists of pairs leave out, for people; empty if they are complete."""
    return _left_out(bounded(dataset))


def _left_out(count: int) -> str:
    if not count:
        return ""
    records, have = ("record", "resembles") if count == 1 else ("records", "resemble")
    return f"{count:,} {records} {have} so many others that only the {minhash.NEAREST} or so closest of each are stored as pairs."


def _sketch(claim: Claim[Check]) -> minhash.Sketches:
    records = claim.job.dataset.records.present()
    sketches, done = minhash.Sketches(), 0
    claim.progress(done=0, total=records.count(), line="Reading the records")
    for batch in texts(records):
        sketches.add([pk for pk, _ in batch], [text for _, text in batch])
        done += len(batch)
        claim.progress(done=done)
    claim.update(done=done, total=done)
    return sketches


def texts(
    records: RecordQuerySet, text: Callable[[Content], str] = derived.distinguishing_text
) -> Iterator[list[tuple[int, str]]]:
    """Yield (id, text to compare) of all, in the order of ids: pages by key, so no transaction stays open."""
    after = 0
    while pks := fitting(records.filter(pk__gt=after).order_by("pk").values_list("pk", "words")[:READ], MOST_WORDS):
        yield read(records, pks, text)
        after = pks[-1]


def read(
    records: RecordQuerySet, pks: list[int], text: Callable[[Content], str] = derived.distinguishing_text
) -> list[tuple[int, str]]:
    rows = records.filter(pk__in=pks).order_by("pk").values_list("pk", "fields", "messages", "chosen", "rejected")
    return [(pk, text(ComparedContent(*columns))) for pk, *columns in rows]


def compare(
    claim: Claim[Any],
    sketches: minhash.Sketches,
    threshold: float,
    exact: Iterable[Pair] = (),
    sides: Sides | None = None,
) -> Compared:
    """Read the texts of candidates again and keep the pairs that reach the threshold and do not just share a frame.

    `exact` are pairs that are known, each with the first of its group; `sides` are those of records, when only pairs of
    two sides count.
    """
    same = {other: first for first, other in exact}
    nearest, neighbours = minhash.NearestPairs(), frames.Neighbours(same)
    similar: dict[Pair, float] = {}
    longer: set[Pair] = set()  # of which one at least is no short text
    for first, other in exact:
        nearest.join(first, other)
    candidates = (
        (a, b)
        for a, b in sketches.candidates(threshold, claim.obey)
        if same.get(a, a) != same.get(b, b) and (sides is None or sides[a] != sides[b]) and nearest.wants(a, b)
    )
    sets = _Texts(claim.job.dataset, shingles.Shingled.of, SHINGLES)
    while chunk := list(islice(candidates, COMPARED)):
        claim.obey()
        sets.fetch({pk for pair in chunk for pk in pair})
        for a, b in chunk:
            alike = shingles.similarity(sets[a], sets[b]) if a in sets and b in sets else 0.0
            if alike >= WITNESS * threshold:
                neighbours.add(a, b)
            # Asked again, for the chunk itself may have given both enough: so its size makes no difference.
            if alike >= threshold and nearest.wants(a, b):
                nearest.keep(a, b)
                similar[a, b] = alike
                if sets[a].short is None or sets[b].short is None:
                    longer.add((a, b))
    # Two long texts that nothing else is like are not read again: no witness tells frame from fact.
    doubtful = [pair for pair in similar if pair not in longer or neighbours.have_witness(*pair)]
    apart = _differ_in_facts(claim, doubtful, neighbours)
    kept = {pair: alike for pair, alike in sorted(similar.items()) if pair not in apart}
    return Compared(kept, nearest.bounded | sketches.crowded, len(apart))


def _differ_in_facts(claim: Claim[Any], similar: Iterable[Pair], neighbours: frames.Neighbours) -> set[Pair]:
    """Return the pairs that share a frame and differ in facts."""
    apart: set[Pair] = set()
    texts = _Texts(claim.job.dataset, lambda text: frames.WordedText.of(shingles.words(text)), WORDS)
    judge = frames.Judge(texts, neighbours)
    # In the order of ids, in which neighbours are near each other too, so most of them are read once.
    for chunk in parts(sorted(similar), JUDGED):
        claim.obey()
        wanted = {pk for pair in chunk for pk in pair}
        if texts.fetch(wanted | {other for pk in wanted for other in neighbours.of(pk)}):
            judge = frames.Judge(texts, neighbours)
        apart |= {pair for pair in chunk if judge.differ_in_facts(*pair)}
    return apart


class _Texts(dict[int, Form]):
    """Texts by record in a form to compare them in, read when they are first needed and kept while there is room."""

    def __init__(self, dataset: Dataset, form: Callable[[str], Form], room: int) -> None:
        self._records = dataset.records.present()
        self._form = form
        self._room = room
        self._size = 0

    def fetch(self, pks: set[int]) -> bool:
        """Read what is not there. Returns whether all the others were dropped before, for want of room."""
        is_full = self._size > self._room
        if is_full:
            self._size = 0
            self.clear()
        for part in parts(sorted(pks - self.keys()), COMPARED // 20):
            for pk, text in read(self._records, part):
                self[pk] = self._form(text)
                self._size += len(self[pk])
        return is_full


def parts(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part


# --- writing -------------------------------------------------------------------------------------


def _write_pairs(claim: Claim[Check], pairs: dict[Pair, float]) -> None:
    """Replace the dataset's pairs by these: obsolete ones are deleted, new ones added, the others stay as they are."""
    rows = claim.job.dataset.near_duplicates
    there: dict[Pair, tuple[int, float]] = {
        (first, second): (pk, alike)
        for pk, first, second, alike in rows.values_list("pk", "first_id", "second_id", "similarity").iterator()
    }
    gone = [pk for pair, (pk, alike) in there.items() if pairs.get(pair) != alike]
    for part in parts(gone, WRITTEN):
        claim.obey()
        with taking_turns(claim):
            rows.filter(pk__in=part).delete()
    new = [(pair, alike) for pair, alike in pairs.items() if pair not in there or there[pair][1] != alike]
    for part in parts(new, WRITTEN):
        claim.obey()
        with taking_turns(claim):
            add(claim.job.dataset_id, part)
    refresh_crossings(claim)


def add(dataset_id: int, pairs: list[tuple[Pair, float]]) -> None:
    """Add pairs. A record may have been deleted since it was read; its pairs are then left out."""
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
    """Mark the pairs whose records are in different splits now, as splits may have been reassigned."""
    rows = claim.job.dataset.near_duplicates
    for crosses in (True, False):
        wrong = rows.filter(crosses=not crosses)
        wrong = crossing(wrong) if crosses else wrong.filter(first__split=F("second__split"))
        pks = list(wrong.values_list("pk", flat=True))
        for part in parts(pks, WRITTEN):
            claim.obey()
            with taking_turns(claim):
                rows.filter(pk__in=part).update(crosses=crosses)


def crossing(rows: Any) -> Any:
    """Return the pairs whose present records are in different splits."""
    return rows.exclude(first__split=F("second__split")).filter(first__deleted_at=None, second__deleted_at=None)


def _write_clusters(claim: Claim[Check], clusters: dict[int, int]) -> None:
    records = claim.job.dataset.records
    there = dict(records.filter(cluster__isnull=False).values_list("pk", "cluster").iterator())
    changed = [(clusters.get(pk), pk) for pk in there.keys() | clusters.keys() if there.get(pk) != clusters.get(pk)]
    for part in parts(sorted(changed, key=lambda row: row[1]), WRITTEN):
        claim.obey()
        with taking_turns(claim):
            store.update(["cluster"], part)
