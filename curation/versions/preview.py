"""What a version would contain, before it is frozen, and what to know about it: on the page, by REST and by command."""

from dataclasses import dataclass
from typing import Any

from curation.models import Dataset
from curation.quality import duplicates
from curation.records.splits import SPLITS
from curation.search import selection
from curation.versions import plan as plans
from curation.versions.grouping import COLUMN, NONE, Grouping

NAMED = 5  # labels in a sentence


@dataclass(frozen=True)
class Preview:
    """The splits that a version would have, its groups, its labels by split, and warnings as sentences."""

    counts: dict[str, int]
    groups: int
    largest_group: int
    labels: dict[str, dict[str, int]]
    warnings: list[str]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total, "counts": self.counts, "groups": self.groups, "largest_group": self.largest_group,
            "labels": self.labels, "warnings": self.warnings,
        }  # fmt: skip


def of(dataset: Dataset, filters: dict[str, Any], shares: dict[str, float], seed: int, grouping: Grouping) -> Preview:
    """Return what would be frozen now."""
    chosen = selection.numbers(selection.select(dataset, filters))
    plan = plans.make(dataset, chosen, shares, seed, grouping, with_labels=True)
    said = warnings(dataset, plan, plan.labels, shares, grouping)
    return Preview(plan.counts(), plan.groups, plan.largest, plan.labels, said)


def warnings(
    dataset: Dataset,
    plan: plans.SplitPlan,
    labels: dict[str, dict[str, int]],
    shares: dict[str, float],
    grouping: Grouping,
) -> list[str]:
    """Return what is worth knowing about a plan, as sentences."""
    if not len(plan.pks):
        return []
    said = [_column(plan, grouping), _dominated(plan, grouping), _empty(plan, shares), _rare(labels, shares, grouping)]
    if grouping.keep_together and duplicates.last(dataset) is None:
        said.append(
            "This dataset was never checked for near-duplicates, so only records with the same content are kept together."
        )
    return [sentence for sentence in said if sentence]


def _column(plan: plans.SplitPlan, grouping: Grouping) -> str:
    if grouping.group_by != COLUMN or not plan.without_column:
        return ""
    name, count, total = grouping.group_column, plan.without_column, len(plan.pks)
    if count == total:
        return f"No record has the metadata column “{name}”, so all records are grouped by their source."
    return f"{count:,} of {total:,} records have no “{name}” in their metadata and are grouped by their source."


def _dominated(plan: plans.SplitPlan, grouping: Grouping) -> str:
    total = len(plan.pks)
    if total < 2 or 2 * plan.largest <= total:
        return ""
    begin = f"One group holds {plan.largest:,} of {total:,} records, and a group is never divided between splits."
    if grouping.keep_together:
        return f"{begin} Near-duplicates were joined into it: check for near-duplicates again with a higher threshold, or freeze without keeping them together."
    if grouping.group_by == NONE:
        return f"{begin} These records have the same content: remove the copies."
    return f"{begin} Group by a metadata column whose values tell the records apart, or choose no grouping."


def _empty(plan: plans.SplitPlan, shares: dict[str, float]) -> str:
    counts = plan.counts()
    empty = [split for split in SPLITS if shares.get(split, 0.0) > 0 and not counts[split]]
    if not empty:
        return ""
    names = " and ".join(empty)
    line = f"The {names} split{'s' if len(empty) > 1 else ''} would be empty: there {'is' if plan.groups == 1 else 'are'} {plan.groups:,} group{'' if plan.groups == 1 else 's'}."
    return f"{line} Without a train split the freeze fails." if "train" in empty else line


def _rare(labels: dict[str, dict[str, int]], shares: dict[str, float], grouping: Grouping) -> str:
    missing = [(label, sum(counts.values())) for label, counts in labels.items() if not counts["test"]]
    if not missing or shares.get("test", 0.0) <= 0:
        return ""
    named = ", ".join(f"“{label}” ({count:,})" for label, count in missing[:NAMED])
    more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
    begin = (
        f"No record of {len(missing):,} label{'' if len(missing) == 1 else 's'} is in the test split: {named}{more}."
    )
    if grouping.stratify:
        return f"{begin} All records of such a label are in too few groups to be divided."
    return f"{begin} Stratify by label to give each split its share."
