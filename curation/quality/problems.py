"""The problems of a dataset by their codes: title, severity, number of records, and a preview of the fix."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Sum

from curation.checks.pii import KINDS
from curation.checks.record import MAYBE_PERSONAL, PERSONAL
from curation.checks.record_fixes import COLUMNS, FIXABLE, fix_record
from curation.checks.texts import CHECKS
from curation.checks.turns import WARNINGS as TURN_WARNINGS
from curation.diffs import around, word_diff
from curation.models import Dataset, Mark, Record, Tally
from curation.records.history import readable

SHOWN = 5
NEAR = 160  # characters of unchanged text on each side of a change
LOOKED_AT = 50  # records, for those that fixing changes
TITLES = {
    "empty-document": "Empty document",
    "no-messages": "No messages",
    "empty-content": "Empty message",
    "last-not-assistant": "Does not end with the assistant",
    "same-answers": "Chosen and rejected are the same",
    "too-long": "Exceeds the student's context",
    "very-long": "Much longer than the others",
    "very-short": "Much shorter than the others",
    "call-unanswered": "Tool call without a result",
    "result-unmatched": "Tool result without a call",
    "arguments-json": "Arguments aren't JSON",
    "unknown-key": "Key that a message can't have",
    "unknown-role": "Unknown role",
    "thoughts-in-text": "Thoughts within an answer",
    "thoughts-only": "Thoughts without an answer",
    "json-as-text": "JSON in place of a text",
    "invisible-text": "Answer that nobody sees",
    "refusal": "Refusal",
    "picture-missing": "Mark without a picture",
    "picture-unmarked": "Picture without a mark",
    "answer-in-prompt": "Answer within the prompt",
    "unknown-tool": "Call of a tool that isn't on offer",
    "argument-missing": "Missing argument of a call",
    "argument-unknown": "Unknown argument of a call",
    "argument-type": "Argument of a wrong type",
    "argument-choice": "Argument that isn't one of its choices",
    **{code: each.title for code, each in CHECKS.items()},
    **{f"{PERSONAL}{kind.lower()}": f"Personal data: {word}" for kind, word in KINDS.items()},
    MAYBE_PERSONAL: "Possible personal data",
}
WARNINGS = frozenset(
    {"very-long", "very-short", *TURN_WARNINGS, *(code for code, each in CHECKS.items() if each.severity == "warning")}
)


@dataclass(frozen=True)
class ProblemGroup:
    """A kind of problem in a dataset; `example` is the sentence of one record that has it."""

    code: str
    count: int
    example: str = ""

    @property
    def title(self) -> str:
        return TITLES.get(self.code, self.code.replace("-", " ").replace("_", " ").capitalize())

    @property
    def severity(self) -> str:
        """Return "error" if the problem keeps records from being trained on; "warning" if it is worth a look."""
        return "warning" if self.code in WARNINGS or self.code.startswith(PERSONAL) else "error"

    @property
    def fixable(self) -> bool:
        return self.code in FIXABLE

    @property
    def query(self) -> str:
        """Return the search that finds the problem's records in the list."""
        return f"problem:{self.code}"


def groups(dataset: Dataset) -> list[ProblemGroup]:
    """Return problem groups, errors first, then by the number of records. A record with two problems is in both."""
    tallies = Tally.objects.filter(dataset=dataset, facet="problem").values("value")
    counts = tallies.annotate(sum=Sum("count")).filter(sum__gt=0).values_list("value", "sum")
    found = [ProblemGroup(code, count, _example(dataset, code)) for code, count in counts]
    return sorted(found, key=lambda group: (group.severity == "warning", -group.count, group.code))


def _having(dataset: Dataset, code: str) -> Any:
    """Return the marks of present records with this problem, in the order of their ids, as an index has them."""
    marks = Mark.objects.filter(dataset=dataset, kind="problem", value=code, record__deleted_at=None)
    return marks.order_by("record_id")


def _example(dataset: Dataset, code: str) -> str:
    first = _having(dataset, code).values_list("record__problems", flat=True).first() or []
    return next((str(problem.get("message", "")) for problem in first if problem.get("code") == code), "")


@dataclass(frozen=True)
class FixPreview:
    """The preview of a fix of one record."""

    record: Record
    notes: list[str]
    diffs: list[tuple[str, list[tuple[str, str]]]]


def preview(dataset: Dataset, code: str) -> list[FixPreview]:
    """Return the first few records that fixing this problem would change, each as word diffs of its columns."""
    shown: list[FixPreview] = []
    pks = list(_having(dataset, code).values_list("record_id", flat=True)[:LOOKED_AT])
    for pk in pks:
        record = Record.objects.get(pk=pk)
        columns = {name: getattr(record, name) for name in COLUMNS}
        fixed, notes = fix_record(columns, [code])
        if fixed:
            diffs = [
                (name, around(word_diff(readable(name, columns[name]), readable(name, value)), NEAR))
                for name, value in fixed.items()
            ]
            shown.append(FixPreview(record, notes, diffs))
        if len(shown) == SHOWN:
            break
    return shown


# --- near-duplicates -----------------------------------------------------------------------------


def pairs(dataset: Dataset, *, crossing: bool = False, after: int = 0) -> Any:
    """Return pairs of present records in the order of their ids; with `crossing` those that are in different splits now."""
    rows = dataset.near_duplicates.filter(pk__gt=after, first__deleted_at=None, second__deleted_at=None)
    rows = rows.exclude(first__split=F("second__split")) if crossing else rows
    return rows.select_related("first", "second").order_by("pk")
