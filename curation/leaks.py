"""Leakage: records that are nearly the same and stand in different splits, so that what is tested was trained on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from django.db.models import Count

from atelier.jobs.claims import Claim, JobFailed
from curation import selection, splits
from curation.freeze_figures import COPIES
from curation.models import Check, Dataset, NearDuplicate, Record, Version
from curation.models.datasets import RecordQuerySet

BATCH = 2000
PAGE = 50
WAY_OUT = "Give both one source group, or delete one of each; or freeze them all the same by allowing leaks."


@dataclass(frozen=True)
class Leak:
    """Two records, the sides they would stand on, and how alike they are (0 to 1). `pk` is the pair's."""

    pk: int
    first: int
    second: int
    sides: tuple[str, str]
    similarity: float


def pairs(
    dataset: Dataset, chosen: RecordQuerySet, shares: dict[str, float], seed: int, after: int = 0
) -> Iterator[Leak]:
    """The pairs that part, by their ids, from the one after `after`.

    Both records must be among the chosen. The sides are those of these shares and this seed, which need not be the
    dataset's own.
    """
    taken = chosen.order_by().values("pk")
    found = NearDuplicate.objects.filter(dataset=dataset, first__in=taken, second__in=taken).order_by("pk")
    names = ("pk", "first_id", "second_id", "first__source_group", "second__source_group", "similarity")
    while batch := list(found.filter(pk__gt=after).values_list(*names)[:BATCH]):
        for pk, first, second, group, other, similarity in batch:
            sides = splits.assign(seed, group, shares), splits.assign(seed, other, shares)
            if sides[0] != sides[1]:
                yield Leak(pk, first, second, sides, similarity)
        after = batch[-1][0]


def of(version: Version, after: int = 0) -> Iterator[Leak]:
    """The pairs that part in what a version takes now."""
    return pairs(
        version.dataset, selection.select(version.dataset, version.filters), version.shares, version.seed, after
    )


def copies(version: Version, after: str = "") -> Iterator[tuple[str, Leak]]:
    """(content hash, pair) for records of the very same content that part in what a version takes now.

    By the content's hash, from the one after `after`; of one content so many pairs as a page holds.
    """
    chosen = selection.select(version.dataset, version.filters).order_by()
    several = chosen.values("content_hash").annotate(times=Count("pk")).filter(times__gt=1).order_by("content_hash")
    while hashes := list(several.filter(content_hash__gt=after).values_list("content_hash", flat=True)[:BATCH]):
        rows = chosen.filter(content_hash__in=hashes).order_by("content_hash", "pk")
        names = rows.values_list("content_hash", "pk", "source_group")
        for content, same in groupby(names.iterator(chunk_size=BATCH), key=itemgetter(0)):
            for leak in islice(_apart(version, same), PAGE):
                yield content, leak
        after = hashes[-1]


def page_of_copies(version: Version, after: str = "", limit: int = PAGE) -> tuple[list[tuple[str, Leak]], str]:
    """So many of `copies`, and where the next begin (nothing at the end). All pairs of one content are on one page."""
    found = list(islice(copies(version, after), limit + PAGE))
    if len(found) <= limit:
        return found, ""
    last = found[limit - 1][0]
    shown = [pair for pair in found if pair[0] <= last]
    return shown, last if len(found) > len(shown) else ""


def _apart(version: Version, same: Iterable[tuple[str, int, str]]) -> Iterator[Leak]:
    """The first record of one content with each that stands on another side."""
    sided = ((pk, splits.assign(version.seed, group, version.shares)) for _, pk, group in same)
    first, side = next(sided)
    for pk, other in sided:
        if other != side:
            yield Leak(pk, first, pk, (side, other), 1.0)


def previews(shown: list[Leak]) -> dict[int, str]:
    """The first words of both records of each pair, by their ids."""
    pks = {pk for leak in shown for pk in (leak.first, leak.second)}
    return dict(Record.objects.filter(pk__in=pks).values_list("pk", "preview"))


def refuse(claim: Claim[Version], chosen: RecordQuerySet) -> None:
    """Raises JobFailed with how many pairs part, unless leaks are allowed. What was found is kept in the figures."""
    version = claim.job
    count, first = 0, None
    for leak in pairs(version.dataset, chosen, version.shares, version.seed):
        count, first = count + 1, first or leak
    claim.update(figures={"leaks": count})
    if first is None or version.allow_leaks:
        return
    raise JobFailed(
        f"{count:,} pair{'' if count == 1 else 's'} of nearly the same records would stand in different splits, such as "
        f"records {first.first} and {first.second} ({first.similarity:.0%} alike, {first.sides[0]} and {first.sides[1]}): "
        f"what is tested would be trained on. {WAY_OUT}"
    )


def refuse_copies(claim: Claim[Version], problems: list[dict[str, Any]]) -> None:
    """Raises JobFailed when the very same content stands in two splits, unless leaks are allowed."""
    version = claim.job
    group = next((group for group in problems if group["code"] == COPIES), None)
    if group is None or version.allow_leaks:
        return
    count, named = group["count"], ", ".join(map(str, group["records"][:5]))
    claim.update(figures=version.figures | {"copies": count})
    words = "record stands" if count == 1 else "records stand"
    raise JobFailed(
        f"{count:,} {words} with the same content in another split too, such as {named}: what is tested would be "
        f"trained on. {WAY_OUT}"
    )


def found(version: Version) -> dict[str, Any]:
    """For the figures: how many pairs part, and whether near-duplicates were ever looked for in the dataset."""
    looked = Check.objects.filter(dataset=version.dataset, part=Check.Part.DUPLICATES, status=Check.Status.DONE)
    return {"leaks": version.figures.get("leaks", 0), "looked_for_duplicates": looked.exists()}
