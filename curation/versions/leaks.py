"""Leakage between splits: near-duplicates in different splits, so that what is tested was trained on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import numpy as np
from django.db.models import Count

from atelier.jobs.claims import Claim, JobFailed
from curation.models import Dataset, NearDuplicate, Record, Version
from curation.quality import duplicates
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import group_leaks
from curation.versions import plan as plans
from curation.versions.figures import COPIES
from curation.versions.grouping import Grouping
from curation.versions.plan import SplitPlan

BATCH = 10_000  # pairs read at once
HASHES = 2000  # contents looked at once
PAGE = 50
WAY_OUT = (
    "Keep near-duplicates together (keep_together, --keep-together) so that each group stays in one split, delete one of "
    "each, or allow leaks to freeze anyway."
)


@dataclass(frozen=True)
class Leak:
    """A leak: two records, the splits they would be in, and their similarity (0 to 1). `pk` is the pair's."""

    pk: int
    first: int
    second: int
    sides: tuple[str, str]
    similarity: float


def pairs(dataset: Dataset, plan: SplitPlan, after: int = 0) -> Iterator[Leak]:
    """Yield the pairs that cross splits by a plan, by their ids, from the one after `after`. Both records are in the plan."""
    for page in pages(dataset, plan, after):
        yield from page


def pages(dataset: Dataset, plan: SplitPlan, after: int = 0) -> Iterator[list[Leak]]:
    """Yield the pairs that cross splits, a list for each page of pairs that was read: mostly empty if few cross."""
    rows = NearDuplicate.objects.filter(dataset=dataset).order_by("pk")
    # By id alone, and membership in memory: for `first IN (…) AND second IN (…)` SQLite tries every chosen record
    # beside every other one, for each page again.
    while batch := list(rows.filter(pk__gt=after).values_list("pk", "first_id", "second_id", "similarity")[:BATCH]):
        yield _parted(plan, batch)
        after = batch[-1][0]


def _parted(plan: SplitPlan, batch: list[tuple[int, int, int, float]]) -> list[Leak]:
    """Return, of these pairs (id, first, second, similarity), those of two chosen records in different splits."""
    if not len(plan.pks):
        return []
    ids = np.array([row[1:3] for row in batch], dtype=np.int64)
    places = np.minimum(np.searchsorted(plan.pks, ids), len(plan.pks) - 1)
    chosen = (plan.pks[places] == ids).all(axis=1)
    sides = plan.sides[places]
    leaks = []
    for at in np.flatnonzero(chosen & (sides[:, 0] != sides[:, 1])).tolist():
        first, second = sides[at].tolist()
        leaks.append(Leak(*batch[at][:3], (SPLITS[first], SPLITS[second]), batch[at][3]))
    return leaks


def plan_of(version: Version) -> SplitPlan:
    """Return the plan of the records that a version takes now."""
    chosen = selection.numbers(selection.select(version.dataset, version.filters))
    return plans.make(version.dataset, chosen, version.shares, version.seed, Grouping.of(version.grouping))


def of(version: Version, after: int = 0, plan: SplitPlan | None = None) -> Iterator[Leak]:
    """Yield the near-duplicate pairs that cross splits among the records that a version takes now, by its plan."""
    return pairs(version.dataset, plan or plan_of(version), after)


def copies(version: Version, after: str = "", plan: SplitPlan | None = None) -> Iterator[tuple[str, Leak]]:
    """Yield (content hash, pair) for identical records that cross splits in what a version takes now, by its plan.

    Sorted by the content's hash, from the one after `after`; of one content so many pairs as a page holds.
    """
    chosen = selection.select(version.dataset, version.filters).order_by()
    several = chosen.values("content_hash").annotate(times=Count("pk")).filter(times__gt=1).order_by("content_hash")
    plan = plan or plan_of(version)
    while hashes := list(several.filter(content_hash__gt=after).values_list("content_hash", flat=True)[:HASHES]):
        rows = chosen.filter(content_hash__in=hashes).order_by("content_hash", "pk")
        names = rows.values_list("content_hash", "pk")
        for content, same in groupby(names.iterator(chunk_size=HASHES), key=itemgetter(0)):
            for leak in islice(_apart(plan, same), PAGE):
                yield content, leak
        after = hashes[-1]


