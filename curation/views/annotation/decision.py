"""The different answers to a record's questions, side by side, as pages show them to adjudicate and to review."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from curation.annotation import questions
from curation.annotation.adjudication import AnswerGroup, DisputedQuestion
from curation.diffs import word_diff
from curation.models import Annotation, Question, Record, Task
from curation.records import targets
from curation.views.annotation import task_form
from curation.views.annotation.task_form import QuestionField

Kind = Question.Kind
Segment = tuple[str, str, str]  # text, label (empty: none), colour
DIGITS = 9


@dataclass
class AnswerOption:
    """An answer as it is shown."""

    said: AnswerGroup
    digit: str = ""
    picked: bool = False
    words: str = ""
    diff: list[tuple[str, str]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)


@dataclass
class Decision:
    """A question to decide: its answers to choose from, and the form to write another."""

    issue: DisputedQuestion
    choices: list[AnswerOption]
    shown: QuestionField
    digit: str
    picked_new: bool = False
    error: str = ""


def decisions(
    task: Task,
    issues: list[DisputedQuestion],
    picks: dict[str, Any] | None = None,
    written: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
) -> list[Decision]:
    """Return each question with its choices.

    What was picked and written so far is filled in; where all agree, that is picked.
    """
    picks, record = picks or {}, task.record
    draft = Annotation(task=task, record=record, answers=written or {})
    forms = {one.question.pk: one for one in task_form.shown(draft)}
    shown_decisions = []
    for issue in issues:
        name = issue.question.name
        pick = str(picks.get(name, "")) or ("" if issue.differs or not issue.said else str(issue.said[0].pk))
        choices = [_choice(issue.question, said, record, n, pick) for n, said in enumerate(issue.said, 1)]
        digit = str(len(choices) + 1) if len(choices) < DIGITS else ""
        error = (errors or {}).get(name, "")
        shown_decisions.append(Decision(issue, choices, forms[issue.question.pk], digit, pick == "new", error))
    return shown_decisions


def _choice(question: Question, said: AnswerGroup, record: Record, number: int, pick: str) -> AnswerOption:
    choice = AnswerOption(said, str(number) if number <= DIGITS else "", pick == str(said.pk))
    shown(choice, question, record)
    return choice


def shown(choice: AnswerOption, question: Question, record: Record) -> AnswerOption:
    """Fill in how the value is shown: a text as what it changes, spans marked in their text, the rest in words."""
    value = choice.said.value
    if value is None:
        choice.words = "(no answer)"
    elif question.kind == Kind.TEXT:
        piece = targets.piece(record, str(question.options.get("piece", "")))
        choice.diff = word_diff(piece.text if piece else "", str(value))
    elif question.kind == Kind.SPANS and not value:
        choice.words = "(nothing to mark)"
    elif question.kind == Kind.SPANS:
        piece = targets.piece(record, str(question.options.get("piece", "")))
        choice.segments = segments(piece.text if piece else "", value, questions.colored(question))
    elif question.kind == Kind.RANKING:
        choice.words = " > ".join(targets.words(name) if targets.is_name(name) else name for name in value)
    elif question.kind in (Kind.LABEL, Kind.LABELS):
        texts = {label["value"]: label["text"] for label in questions.colored(question)}
        choice.words = ", ".join(texts.get(one, one) for one in ([value] if isinstance(value, str) else value))
    else:
        choice.words = str(value)
    return choice


def segments(text: str, spans: list[dict[str, Any]], colored: list[dict[str, str]]) -> list[Segment]:
    """Cut a text where spans begin and end; overlapping ones with all their labels."""
    colors = {label["value"]: label["color"] for label in colored}
    texts = {label["value"]: label["text"] for label in colored}
    edges = sorted({0, len(text), *(min(span[name], len(text)) for span in spans for name in ("start", "end"))})
    pieces = []
    for start, end in pairwise(edges):
        over = [span["label"] for span in spans if span["start"] <= start and end <= span["end"]]
        label = ", ".join(texts.get(name, name) for name in over)
        pieces.append((text[start:end], label, colors.get(over[0], "grey") if over else ""))
    return pieces
