"""The check of rows under a mapping before their import: how many would end how, and some of each, problems first."""

import dataclasses
from itertools import islice
from typing import Any

import orjson

from atelier.characters import WITH_NUL
from curation.chat import Problem
from curation.checks.fixes import fix
from curation.checks.record import check_form
from curation.content import Draft
from curation.formats.mapping import Mapping
from curation.formats.readers.rows import LIMITS, Note, NoteCounts, RowError, SourceRow
from curation.imports.columns import ColumnCounts, ColumnReader, labels

STATES = ("refused", "problems", "fixable", "good")  # how a row would end: no record, a record with problems, …
GOOD_SHOWN = 5  # at least, where there are so many, beside any number of rows with problems
HEAVY = 1 << 20  # bytes of a row whose content is not compared with others
SHOWN = 100_000  # bytes of a row that is shown
CUTS = (
    (20_000, 1000),
    (2000, 100),
    (200, 50),
    (40, 10),
)  # characters of a text and entries of a list, ever fewer until it fits
MOST_PROBLEMS = 50


class CheckedRow:
    """A row under a mapping: its draft or what is wrong, its problems, and what fixing does, or would do, to it."""

    def __init__(self, row: SourceRow, columns: ColumnReader, fixes: bool) -> None:
        self.row, self.state = row, "refused"
        self.draft: Draft | None = None
        self.wrong = row.problem.message if row.problem else ""
        self.problems: list[Problem] = []
        self.fixes: list[str] = []
        self.content_hash = ""
        self.labels: list[str] = []
        if row.data is None:
            return
        try:
            draft = columns.apply(row.data, row.line, row.file)
            self.content_hash = _storable(draft)
            self.labels = labels(columns.mapping, row.data)
        except RowError as error:
            self.wrong = error.problem.message
            return
        self.draft = draft
        self.problems = check_form(draft, draft.kind)
        if draft.kind == "conversations":
            self._fix(draft, fixes)
        else:
            self.state = "problems" if self.problems else "good"

    def _fix(self, draft: Draft, fixes: bool) -> None:
        """Find out what fixing does; with `fixes` the draft is the fixed one."""
        messages, tools, notes = fix(draft.messages, draft.tools)
        self.fixes = list(notes)
        fixed = dataclasses.replace(draft, messages=messages, tools=tools or [])
        left = check_form(fixed, draft.kind) if notes else self.problems
        if fixes:
            self.draft, self.problems = fixed, left
            self.content_hash = self.content_hash and fixed.content_hash  # as the import will compare it
        self.state = "problems" if left else "good" if fixes or not (notes and self.problems) else "fixable"

    def to_json(self) -> dict[str, Any]:
        """Return the row as it came and as it will look; long values are shortened."""
        shown = {
            "line": self.row.line, "raw": self.row.raw, "wrong": self.wrong, "notes": [note.text for note in self.row.notes] + (self.draft.notes if self.draft else []),
            "data": self.row.data, "draft": self.draft and dataclasses.asdict(self.draft),
            "problems": [dataclasses.asdict(problem) for problem in self.problems[:MOST_PROBLEMS]], "fixes": self.fixes,
            "state": self.state, "labels": self.labels, "file": self.row.file, "cut": False,
        }  # fmt: skip
        return _cut_to_fit(shown)


def _storable(draft: Draft) -> str:
    """Return the hash of a draft's content, of a heavy one nothing: hashing takes several times its bytes. Raises RowError for what no database can hold."""
    content = [draft.fields, draft.messages, draft.tools, draft.chosen, draft.rejected, draft.metadata]
    try:
        text = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
        digest = draft.content_hash if len(text) < HEAVY else ""
    except (TypeError, RecursionError) as error:
        problem = f"This row has a value that JSON can't store ({str(error)[:100]}). Fix it and import the row again."
        raise RowError(Problem("not_storable", problem)) from error
    if b"\\u0000" in text and b"\\u0000" in text.replace(b"\\\\", b""):
        raise RowError(Problem("nul", f"The row {WITH_NUL}"))
    return digest


class RowCheck:
    """Counts of checked rows by how they would end, and those that are shown. `shown` bounds how many."""

    def __init__(self, mapping: Mapping, columns: tuple[str, ...], shown: int) -> None:
        self.fixes, self.shown = mapping.fix, shown
        self.columns = ColumnReader(dataclasses.replace(mapping, fix=False), columns)
        self.counts = dict.fromkeys((*STATES, "fixed", "same_content", "same_id"), 0)
        self.checked = 0
        self._rows: dict[str, list[dict[str, Any]]] = {state: [] for state in STATES}
        self._values, self._notes = ColumnCounts(), NoteCounts()
        self._contents: set[str] = set()
        self._keys: set[str] = set()

    def add(self, row: SourceRow) -> None:
        """Check one row."""
        checked = CheckedRow(row, self.columns, self.fixes)
        self.checked += 1
        self.counts[checked.state] += 1
        self.counts["fixed"] += self.fixes and bool(checked.fixes)
        self._notes.add(row)
        if checked.draft and checked.draft.notes:
            self._notes.add(row._replace(notes=tuple(Note("mapped", text) for text in checked.draft.notes)))
        if row.data is not None:
            self._values.add(row.data)
        if draft := checked.draft:
            self.counts["same_content"] += bool(checked.content_hash) and checked.content_hash in self._contents
            self.counts["same_id"] += bool(draft.key) and draft.key in self._keys
            self._contents.add(checked.content_hash)
            self._keys.add(draft.key)
        if len(self._rows[checked.state]) < self.shown:
            self._rows[checked.state].append(checked.to_json())

    def to_json(self, whole: bool) -> dict[str, Any]:
        """Return the counts; `whole` says that the file has no more rows."""
        worse = [row for state in STATES[:-1] for row in self._rows[state]]
        good = self._rows["good"]
        rows = worse[: self.shown - min(len(good), GOOD_SHOWN)]
        rows += good[: self.shown - len(rows)]
        account = {
            "columns": self._values.counts,
            "other_values": self._values.others,
            "late": self.columns.late_json(),
        }
        notes = list(self._notes.sentences())
        return {
            "checked": self.checked,
            "whole": whole,
            **self.counts,
            "notes": notes,
            "account": account,
            "rows": rows,
        }


def _cut_to_fit(shown: dict[str, Any]) -> dict[str, Any]:
    for letters, entries in CUTS:
        if len(orjson.dumps(shown, default=str, option=orjson.OPT_NON_STR_KEYS)) <= SHOWN:
            break
        shown = _cut(shown, letters, entries) | {"cut": True}
    return shown


def _cut(value: Any, letters: int, entries: int) -> Any:
    if isinstance(value, str):
        more = len(value) - letters
        return value if more <= 0 else f"{value[:letters]} … ({more:,} more characters)"
    if isinstance(value, dict):
        return {
            str(key)[:letters]: _cut(inner, letters, entries) for key, inner in islice(value.items(), LIMITS.columns)
        }
    return [_cut(inner, letters, entries) for inner in value[:entries]] if isinstance(value, list) else value
