"""The inner part of moving over: batches of tasks into records with their annotations, suggestions and places in the queue.

Each batch is one transaction with its counters, as with every import. What was moved before gets only what it lacks.
"""

import dataclasses
import random
from collections import Counter
from types import ModuleType
from typing import Any

import orjson
from django.db.models import F
from django.utils import timezone

from atelier.accounts.models import User
from curation import import_rows
from curation.chat import Problem
from curation.formats import Row
from curation.formats.moves import Asked
from curation.import_rows import COLUMNS, KEY, Good
from curation.models import Annotation, Change, Import, ImportIssue, Question, Queue, Record, Suggestion, Task
from curation.moving_tasks import Reader, Told

State, Outcome = Annotation.State, ImportIssue.Outcome
SIZE = 100  # tasks in a batch: each writes some ten rows
NOTE = "as it stood where it was moved from"
ORIGIN = "moved from"
MOST_CODES = 100
LABELS, REVISION, PREVIEW = (COLUMNS.index(name) for name in ("labels", "revision", "preview"))


class Batch(import_rows.Batch):
    """Tasks on their way in. Beside the records of any import it writes what people and models said of them."""

    def __init__(
        self, job: Import, tool: ModuleType, queue: Queue, asked: list[Asked], made: dict[str, Question],
        people: dict[str, User | None],
    ) -> None:  # fmt: skip
        super().__init__(job)
        self.tool, self.queue = tool, queue
        self.reader = Reader(tool, queue, asked, made, people)
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
        told = self.reader.tell(row.task, draft)
        self.told[row.line] = told
        line, digest, found, text, file = self._of(self.reader.edited(draft, told), row, now)
        changed = list(found)
        changed[LABELS] = orjson.dumps(self.reader.labels(told.stands or {})).decode()
        changed[REVISION] = 2 if told.change else 1
        return line, digest, tuple(changed), text, file

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
                told.change.record_id, told.change.dataset_id = pk, self.job.dataset_id
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
            self._settle(task, self.reader.standing(submitted, task.known or told.known), len(submitted))
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
