"""Groups of near-duplicates: which there are, and what keeping one of them means."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min

from curation import contents
from curation.diffs import word_diff
from curation.models import Dataset, Record

MEMBERS = 20  # shown side by side
PAGE = 30


@dataclass(frozen=True)
class Member:
    """One record of a group, as it differs from the first."""

    record: Record
    text: str
    diff: list[tuple[str, str]]


def page(dataset: Dataset, after: int = 0) -> list[dict[str, Any]]:
    """Groups of two and more present records: `cluster`, `size`, `splits`, `preview` of the first; in the order of ids."""
    records = dataset.records.present().filter(cluster__gt=after)
    rows = list(
        records.values("cluster")
        .annotate(size=Count("pk"), splits=Count("split", distinct=True), words=Max("words"), first=Min("pk"))
        .filter(size__gt=1)
        .order_by("cluster")[:PAGE]
    )
    previews = dict(Record.objects.filter(pk__in=[row["first"] for row in rows]).values_list("pk", "preview"))
    return [row | {"preview": previews.get(row["first"], "")} for row in rows]


def members(dataset: Dataset, cluster: int) -> list[Member]:
    """The first of a group, each beside its difference from the very first."""
    rows = list(dataset.records.present().filter(cluster=cluster).order_by("pk")[:MEMBERS])
    texts = [contents.compared_text(row) for row in rows]
    return [Member(row, text, word_diff(texts[0], text)) for row, text in zip(rows, texts, strict=True)]


def others(dataset: Dataset, cluster: int, kept: int) -> list[int]:
    """The ids of a group without the one that is kept, as many as one choice by hand may hold; empty when it is not of it."""
    rows = dataset.records.present().filter(cluster=cluster)
    if not rows.filter(pk=kept).exists():
        return []
    return list(rows.exclude(pk=kept).order_by("pk").values_list("pk", flat=True)[:1000])
