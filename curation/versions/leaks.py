"""Leakage between splits: near-duplicates in different splits, so that what is tested was trained on."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
from django.db.models import Count

from atelier.jobs.claims import Claim, JobFailed
from curation.models import Dataset, NearDuplicate, Record, Version
from curation.quality import duplicates
from curation.records import splits
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import group_leaks
from curation.versions.figures import COPIES

BATCH = 10_000  # pairs read at once
READ = 500  # records
HASHES = 2000  # contents looked at once
PAGE = 50
WAY_OUT = (
    "Import both again with the same value in the Group column, delete one of each, or allow leaks to freeze anyway."
)


@dataclass(frozen=True)
class Leak:
    """A leak: two records, the splits they would be in, and their similarity (0 to 1). `pk` is the pair's."""

    pk: int
    first: int
    second: int
    sides: tuple[str, str]
    similarity: float


def pairs(
    dataset: Dataset, chosen: "array[int]", shares: dict[str, float], seed: int, after: int = 0
) -> Iterator[Leak]:
    """Yield the pairs that cross splits, by their ids, from the one after `after`.

    Both records must be among the chosen, which are ids in ascending order. The splits are those of these shares and
    this seed, which need not be the dataset's own.
    """
    for page in pages(dataset, chosen, shares, seed, after):
        yield from page


def pages(
    dataset: Dataset, chosen: "array[int]", shares: dict[str, float], seed: int, after: int = 0
) -> Iterator[list[Leak]]:
    """Yield the pairs that cross splits, a list for each page of pairs that was read: mostly empty if few cross."""
    sides = _Sides(chosen, shares, seed)
    rows = NearDuplicate.objects.filter(dataset=dataset).order_by("pk")
    # By id alone, and membership in memory: for `first IN (…) AND second IN (…)` SQLite tries every chosen record
    # beside every other one, for each page again.
    while batch := list(rows.filter(pk__gt=after).values_list("pk", "first_id", "second_id", "similarity")[:BATCH]):
        yield sides.parted(batch)
        after = batch[-1][0]


class _Sides:
    """The split of each chosen record, looked up when it is first in a pair. Nine bytes a record stay in memory."""

    UNKNOWN = -1

    def __init__(self, chosen: "array[int]", shares: dict[str, float], seed: int) -> None:
        self.pks = np.frombuffer(chosen, dtype=np.int64) if chosen else np.empty(0, dtype=np.int64)
        self.sides = np.full(len(self.pks), self.UNKNOWN, dtype=np.int8)
        self.shares, self.seed = shares, seed

    def parted(self, batch: list[tuple[int, int, int, float]]) -> list[Leak]:
        """Return, of these pairs (id, first, second, similarity), those of two chosen records in different splits."""
        if not len(self.pks):
            return []
        ids = np.array([row[1:3] for row in batch], dtype=np.int64)
        places = np.minimum(np.searchsorted(self.pks, ids), len(self.pks) - 1)
        chosen = (self.pks[places] == ids).all(axis=1)
        self._read(np.unique(places[chosen]))
        sides = self.sides[places]
        leaks = []
        for at in np.flatnonzero(chosen & (sides[:, 0] != sides[:, 1])).tolist():
            first, second = sides[at].tolist()
            leaks.append(Leak(*batch[at][:3], (SPLITS[first], SPLITS[second]), batch[at][3]))
        return leaks

    def _read(self, places: Any) -> None:
        """Look up the groups of the records at these places, if that was not done before."""
        new = places[self.sides[places] == self.UNKNOWN]
        for start in range(0, len(new), READ):
            part = new[start : start + READ]
            pks = self.pks[part].tolist()
            groups = dict(Record.objects.filter(pk__in=pks).values_list("pk", "source_group"))
            # One that was deleted since it was chosen has no pair any more, so its side does not matter.
            self.sides[part] = [SPLITS.index(splits.assign(self.seed, groups.get(pk, ""), self.shares)) for pk in pks]


def of(version: Version, after: int = 0) -> Iterator[Leak]:
    """Yield the near-duplicate pairs that cross splits among the records that a version takes now."""
    chosen = selection.numbers(selection.select(version.dataset, version.filters))
    return pairs(version.dataset, chosen, version.shares, version.seed, after)


def copies(version: Version, after: str = "") -> Iterator[tuple[str, Leak]]:
    """Yield (content hash, pair) for identical records that cross splits in what a version takes now.

    Sorted by the content's hash, from the one after `after`; of one content so many pairs as a page holds.
    """
    chosen = selection.select(version.dataset, version.filters).order_by()
    several = chosen.values("content_hash").annotate(times=Count("pk")).filter(times__gt=1).order_by("content_hash")
    while hashes := list(several.filter(content_hash__gt=after).values_list("content_hash", flat=True)[:HASHES]):
        rows = chosen.filter(content_hash__in=hashes).order_by("content_hash", "pk")
        names = rows.values_list("content_hash", "pk", "source_group")
        for content, same in groupby(names.iterator(chunk_size=HASHES), key=itemgetter(0)):
            for leak in islice(_apart(version, same), PAGE):
                yield content, leak
        after = hashes[-1]


