"""What one task of another tool says, as rows of ours that wait to be written: nothing here asks the database."""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from atelier.accounts.models import User
from curation import records
from curation.annotation import agreement, answers, targets, values
from curation.formats import Draft
from curation.formats.moves import Asked, Given, Moved
from curation.models import Annotation, Change, Question, Queue, Record, Suggestion

State, Kind = Annotation.State, Question.Kind
CONTENT = ("fields", "messages", "chosen", "rejected", "tools")
STATES = {"submitted": State.SUBMITTED, "skipped": State.SKIPPED, "draft": State.EXPIRED}
Person = tuple[int | None, str]  # the member's id, else the name alone


@dataclass
class Told:
    """What is written of one task beside its record."""

    annotations: list[Annotation] = field(default_factory=list)
    suggestions: list[Suggestion] = field(default_factory=list)
    known: dict[str, Any] | None = None
    stands: dict[str, Any] | None = None
    change: Change | None = None
    left: Moved = field(default_factory=Moved)


class Reader:
    """Reads tasks against the questions that were made for them, and the people that their authors are."""

    def __init__(
        self,
        tool: ModuleType,
        queue: Queue,
        asked: list[Asked],
        made: dict[str, Question],
        people: dict[str, User | None],
    ) -> None:
        self.tool, self.queue, self.made, self.people = tool, queue, made, people
        self.asked = {one.source: one for one in asked}
        self.kinds = {question.name: question.kind for question in made.values()}
        self.comments = {question.name for question in made.values() if question.kind == Kind.COMMENT}

    def tell(self, task: dict[str, Any], draft: Draft) -> Told:
        moved = self.tool.translate(task, self.asked)
        told = Told(left=moved)
        record = Record(**{name: getattr(draft, name) for name in CONTENT})
        for given in moved.given:
            self._take_given(given, record, told)
        if told.known is not None:
            for one in told.annotations:
                if one.state == State.SUBMITTED:
                    asked = {name: kind for name, kind in self.kinds.items() if name in told.known}
                    one.is_right = not agreement.differing(asked, [told.known, one.answers], self.queue.tolerance)
        submitted = [one.answers for one in told.annotations if one.state == State.SUBMITTED]
        told.stands = self.standing(submitted, told.known)
        for proposed in moved.proposed:
            kept = self._clean(proposed.answers, record, told)
            told.suggestions += [
                Suggestion(question=self.made[name], value=value, score=proposed.scores.get(name), source=_line(proposed.source)[:120])
                for name, value in kept.items()
            ]  # fmt: skip
        return told

    def _take_given(self, given: Given, record: Record, told: Told) -> None:
        """One person's answers. Of several by one person about a task the last one counts, as it does here."""
        user = self.people.get(given.author)
        who = (_line(given.author) or "unknown")[:150]
        person: Person = (user.pk if user else None, "" if user else who)
        if given.state == "draft" and user is None:
            told.left.leave("drafts", f"A draft by {who}, who is nobody in this team.", given.answers)
            return
        one = self._annotation(given, user, who, record, told)
        for number, other in enumerate(told.annotations):
            if _person(other) == person:
                later = max(other, one, key=lambda a: (a.state != State.EXPIRED, a.submitted_at or a.created_at))
                lost = other if later is one else one
                told.left.leave("second-answer", f"{who} answered twice: the last one counts.", lost.answers)
                told.annotations[number] = later
                return
        told.annotations.append(one)

    def _annotation(self, given: Given, user: User | None, who: str, record: Record, told: Told) -> Annotation:
        kept = {self.made[name].name: value for name, value in self._clean(given.answers, record, told).items()}
        created = _when(given.created) or timezone.now()
        if given.is_known and given.state == "submitted":
            if told.known is None:
                told.known = {name: value for name, value in kept.items() if name not in self.comments}
            else:
                told.left.leave("second-known", "A second answer that is said to be the right one.", kept)
        return Annotation(
            user=user, author=who, state=STATES[given.state], answers=kept, source=self.tool.NAME, created_at=created,
            seconds=round(min(max(given.seconds, 0), answers.MAX_SECONDS), 1),
            submitted_at=None if given.state == "draft" else _when(given.submitted) or created,
            skip_reason=f"skipped in {self.tool.NAME}" if given.state == "skipped" else "",
        )  # fmt: skip

    def _clean(self, given: dict[str, Any], record: Record, told: Told) -> dict[str, Any]:
        """The answers as questions here take them, by their names in the tool; what they refuse is left with their sentence."""
        kept = {}
        for name, value in given.items():
            try:
                found = values.clean(self.made[name], value, record)
            except KeyError:
                told.left.leave("no-question", self.asked[name].note or f"{name} has no question here.", value)
                continue
            except ValidationError as error:
                told.left.leave(f"answer-{self.made[name].kind}", " ".join(error.messages), value)
                continue
            if found is not None:
                kept[name] = found
        return kept

    def standing(self, submitted: list[dict[str, Any]], known: dict[str, Any] | None) -> dict[str, Any] | None:
        """What holds for the record: what is known to be right, else what all who were wanted say alike."""
        if known is not None:
            return known
        if not submitted or len(submitted) < self.queue.overlap:
            return None
        return None if agreement.differing(self.kinds, submitted, self.queue.tolerance) else submitted[0]

    def labels(self, stands: dict[str, Any]) -> list[str]:
        found: set[str] = set()
        for question in self.made.values():
            if question.kind in (Kind.LABEL, Kind.LABELS) and (given := stands.get(question.name)):
                found |= {given} if isinstance(given, str) else set(given)
        return sorted(found)

    def edited(self, draft: Draft, told: Told) -> Draft:
        """The record with the text that stands, and its history; where spans point into the text it stays as it was."""
        stands = told.stands or {}
        marked = {q.options.get("piece") for q in self.made.values() if q.kind == Kind.SPANS and q.name in stands}
        record = Record(**{name: getattr(draft, name) for name in CONTENT})
        texts = {}
        for question in self.made.values():
            aim = str(question.options.get("piece", ""))
            if question.kind == Kind.TEXT and question.name in stands and aim not in marked:
                piece = targets.piece(record, aim)
                if piece is not None:
                    texts[piece.name] = stands[question.name]
        after = records.with_texts(record, texts) if texts else {}
        if not after:
            return draft
        first = next((one for one in told.annotations if one.state == State.SUBMITTED), None)
        told.change = Change(
            user=first.user if first else None, actor=(first.author if first else self.tool.NAME)[:120], action=answers.ACTION,
            before={name: getattr(draft, name) for name in after}, after=after, revision=2,
        )  # fmt: skip
        # An edited record stays in the split of what it was.
        return dataclasses.replace(draft, group=draft.source_group, **after)


def _person(one: Annotation) -> Person:
    return one.user_id, "" if one.user_id else one.author


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _when(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(found) if found and timezone.is_naive(found) else found
