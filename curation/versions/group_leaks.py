"""Leaks in groups of near-duplicates that cross splits although none of their stored pairs does.

Of records that resemble each other by the dozen not all pairs are stored, and a version may leave out the ones that
connect a group. So the records of a group that are in different splits are compared once more, among themselves.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from atelier.jobs.claims import Claim
from atelier.jobs.pace import taking_turns
from curation.models import Version
from curation.quality import duplicates, minhash
from curation.versions.plan import SplitPlan

READ = 500  # records
Member = tuple[int, int]  # group, record


def add_pairs(claim: Claim[Version], plan: SplitPlan, parting: Collection[int]) -> int:
    """Find and store pairs that cross splits, in groups of the chosen without a known one. Returns how many.

    `parting` are the records of the pairs that are known to cross. Raises what a claim raises.
    """
    version = claim.job
    sides: dict[int, str] = {}
    for group in _groups(claim, plan):
        parted = dict(zip(group, plan.of(group), strict=True))
        if len(set(parted.values())) > 1 and not any(pk in parting for pk in parted):
            sides |= parted
    if not sides:
        return 0
    claim.progress(line=f"Comparing {len(sides):,} records of groups in different splits")
    looked = duplicates.last(version.dataset)
    threshold = duplicates.threshold_of(looked) if looked else minhash.THRESHOLD
    similar = duplicates.compare(claim, _sketches(claim, list(sides)), threshold, sides=sides).pairs
    for part in duplicates.parts(similar.items(), duplicates.WRITTEN):
        with taking_turns(claim):
            duplicates.add(version.dataset_id, part)
    return len(similar)


def _groups(claim: Claim[Version], plan: SplitPlan) -> Iterator[list[int]]:
    """Yield the chosen records of each group of near-duplicates."""
    for _, group in groupby(_members(claim), key=itemgetter(0)):
        yield plan.chosen(pk for _, pk in group)


def _members(claim: Claim[Version]) -> Iterator[Member]:
    """Yield everything that has a near-duplicate, group by group: pages by key, so no transaction stays open."""
    rows = claim.job.dataset.records.present().filter(cluster__isnull=False).order_by("cluster", "pk")
    page = list(_columns(rows))
    while page:
        claim.obey()
        yield from page
        group, last = page[-1]
        page = list(_columns(rows.filter(cluster=group, pk__gt=last)))
        page = page or list(_columns(rows.filter(cluster__gt=group)))


def _columns(rows: Any) -> Any:
    return rows.values_list("cluster", "pk")[:READ]


def _sketches(claim: Claim[Version], pks: list[int]) -> minhash.Sketches:
    sketches = minhash.Sketches()
    for part in duplicates.parts(sorted(pks), READ):
        claim.obey()
        rows = duplicates.read(claim.job.dataset.records.present(), part)
        sketches.add([pk for pk, _ in rows], [text for _, text in rows])
    return sketches
