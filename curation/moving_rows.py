"""The inner part of moving over: batches of tasks into records with their annotations, suggestions and places in the queue.

Each batch is one transaction with its counters, as with every import. What was moved before gets only what it lacks.
"""

import dataclasses
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from atelier.accounts.models import User
from curation import import_rows, records
from curation.annotation import agreement, answers, targets, values
from curation.chat import Problem
from curation.formats import Draft, Row
from curation.formats.moves import Asked, Given, Moved
from curation.import_rows import COLUMNS, KEY, Good
from curation.models import Annotation, Change, Import, ImportIssue, Question, Queue, Record, Suggestion, Task

State, Kind, Outcome = Annotation.State, Question.Kind, ImportIssue.Outcome
SIZE = 100  # tasks in a batch: each writes some ten rows
NOTE = "as it stood where it was moved from"
ORIGIN = "moved from"
MOST_CODES = 100
LABELS, REVISION, PREVIEW = (COLUMNS.index(name) for name in ("labels", "revision", "preview"))
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


class Batch(import_rows.Batch):
    """Tasks on their way in. Beside the records of any import it writes what people and models said of them."""

    def __init__(
        self, job: Import, tool: ModuleType, queue: Queue, asked: list[Asked], made: dict[str, Question],
        people: dict[str, User | None],
    ) -> None:  # fmt: skip
        super().__init__(job)
        self.tool, self.queue, self.made, self.people = tool, queue, made, people
        self.asked = {one.source: one for one in asked}
        self.kinds = {question.name: question.kind for question in made.values()}
        self.comments = {question.name for question in made.values() if question.kind == Kind.COMMENT}
        self.origin = f"{ORIGIN} {tool.NAME}, {job.original_name}"[:200]
        state = job.source["moving"]
        self.counts: Counter[str] = Counter(state.get("counts", {}))
        self.left: dict[str, list[Any]] = {code: list(pair) for code, pair in state.get("left", {}).items()}
        self.told: dict[int, Told] = {}

    @property
    def size(self) -> int:
        return SIZE

    def counters(self) -> dict[str, Any]:
        state = self.job.source["moving"] | {"counts": dict(self.counts), "left": self.left}
        return super().counters() | {"source": self.job.source | {"moving": state}}

    # --- reading, without the database ---------------------------------------------------------------

    def take(self, rows: list[Row]) -> None:
        self.told = {}
        super().take(rows)

    def _values(self, row: Row, now: Any) -> Good:
        if row.data is None or row.task is None:
            return super()._values(row, now)
        draft = self.mapping.apply(row.data)
        draft.key = draft.key or draft.content_hash  # without an id its content is its name
        told = self._tell(row.task, draft)
        self.told[row.line] = told
        line, digest, found, text, file = self._of(self._edited(draft, told), row, now)
        changed = list(found)
        changed[LABELS] = orjson.dumps(self._labels(told.stands or {})).decode()
        changed[REVISION] = 2 if told.change else 1
        return line, digest, tuple(changed), text, file

    def _tell(self, task: dict[str, Any], draft: Draft) -> Told:
        moved = self.tool.translate(task, self.asked)
        told = Told(left=moved)
        record = Record(
            **{name: getattr(draft, name) for name in ("fields", "messages", "chosen", "rejected", "tools")}
        )
        for given in moved.given:
            self._take_given(given, record, told)
        if told.known is not None:
            for one in told.annotations:
                if one.state == State.SUBMITTED:
                    asked = {name: kind for name, kind in self.kinds.items() if name in told.known}
                    one.is_right = not agreement.differing(asked, [told.known, one.answers], self.queue.tolerance)
        submitted = [one.answers for one in told.annotations if one.state == State.SUBMITTED]
        told.stands = self._standing(submitted, told.known)
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

    def _standing(self, submitted: list[dict[str, Any]], known: dict[str, Any] | None) -> dict[str, Any] | None:
        """What holds for the record: what is known to be right, else what all who were wanted say alike."""
        if known is not None:
            return known
        if not submitted or len(submitted) < self.queue.overlap:
            return None
        return None if agreement.differing(self.kinds, submitted, self.queue.tolerance) else submitted[0]

    def _labels(self, stands: dict[str, Any]) -> list[str]:
        found: set[str] = set()
        for question in self.made.values():
            if question.kind in (Kind.LABEL, Kind.LABELS) and (given := stands.get(question.name)):
                found |= {given} if isinstance(given, str) else set(given)
        return sorted(found)

    def _edited(self, draft: Draft, told: Told) -> Draft:
        """The record with the text that stands, and its history; where spans point into the text it stays as it was."""
        stands = told.stands or {}
        marked = {q.options.get("piece") for q in self.made.values() if q.kind == Kind.SPANS and q.name in stands}
        record = Record(
            **{name: getattr(draft, name) for name in ("fields", "messages", "chosen", "rejected", "tools")}
        )
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

    # --- writing, inside the claim's transaction ----------------------------------------------------

    def write(self, keep_issues: bool = True) -> None:
        there = self._moved_before({row[2][KEY] for row in self.good})
        first: dict[str, Good] = {}
        for row in self.good:
            first.setdefault(row[2][KEY], row)
        new = [row for key, row in first.items() if key not in there]
        self._insert(new)
        pks = dict(
            Record.objects.filter(imported_by=self.job, import_line__in=[row[0] for row in new])
            .order_by()
            .values_list("import_line", "pk")
        )
        self._write_new([(pks[row[0]], self.told[row[0]]) for row in new if row[0] in self.told])
        lines = {row[0] for row in new}
        there |= {row[2][KEY]: pks[row[0]] for row in new}
        updated = self._write_again([row for row in self.good if row[0] not in lines], there)
        for row in new:
            self._report(row)
        if keep_issues:
            ImportIssue.objects.bulk_create(self.issues)
        self.job.ok += len(new) + updated
        self.job.updated += updated
        self.job.failed += sum(issue.outcome == Outcome.FAILED for issue in self.issues)
        self.job.skipped += sum(issue.outcome == Outcome.SKIPPED for issue in self.issues)

    def _moved_before(self, keys: set[str]) -> dict[str, int]:
        """Records of these tasks; one that merely has the same id came from elsewhere, and its task is refused."""
        found = Record.objects.present().filter(dataset=self.dataset, key__in=keys).order_by("-pk")
        there, others = {}, {}
        for key, pk, origin in found.values_list("key", "pk", "origin"):
            (there if origin.startswith(f"{ORIGIN} {self.tool.NAME}") else others)[key] = pk
        taken = {key: pk for key, pk in others.items() if key not in there}
        for line, _, found_values, _, file in [row for row in self.good if row[2][KEY] in taken]:
            text = f"Record {taken[found_values[KEY]]} has this id, and is no task of {self.tool.NAME}: move into another dataset."
            self._issue(line, Outcome.FAILED, Problem("id-taken", text), found_values[PREVIEW], file)
        self.good = [row for row in self.good if row[2][KEY] not in taken]
        return there

    def _write_new(self, rows: list[tuple[int, Told]]) -> None:
        tasks = Task.objects.bulk_create([self._task(pk, told) for pk, told in rows])
        annotations, suggestions, changes = [], [], []
        for task, (pk, told) in zip(tasks, rows, strict=True):
            for one in told.annotations:
                one.task, one.record_id = task, pk
                annotations.append(one)
            suggestions += self._suggestions(pk, told)
            if told.change:
                told.change.record_id = pk
                changes.append(told.change)
            self.counts.update(disputed=task.state == Task.State.DISPUTED, known=told.known is not None)
        self._store(annotations, suggestions)
        Change.objects.bulk_create(changes)

    def _task(self, pk: int, told: Told) -> Task:
        submitted = sum(one.state == State.SUBMITTED for one in told.annotations)
        place = pk if self.queue.order == Queue.Order.OLDEST else random.getrandbits(53)
        task = Task(queue=self.queue, record_id=pk, place=place, known=told.known)
        self._settle(task, told.stands, submitted)
        return task

    def _settle(self, task: Task, stands: dict[str, Any] | None, submitted: int) -> None:
        task.given = task.submitted = submitted
        task.wanted = max(self.queue.overlap, submitted)
        task.state = Task.State.OPEN
        task.answers, task.settled_note, task.settled_at = {}, "", None
        if submitted >= task.wanted:
            task.state = Task.State.DISPUTED if stands is None else Task.State.DONE
        if task.state == Task.State.DONE:
            task.answers, task.settled_note, task.settled_at = stands or {}, NOTE, timezone.now()

    def _store(self, annotations: list[Annotation], suggestions: list[Suggestion]) -> None:
        Annotation.objects.bulk_create(annotations, batch_size=200)
        Suggestion.objects.bulk_create(
            suggestions, update_conflicts=True, unique_fields=["record", "question", "source"],
            update_fields=["value", "score"], batch_size=200,
        )  # fmt: skip
        names = {State.SUBMITTED: "annotations", State.SKIPPED: "skipped", State.EXPIRED: "drafts"}
        self.counts.update(names[State(one.state)] for one in annotations)
        self.counts["suggestions"] += len(suggestions)

    def _suggestions(self, pk: int, told: Told) -> list[Suggestion]:
        """One stands for a question and model: of several the last."""
        found: dict[tuple[int, str], Suggestion] = {}
        for one in told.suggestions:
            one.record_id = pk
            if (one.question_id, one.source) in found:
                told.left.leave("second-suggestion", f"{one.source} answered twice: the last one counts.", one.value)
            found[one.question_id, one.source] = one
        return list(found.values())

    # --- what was moved before ----------------------------------------------------------------------

    def _write_again(self, rows: list[Good], there: dict[str, int]) -> int:
        """Add what is missing to records that are there. Returns how many got something; the others are skipped."""
        pks = {there[row[2][KEY]] for row in rows}
        tasks = {task.record_id: task for task in Task.objects.filter(record__in=pks).order_by("pk")}
        given: dict[int, list[Annotation]] = {pk: [] for pk in pks}
        for one in Annotation.objects.filter(record__in=pks).order_by("pk"):
            given[one.record_id].append(one)
        updated = 0
        for row in rows:
            pk, told = there[row[2][KEY]], self.told[row[0]]
            if pk not in tasks:
                tasks[pk] = Task.objects.create(queue=self.queue, record_id=pk, place=pk, wanted=self.queue.overlap)
            if self._add(tasks[pk], given[pk], told):
                updated += 1
                self._report(row)
            else:
                problem = Problem("unchanged", f"Record {pk} was moved before and has all of this already.")
                self._issue(row[0], Outcome.SKIPPED, problem, row[2][PREVIEW], row[4])
        return updated

    def _add(self, task: Task, there: list[Annotation], told: Told) -> bool:
        known_suggestions = set(Suggestion.objects.filter(record=task.record_id).values_list("question_id", "source"))
        suggestions = [
            one
            for one in self._suggestions(task.record_id, told)
            if (one.question_id, one.source) not in known_suggestions
        ]
        ids, names = {one.user_id for one in there} - {None}, {one.author for one in there if one.source}
        new = [one for one in told.annotations if one.user_id not in ids and one.author not in names]
        for one in new:
            one.task, one.record_id = task, task.record_id
        self._store(new, suggestions)
        there += new
        added = [one for one in new if one.state == State.SUBMITTED]
        if added:
            self._settle_again(task, there, len(added), told)
        return bool(new or suggestions)

    def _settle_again(self, task: Task, there: list[Annotation], added: int, told: Told) -> None:
        """More answers than before: a task that people settled here stays settled, any other is looked at anew."""
        rows = Task.objects.filter(pk=task.pk)
        rows.update(given=F("given") + added, submitted=F("submitted") + added)
        if task.state != Task.State.DONE or (task.settled_note == NOTE and task.settled_by_id is None):
            submitted = [one.answers for one in there if one.state == State.SUBMITTED]
            held = sum(one.state == State.OPEN for one in there)
            self._settle(task, self._standing(submitted, task.known or told.known), len(submitted))
            task.known = task.known or told.known
            task.given += held
            task.save()

    # --- what has no place -----------------------------------------------------------------------------

    def _report(self, row: Good) -> None:
        """List and count what of a task could not be taken over, all of it in one line of the ledger."""
        line, _, _, _, file = row
        left = self.told[line].left.left if line in self.told else []
        if not left:
            return
        for one in left:
            if one.code in self.left or len(self.left) < MOST_CODES:
                self.left.setdefault(one.code, [0, one.message[:300]])[0] += 1
        sentences = " ".join(dict.fromkeys(one.message for one in left))
        raw = orjson.dumps([dataclasses.asdict(one) for one in left], option=orjson.OPT_NON_STR_KEYS).decode()
        self._issue(line, Outcome.PARTLY, Problem(left[0].code, sentences), raw, file)


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