def page_of_copies(version: Version, after: str = "", limit: int = PAGE) -> tuple[list[tuple[str, Leak]], str]:
    """Return so many of `copies`, and where the next begin (nothing at the end). All pairs of one content are on one page."""
    page = list(islice(copies(version, after), limit + PAGE))
    if len(page) <= limit:
        return page, ""
    last = page[limit - 1][0]
    shown = [pair for pair in page if pair[0] <= last]
    return shown, last if len(page) > len(shown) else ""


def _apart(version: Version, same: Iterable[tuple[str, int, str]]) -> Iterator[Leak]:
    """Yield the first record of one content with each that is in another split."""
    sided = ((pk, splits.assign(version.seed, group, version.shares)) for _, pk, group in same)
    first, side = next(sided)
    for pk, other in sided:
        if other != side:
            yield Leak(pk, first, pk, (side, other), 1.0)


def previews(shown: list[Leak]) -> dict[int, str]:
    """Return the first words of both records of each pair, by their ids."""
    pks = {pk for leak in shown for pk in (leak.first, leak.second)}
    return dict(Record.objects.filter(pk__in=pks).values_list("pk", "preview"))


def refuse(claim: Claim[Version], chosen: "array[int]") -> None:
    """Raise JobFailed with how many pairs cross splits, unless leaks are allowed. What was found is stored in the figures.

    A request to cancel is obeyed between pages, because a dataset made from a template has a hundred pairs a record.
    """
    version = claim.job
    count, first, parting = _count(claim, chosen)
    if group_leaks.add_pairs(claim, chosen, parting):
        count, first, _ = _count(claim, chosen)
    claim.update(figures={"leaks": count, "leaks_at_least": bool(count) and duplicates.bounded(version.dataset) > 0})
    if first is None or version.allow_leaks:
        return
    raise JobFailed(
        f"{so_many(version)} of near-duplicates would be in different splits, such as "
        f"records {first.first} and {first.second} ({first.similarity:.0%} alike, {first.sides[0]} and {first.sides[1]}), so test data would leak into training. {WAY_OUT}"
    )


def _count(claim: Claim[Version], chosen: "array[int]") -> tuple[int, Leak | None, set[int]]:
    """Return how many stored pairs cross splits, the first of them, and the records in them."""
    version = claim.job
    seen, count, first, parting = 0, 0, None, set[int]()
    for page in pages(version.dataset, chosen, version.shares, version.seed):
        seen += BATCH
        claim.progress(line=f"Checking for near-duplicates in different splits: {seen:,} pairs compared")
        count, first = count + len(page), first or next(iter(page), None)
        parting.update(pk for leak in page for pk in (leak.first, leak.second))
    return count, first, parting


def so_many(version: Version) -> str:
    """Return how many pairs cross splits, from the version's figures.

    It is "3 pairs", or "at least 3 pairs" if not all pairs are stored.
    """
    count = version.figures["leaks"]
    words = f"{count:,} pair{'' if count == 1 else 's'}"
    return f"At least {words}" if version.figures.get("leaks_at_least") else words


def refuse_copies(claim: Claim[Version], problems: list[dict[str, Any]]) -> None:
    """Raise JobFailed when identical content is in two splits, unless leaks are allowed."""
    version = claim.job
    group = next((group for group in problems if group["code"] == COPIES), None)
    if group is None or version.allow_leaks:
        return
    count, named = group["count"], ", ".join(map(str, group["records"][:5]))
    claim.update(figures=version.figures | {"copies": count})
    words = "record is" if count == 1 else "records are"
    raise JobFailed(
        f"{count:,} {words} also in another split with the same content, such as {named}, so test data would leak into training. {WAY_OUT}"
    )


def found(version: Version) -> dict[str, Any]:
    """Return for the figures how many pairs cross splits, and whether the dataset was ever checked for near-duplicates."""
    kept = {name: version.figures[name] for name in ("leaks", "leaks_at_least") if name in version.figures}
    return {"leaks": 0} | kept | {"looked_for_duplicates": duplicates.last(version.dataset) is not None}


def allow(version: Version) -> bool:
    """Freeze a version anyway that was refused for leaks; the caller wakes a worker. False when it was not refused for them."""
    refused = Version.objects.filter(pk=version.pk, status=Version.Status.FAILED, allow_leaks=False)
    if not refused.update(allow_leaks=True):
        return False
    return version.enqueue()