def page_of_copies(
    version: Version, after: str = "", limit: int = PAGE, plan: SplitPlan | None = None
) -> tuple[list[tuple[str, Leak]], str]:
    """Return so many of `copies`, and where the next begin (nothing at the end). All pairs of one content are on one page."""
    page = list(islice(copies(version, after, plan), limit + PAGE))
    if len(page) <= limit:
        return page, ""
    last = page[limit - 1][0]
    shown = [pair for pair in page if pair[0] <= last]
    return shown, last if len(page) > len(shown) else ""


def _apart(plan: SplitPlan, same: Iterable[tuple[str, int]]) -> Iterator[Leak]:
    """Yield the first record of one content with each that is in another split."""
    pks = plan.chosen(pk for _, pk in same)  # one that was accepted a moment ago is not
    sides = plan.of(pks)
    for pk, side in zip(pks[1:], sides[1:], strict=True):
        if side != sides[0]:
            yield Leak(pk, pks[0], pk, (sides[0], side), 1.0)


def previews(shown: list[Leak]) -> dict[int, str]:
    """Return the first words of both records of each pair, by their ids."""
    pks = {pk for leak in shown for pk in (leak.first, leak.second)}
    return dict(Record.objects.filter(pk__in=pks).values_list("pk", "preview"))


def refuse(claim: Claim[Version], plan: SplitPlan) -> None:
    """Raise JobFailed with how many pairs cross splits, unless leaks are allowed. What was found is stored in the figures.

    A request to cancel is obeyed between pages, because a dataset made from a template has a hundred pairs a record.
    """
    version = claim.job
    count, first, parting = _count(claim, plan)
    if group_leaks.add_pairs(claim, plan, parting):
        count, first, _ = _count(claim, plan)
    claim.update(
        figures=_warned(version)
        | {"leaks": count, "leaks_at_least": bool(count) and duplicates.bounded(version.dataset) > 0}
    )
    if first is None or version.allow_leaks:
        return
    raise JobFailed(
        f"{so_many(version)} of near-duplicates would be in different splits, such as "
        f"records {first.first} and {first.second} ({first.similarity:.0%} alike, {first.sides[0]} and {first.sides[1]}), so test data would leak into training. {WAY_OUT}"
    )


def _warned(version: Version) -> dict[str, Any]:
    return {name: version.figures[name] for name in ("warnings",) if name in version.figures}


def _count(claim: Claim[Version], plan: SplitPlan) -> tuple[int, Leak | None, set[int]]:
    """Return how many stored pairs cross splits, the first of them, and the records in them."""
    version = claim.job
    seen, count, first, parting = 0, 0, None, set[int]()
    for page in pages(version.dataset, plan):
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


def keep_together(version: Version) -> bool:
    """Freeze a version that was refused for leaks with near-duplicates and copies in one split each; the caller wakes a worker.

    False when it was not refused, or keeps them together already.
    """
    grouping = Grouping.of(version.grouping)
    refused = Version.objects.filter(pk=version.pk, status=Version.Status.FAILED, allow_leaks=False)
    if grouping.keep_together or not was_refused(version):
        return False
    version.grouping = replace(grouping, keep_together=True).as_json()
    if not refused.update(grouping=version.grouping):
        return False
    return version.enqueue()


def was_refused(version: Version) -> bool:
    """Return whether a freeze failed because of near-duplicates or copies in different splits."""
    found = any(version.figures.get(name) for name in ("leaks", "copies"))
    return version.status == Version.Status.FAILED and found


def allow(version: Version) -> bool:
    """Freeze a version anyway that was refused for leaks; the caller wakes a worker. False when it was not refused for them."""
    refused = Version.objects.filter(pk=version.pk, status=Version.Status.FAILED, allow_leaks=False)
    if not refused.update(allow_leaks=True):
        return False
    return version.enqueue()
