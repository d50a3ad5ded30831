"""The problems of a dataset by their codes: what they are called, how grave they are, how many, and what mending would do."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Sum

from curation.checks.mends import COLUMNS, MENDABLE, mend_record
from curation.checks.pii import KINDS
from curation.checks.records import PERSONAL
from curation.checks.texts import CHECKS
from curation.diffs import word_diff
from curation.history import readable
from curation.models import Dataset, Mark, Record, Tally

SHOWN = 5
NEAR = 160  # characters of unchanged text on each side of a change
LOOKED_AT = 50  # records, for those that mending changes
TITLES = {
    "empty-document": "Empty document",
    "no-messages": "No messages",
    "empty-content": "Empty message",
    "last-not-assistant": "Does not end with the assistant",
    "same-answers": "Chosen and rejected are the same",
    "too-long": "Longer than the student reads",
    "very-long": "Much longer than the others",
    "very-short": "Much shorter than the others",
    "call-unanswered": "Call without a result",
    "result-unmatched": "Result that answers no call",
    "arguments-json": "Arguments that are not JSON",
    **{code: each.title for code, each in CHECKS.items()},
    **{f"{PERSONAL}{kind.lower()}": f"Personal data: {word}" for kind, word in KINDS.items()},
}
WARNINGS = frozenset(
    {"very-long", "very-short", *(code for code, each in CHECKS.items() if each.severity == "warning")}
)


@dataclass(frozen=True)
class Group:
    """One kind of problem in a dataset; `example` is the sentence of one record that has it."""

    code: str
    count: int
    example: str = ""

    @property
    def title(self) -> str:
        return TITLES.get(self.code, self.code.replace("-", " ").replace("_", " ").capitalize())

    @property
    def severity(self) -> str:
        """ "error" keeps from being trained on; "warning" is worth a look."""
        return "warning" if self.code in WARNINGS or self.code.startswith(PERSONAL) else "error"

    @property
    def mendable(self) -> bool:
        return self.code in MENDABLE

    @property
    def query(self) -> str:
        """In the search language of the list."""
        return f"problem:{self.code}"


def groups(dataset: Dataset) -> list[Group]:
    """Errors first, then by how many records have it. A record with two problems is in both."""
    tallies = Tally.objects.filter(dataset=dataset, facet="problem").values("value")
    counts = tallies.annotate(sum=Sum("count")).filter(sum__gt=0).values_list("value", "sum")
    found = [Group(code, count, _example(dataset, code)) for code, count in counts]
    return sorted(found, key=lambda group: (group.severity == "warning", -group.count, group.code))


def _having(dataset: Dataset, code: str) -> Any:
    """Marks of present records, in the order of their ids: an index holds them so."""
    marks = Mark.objects.filter(dataset=dataset, kind="problem", value=code, record__deleted_at=None)
    return marks.order_by("record_id")


def _example(dataset: Dataset, code: str) -> str:
    first = _having(dataset, code).values_list("record__problems", flat=True).first() or []
    return next((str(problem.get("message", "")) for problem in first if problem.get("code") == code), "")


@dataclass(frozen=True)
class Mended:
    """What mending would make of one record."""

    record: Record
    notes: list[str]
    diffs: list[tuple[str, list[tuple[str, str]]]]


def preview(dataset: Dataset, code: str) -> list[Mended]:
    """The first few records that mending this problem would change, each as word diffs of its columns."""
    shown: list[Mended] = []
    pks = list(_having(dataset, code).values_list("record_id", flat=True)[:LOOKED_AT])
    for pk in pks:
        record = Record.objects.get(pk=pk)
        columns = {name: getattr(record, name) for name in COLUMNS}
        mended, notes = mend_record(columns, [code])
        if mended:
            diffs = [
                (name, _around(word_diff(readable(name, columns[name]), readable(name, value))))
                for name, value in mended.items()
            ]
            shown.append(Mended(record, notes, diffs))
        if len(shown) == SHOWN:
            break
    return shown


def _around(diff: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A diff without what is far from any change."""
    shown = []
    for place, (op, text) in enumerate(diff):
        head, tail = ("" if place == 0 else text[:NEAR]), ("" if place == len(diff) - 1 else text[-NEAR:])
        short = op == "equal" and len(text) > 2 * NEAR
        shown.append((op, f"{head} … {tail}" if short else text))
    return shown


# --- near-duplicates -----------------------------------------------------------------------------


def pairs(dataset: Dataset, *, crossing: bool = False, after: int = 0) -> Any:
    """Pairs of present records in the order of their ids; with `crossing` those that stand in different splits now."""
    rows = dataset.near_duplicates.filter(pk__gt=after, first__deleted_at=None, second__deleted_at=None)
    rows = rows.exclude(first__split=F("second__split")) if crossing else rows
    return rows.select_related("first", "second").order_by("pk")
