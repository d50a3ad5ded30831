"""The answers of an evaluation, for people: by row, filtered, and as files."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Q, QuerySet

from atelier.web import border
from curation.chat import text_of
from curation.formats.writers.tables import safe_cell
from curation.tool_calls import ReadableCall, as_text, listed, readable
from inference.models import Evaluation, EvaluationAnswer

PAGE = 20


@dataclass(frozen=True)
class AnswerFilters:
    """The filters in the page's URL: rows where an answer breaks a rule, was cut or failed, by one endpoint or any."""

    fails: str = ""
    by: str = ""
    after: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "AnswerFilters":
        after = border.whole(query.get("after"), most=border.BIGGEST_INT) or 0
        return cls(query.get("fails", "")[:100], query.get("by", "")[:20], after)


@dataclass(frozen=True)
class AnswerRow:
    """A row of the split with the answer of each entrant, in their order; None if one was not planned."""

    number: int
    prompt: str
    system: str
    reference: str
    reference_calls: list[ReadableCall]
    record_id: int | None
    answers: list[EvaluationAnswer | None]


@dataclass(frozen=True)
class AnswerPage:
    rows: list[AnswerRow]
    filters: AnswerFilters
    found: int
    next_after: int | None

    @property
    def last(self) -> int:
        return self.rows[-1].number if self.rows else 0


def page(evaluation: Evaluation, filters: AnswerFilters) -> AnswerPage:
    """Return a page of rows, by row number, so that later pages cost as little as the first."""
    numbers = _matching(evaluation, filters).order_by("row").values_list("row", flat=True).distinct()
    chosen = list(numbers.filter(row__gt=filters.after)[: PAGE + 1])
    shown = chosen[:PAGE]
    return AnswerPage(
        _rows(evaluation, shown),
        filters,
        numbers.count(),
        shown[-1] if len(chosen) > PAGE else None,
    )


def _matching(evaluation: Evaluation, filters: AnswerFilters) -> "QuerySet[EvaluationAnswer]":
    rows = evaluation.answers.all()
    if (by := border.whole(filters.by)) is not None:
        rows = rows.filter(endpoint_id=by)
    if filters.fails == "failed":
        return rows.filter(outcome=EvaluationAnswer.Outcome.FAILED)
    if filters.fails == "cut":
        return rows.filter(is_cut=True)
    # With a colon, which no rule's id has.
    if filters.fails == "calls:wrong":
        return rows.filter(calls_right=False)
    if filters.fails == "flaw:any":
        return rows.exclude(flaw="")
    if filters.fails == "any":
        return rows.exclude(broken="")
    return rows.filter(broken__contains=f"|{filters.fails}|") if filters.fails else rows


def _rows(evaluation: Evaluation, numbers: list[int]) -> list[AnswerRow]:
    places = {entrant["id"]: place for place, entrant in enumerate(evaluation.entrants)}
    by_row: dict[int, list[EvaluationAnswer | None]] = {number: [None] * len(places) for number in numbers}
    for answer in evaluation.answers.filter(row__in=numbers).select_related("endpoint__adapter"):
        if answer.endpoint_id in places:
            by_row[answer.row][places[answer.endpoint_id]] = answer
    return [_row(number, answers) for number, answers in by_row.items()]


def _row(number: int, answers: list[EvaluationAnswer | None]) -> AnswerRow:
    first = next(answer for answer in answers if answer is not None)
    said = [message for message in first.prompt if message.get("role") != "system"]
    system = [text_of(message) for message in first.prompt if message.get("role") == "system"]
    prompt = text_of(said[-1]) if len(said) == 1 else "\n\n".join(f"{m['role']}: {_said(m)}" for m in said)
    calls = readable(first.reference_calls, first.tools)
    return AnswerRow(number, prompt, "\n".join(system), first.reference, calls, first.record_id, answers)


def _said(message: Mapping[str, Any]) -> str:
    return "\n".join(filter(None, (text_of(message), as_text(listed(message.get("tool_calls"))))))


# --- files ---------------------------------------------------------------------------------------


def _ledger(evaluation: Evaluation) -> "Iterator[EvaluationAnswer]":
    last = (0, 0)
    rows = evaluation.answers.order_by("row", "endpoint_id").select_related("endpoint")
    while batch := list(rows.filter(Q(row__gt=last[0]) | Q(row=last[0], endpoint_id__gt=last[1]))[:500]):
        yield from batch
        last = (batch[-1].row, batch[-1].endpoint_id)


def plain(answer: EvaluationAnswer) -> dict[str, Any]:
    """Return an answer as JSON, with all that belongs to it."""
    return {
        "row": answer.row,
        "endpoint": str(answer.endpoint),
        "endpoint_id": answer.endpoint_id,
        "record": answer.record_id,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "prompt": answer.prompt,
        "tools": answer.tools,
        "reference": answer.reference,
        "reference_calls": answer.reference_calls,
        "text": answer.text,
        "tool_calls": answer.tool_calls,
        "calls_right": answer.calls_right,
        "calls_why": answer.calls_why,
        "flaw": answer.flaw,
        "is_cut": answer.is_cut,
        "finish_reason": answer.finish_reason,
        "verdicts": answer.verdicts,
        "chrf": answer.chrf,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "seconds": answer.seconds,
    }


def as_jsonl(evaluation: Evaluation) -> Iterator[bytes]:
    for answer in _ledger(evaluation):
        yield orjson.dumps(plain(answer), option=orjson.OPT_APPEND_NEWLINE)


def as_csv(evaluation: Evaluation) -> Iterator[str]:
    """Yield CSV, one line per answer, a column per rule: 1 kept, 0 broken."""
    rules = [rule["id"] for rule in evaluation.scores.get("rules", [])]
    yield _line(
        [
            "row",
            "endpoint",
            "outcome",
            "reason",
            "prompt",
            "reference",
            "text",
            "calls",
            "calls_right",
            "flaw",
            "cut",
            "finish_reason",
            "chrf",
            "tokens",
            "seconds",
            *rules,
        ]
    )
    for answer in _ledger(evaluation):
        follows = {verdict["rule"]: int(verdict["ok"]) for verdict in answer.verdicts}
        asked = text_of(answer.prompt[-1]) if answer.prompt else ""
        reference = "\n".join(filter(None, (answer.reference, as_text(answer.reference_calls))))
        yield _line([
            answer.row, str(answer.endpoint), answer.outcome, answer.reason, asked, reference, answer.text,
            as_text(answer.tool_calls), "" if answer.calls_right is None else int(answer.calls_right), answer.flaw,
            int(answer.is_cut), answer.finish_reason,
            "" if answer.chrf is None else round(answer.chrf, 2), answer.completion_tokens, round(answer.seconds, 3),
            *(follows.get(rule, "") for rule in rules),
        ])  # fmt: skip


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(cell) for cell in cells])
    return out.getvalue()
