"""Groups of near-duplicates: listing them, and keeping one record of each."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min

from curation.diffs import word_diff
from curation.models import Dataset, Record
from curation.records import derived

MEMBERS = 20  # shown side by side
PAGE = 30
AT_ONCE = 1000  # records that one choice by hand may hold


@dataclass(frozen=True)
class ClusterMember:
    """A record of a group, as it differs from the first."""

    record: Record
    text: str
    diff: list[tuple[str, str]]


def page(dataset: Dataset, after: int = 0) -> list[dict[str, Any]]:
    """Return groups of two and more present records, by id: `cluster`, `size`, `splits`, `preview` of the first."""
    records = dataset.records.present().filter(cluster__gt=after)
    rows = list(
        records.values("cluster")
        .annotate(size=Count("pk"), splits=Count("split", distinct=True), words=Max("words"), first=Min("pk"))
        .filter(size__gt=1)
        .order_by("cluster")[:PAGE]
    )
    previews = dict(Record.objects.filter(pk__in=[row["first"] for row in rows]).values_list("pk", "preview"))
    return [row | {"preview": previews.get(row["first"], "")} for row in rows]


def members(dataset: Dataset, cluster: int) -> list[ClusterMember]:
    """Return the first members of a group, each with its difference from the very first."""
    rows = list(dataset.records.present().filter(cluster=cluster).order_by("pk")[:MEMBERS])
    texts = [derived.compared_text(row) for row in rows]
    return [ClusterMember(row, text, word_diff(texts[0], text)) for row, text in zip(rows, texts, strict=True)]


def others(dataset: Dataset, cluster: int, keeper: int) -> list[int]:
    """Return the ids of a group without the one that is kept; empty if that is not in the group.

    As many as one choice by hand may hold.
    """
    rows = dataset.records.present().filter(cluster=cluster)
    if not rows.filter(pk=keeper).exists():
        return []
    return list(rows.exclude(pk=keeper).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
