"""The content of one task of another tool, as rows that wait to be written: nothing here queries the database."""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from atelier.accounts.models import User
from curation.annotation import answers, measures, settling, values
from curation.formats import Draft
from curation.formats.annotation_tools.annotations import ToolAnswer, ToolQuestion, ToolTask
from curation.models import Annotation, Change, Question, Queue, Record, Suggestion
from curation.records import pieces as record_pieces
from curation.records import targets

State, Kind = Annotation.State, Question.Kind
CONTENT = ("fields", "messages", "chosen", "rejected", "tools")
STATES = {"submitted": State.SUBMITTED, "skipped": State.SKIPPED, "draft": State.EXPIRED}
Person = tuple[int | None, str]  # the member's id, else the name alone


@dataclass
class TaskContents:
    """What is written for one task besides its record."""

    annotations: list[Annotation] = field(default_factory=list)
    suggestions: list[Suggestion] = field(default_factory=list)
    known: dict[str, Any] | None = None
    stands: dict[str, Any] | None = None
    change: Change | None = None
    original: str = ""  # hash of the content before the change
    left: ToolTask = field(default_factory=ToolTask)
    record: Record | None = None  # the texts of the file, in which spans have their places


class TaskReader:
    """Reads tasks against the questions that were created for them, and the people that their authors are."""

    def __init__(
        self,
        tool: ModuleType,
        queue: Queue,
        tool_questions: list[ToolQuestion],
        made: dict[str, Question],
        people: dict[str, User | None],
    ) -> None:
        self.tool, self.queue, self.made, self.people = tool, queue, made, people
        self.asked = {one.source: one for one in tool_questions}
        self.kinds = {question.name: question.kind for question in made.values()}
        self.comments = {question.name for question in made.values() if question.kind == Kind.COMMENT}

    def tell(self, task: dict[str, Any], draft: Draft) -> TaskContents:
        tool_task = self.tool.translate(task, self.asked)
        contents = TaskContents(left=tool_task)
        record = contents.record = Record(**{name: getattr(draft, name) for name in CONTENT})
        for tool_answer in tool_task.answers:
            self._take_given(tool_answer, record, contents)
        if contents.known is not None:
            for annotation in contents.annotations:
                if annotation.state == State.SUBMITTED:
                    asked = {name: kind for name, kind in self.kinds.items() if name in contents.known}
                    annotation.is_right = not measures.differing(
                        asked, [contents.known, annotation.answers], self.queue.tolerance
                    )
        submitted = [annotation.answers for annotation in contents.annotations if annotation.state == State.SUBMITTED]
        contents.stands = self.standing(submitted, contents.known)
        for suggestion in tool_task.suggestions:
            suggested = self._clean(suggestion.answers, record, contents)
            contents.suggestions += [
                Suggestion(question=self.made[name], value=value, score=suggestion.scores.get(name), source=_line(suggestion.source)[:120])
                for name, value in suggested.items()
            ]  # fmt: skip
        return contents

    def _take_given(self, tool_answer: ToolAnswer, record: Record, contents: TaskContents) -> None:
        """Take one person's answers. Of several by one person to a task the last one counts, as it does here."""
        user = self.people.get(tool_answer.author)
        who = (_line(tool_answer.author) or "unknown")[:150]
        person: Person = (user.pk if user else None, "" if user else who)
        if tool_answer.state == "draft" and user is None:
            contents.left.leave("drafts", f"A draft by {who}, who isn't a member of this team.", tool_answer.answers)
            return
        annotation = self._annotation(tool_answer, user, who, record, contents)
        for number, other in enumerate(contents.annotations):
            if _person(other) == person:
                later = max(other, annotation, key=lambda a: (a.state != State.EXPIRED, a.submitted_at or a.created_at))
                lost = other if later is annotation else annotation
                contents.left.leave("second-answer", f"{who} answered twice; the last answer counts.", lost.answers)
                contents.annotations[number] = later
                return
        contents.annotations.append(annotation)

    def _annotation(
        self, tool_answer: ToolAnswer, user: User | None, who: str, record: Record, contents: TaskContents
    ) -> Annotation:
        clean_answers = {
            self.made[name].name: value for name, value in self._clean(tool_answer.answers, record, contents).items()
        }
        created = _when(tool_answer.created) or timezone.now()
        if tool_answer.is_known and tool_answer.state == "submitted":
            if contents.known is None:
                contents.known = {name: value for name, value in clean_answers.items() if name not in self.comments}
            else:
                contents.left.leave("second-known", "A second answer that is marked as the right one.", clean_answers)
        return Annotation(
            user=user, author=who, state=STATES[tool_answer.state], answers=clean_answers, source=self.tool.NAME, created_at=created,
            seconds=round(min(max(tool_answer.seconds, 0), answers.MAX_SECONDS), 1),
            submitted_at=None if tool_answer.state == "draft" else _when(tool_answer.submitted) or created,
            skip_reason=f"skipped in {self.tool.NAME}" if tool_answer.state == "skipped" else "",
        )  # fmt: skip

    def _clean(self, given: dict[str, Any], record: Record, contents: TaskContents) -> dict[str, Any]:
        """Return the valid answers, by their names in the tool; refused ones are left with their sentence."""
        clean_answers = {}
        for name, value in given.items():
            try:
                cleaned = values.clean(self.made[name], value, record)
            except KeyError:
                contents.left.leave("no-question", self.asked[name].note or f"{name} has no matching question.", value)
                continue
            except ValidationError as error:
                contents.left.leave(f"answer-{self.made[name].kind}", " ".join(error.messages), value)
                continue
            if cleaned is not None:
                clean_answers[name] = cleaned
        return clean_answers

    def standing(self, submitted: list[dict[str, Any]], known: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the record's final answers: those known to be right, else what all the required annotators agree on."""
        if known is not None:
            return known
        if not submitted or len(submitted) < self.queue.overlap:
            return None
        return None if measures.differing(self.kinds, submitted, self.queue.tolerance) else submitted[0]

    def labels(self, stands: dict[str, Any]) -> list[str]:
        labels: set[str] = set()
        for question in self.made.values():
            if question.kind in (Kind.LABEL, Kind.LABELS) and (given := stands.get(question.name)):
                labels |= {given} if isinstance(given, str) else set(given)
        return sorted(labels)

    def edited(self, draft: Draft, contents: TaskContents) -> Draft:
        """Return the record with the final text, and its history; if spans point into the text, it stays as it was."""
        stands = contents.stands or {}
        marked = {
            q.options.get("piece") for q in self.made.values() if q.kind == Kind.SPANS and _has_marks(contents, q)
        }
        record = Record(**{name: getattr(draft, name) for name in CONTENT})
        texts = {}
        for question in self.made.values():
            aim = str(question.options.get("piece", ""))
            if question.kind == Kind.TEXT and question.name in stands and aim not in marked:
                piece = targets.piece(record, aim)
                if piece is not None:
                    texts[piece.name] = stands[question.name]
        after = record_pieces.with_texts(record, texts) if texts else {}
        if not after:
            return draft
        first = next((annotation for annotation in contents.annotations if annotation.state == State.SUBMITTED), None)
        contents.change = Change(
            user=first.user if first else None, actor=(first.author if first else self.tool.NAME)[:120], action=settling.ACTION,
            before={name: getattr(draft, name) for name in after}, after=after, revision=2,
        )  # fmt: skip
        # An edited record stays in the split of what it was.
        return dataclasses.replace(draft, group=draft.source_group, **after)


def _has_marks(contents: TaskContents, question: Question) -> bool:
    """Return whether anybody, or a model, marked spans of a question's text."""
    given = (question.name in annotation.answers for annotation in contents.annotations)
    return any(given) or any(suggestion.question == question for suggestion in contents.suggestions)


def _person(annotation: Annotation) -> Person:
    return annotation.user_id, "" if annotation.user_id else annotation.author


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _when(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(moment) if moment and timezone.is_naive(moment) else moment
