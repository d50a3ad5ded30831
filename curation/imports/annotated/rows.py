"""Batches of an import from another annotation tool: tasks into records with annotations, suggestions and places in the queue.

Each batch is one transaction with its counters, as with every import. What was imported before gets only what it lacks.
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
from curation.chat import Problem
from curation.formats import SourceRow
from curation.formats.annotation_tools.annotations import ToolQuestion
from curation.imports import rows as import_rows
from curation.imports.annotated.tasks import TaskContents, TaskReader
from curation.imports.batches import ImportedRow, RowBatch
from curation.imports.columns import labels as labels_of
from curation.models import (
    Annotation,
    Change,
    Import,
    ImportIssue,
    Question,
    Queue,
    Record,
    SpanTrail,
    Suggestion,
    Task,
)
from curation.models.imports import NOTHING_NEW
from curation.records import spans

State, Outcome, Holder = Annotation.State, ImportIssue.Outcome, SpanTrail.Holder
SIZE = 100  # tasks in a batch: each writes some ten rows
NOTE = "as in the other tool"
ORIGIN = "moved from"
MOST_CODES = 100
LostSpans = tuple[Question, list[spans.Span], str, Annotation | None, str]  # of which text, of whose answer


class TaskWriter:
    """Tasks as records, and what people and models said of them beside these."""

    asks_database = True

    def __init__(
        self, job: Import, tool: ModuleType, queue: Queue, tool_questions: list[ToolQuestion], made: dict[str, Question],
        people: dict[str, User | None],
    ) -> None:  # fmt: skip
        self.job, self.tool, self.queue, self.size = job, tool, queue, SIZE
        self.origin = f"{ORIGIN} {tool.NAME}, {job.original_name}"[:200]
        self.reader = TaskReader(tool, queue, tool_questions, made, people)
        state = job.source["moving"]
        self.counts: Counter[str] = Counter(state.get("counts", {}))
        self.left: dict[str, list[Any]] = {code: list(pair) for code, pair in state.get("left", {}).items()}

    def counters(self) -> dict[str, Any]:
        state = self.job.source["moving"] | {"counts": dict(self.counts), "left": self.left}
        return import_rows.counters(self.job) | {"source": self.job.source | {"moving": state}}

    # --- reading, without the database ---------------------------------------------------------------

    def read(self, batch: RowBatch, row: SourceRow) -> ImportedRow:
        draft = batch.draft(row)
        if row.task is None:
            return batch.ready(draft, row, orjson.dumps(labels_of(batch.mapping, row.data or {})).decode())
        draft.key = draft.key or draft.content_hash  # without an id its content is its name
        contents = self.reader.tell(row.task, draft)
        labels = self._labels(batch, row, contents)
        edited = self.reader.edited(draft, contents)
        contents.original = draft.content_hash if contents.change else ""
        return batch.ready(edited, row, orjson.dumps(labels).decode(), 2 if contents.change else 1, contents)

    def _labels(self, batch: RowBatch, row: SourceRow, contents: TaskContents) -> list[str]:
        """Return the labels that people agreed on, and those of the column that is mapped to labels. Raises RowError."""
        return sorted({*self.reader.labels(contents.stands or {}), *labels_of(batch.mapping, row.data or {})})

    # --- writing, inside the claim's transaction ----------------------------------------------------

    def write(self, batch: RowBatch) -> tuple[int, int]:
        originals = {row.line: row.contents.original for row in batch.rows if row.contents}
        batch.rows = import_rows.without_erased(batch, batch.rows, originals)
        there = self._moved_before(batch)
        first: dict[str, ImportedRow] = {}
        for row in batch.rows:
            first.setdefault(row.key, row)
        new = [row for key, row in first.items() if key not in there]
        batch.insert(new)
        pks = dict(
            Record.objects.filter(imported_by=self.job, import_line__in=[row.line for row in new])
            .order_by()
            .values_list("import_line", "pk")
        )
        self._write_new([(pks[row.line], row.contents) for row in new if row.contents])
        lines = {row.line for row in new}
        there |= {row.key: pks[row.line] for row in new}
        updated = self._write_again(batch, [row for row in batch.rows if row.line not in lines], there)
        for row in new:
            self._report(batch, row)
        return len(new), updated

    def _moved_before(self, batch: RowBatch) -> dict[str, int]:
        """Return the records of these tasks. One that merely has the same id came from elsewhere, and its task is refused."""
        records = (
            Record.objects.present()
            .filter(dataset=batch.dataset, key__in={row.key for row in batch.rows})
            .exclude(key="")  # no task is without one; said, so that SQLite takes its index
            .order_by("-pk")
        )
        there, others = {}, {}
        for key, pk, origin in records.values_list("key", "pk", "origin"):
            (there if origin.startswith(f"{ORIGIN} {self.tool.NAME}") else others)[key] = pk
        taken = {key: pk for key, pk in others.items() if key not in there}
        for row in [row for row in batch.rows if row.key in taken]:
            text = f"Record {taken[row.key]} has this ID but isn't a task of {self.tool.NAME}. Import into another dataset."
            batch.refuse(row.line, Outcome.FAILED, Problem("id-taken", text), row.preview, row.file)
        batch.rows = [row for row in batch.rows if row.key not in taken]
        return there

    def _write_new(self, rows: list[tuple[int, TaskContents]]) -> None:
        tasks = Task.objects.bulk_create([self._task(pk, contents) for pk, contents in rows])
        annotations, suggestions, changes = [], [], []
        for task, (pk, contents) in zip(tasks, rows, strict=True):
            for annotation in contents.annotations:
                annotation.task, annotation.record_id = task, pk
                annotations.append(annotation)
            suggestions += self._suggestions(pk, contents)
            if contents.change:
                contents.change.record_id, contents.change.dataset_id = pk, self.job.dataset_id
                changes.append(contents.change)
            self.counts.update(disputed=task.state == Task.State.DISPUTED, known=contents.known is not None)
        self._store(annotations, suggestions)
        Change.objects.bulk_create(changes)

    def _task(self, pk: int, contents: TaskContents) -> Task:
        submitted = sum(annotation.state == State.SUBMITTED for annotation in contents.annotations)
        place = pk if self.queue.order == Queue.Order.OLDEST else random.getrandbits(53)
        task = Task(queue=self.queue, record_id=pk, place=place, known=contents.known)
        self._settle(task, contents.stands, submitted)
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
        self.counts.update(names[State(annotation.state)] for annotation in annotations)
        self.counts["suggestions"] += len(suggestions)

    def _suggestions(self, pk: int, contents: TaskContents) -> list[Suggestion]:
        """Return the suggestions, one for each question and model: of several the last."""
        last: dict[tuple[int, str], Suggestion] = {}
        for suggestion in contents.suggestions:
            suggestion.record_id = pk
            if (suggestion.question_id, suggestion.source) in last:
                contents.left.leave(
                    "second-suggestion", f"{suggestion.source} has two answers; the last one counts.", suggestion.value
                )
            last[suggestion.question_id, suggestion.source] = suggestion
        return list(last.values())

    # --- what was moved before ----------------------------------------------------------------------

    def _write_again(self, batch: RowBatch, rows: list[ImportedRow], there: dict[str, int]) -> int:
        """Add what is missing to existing records. Returns how many got something; the others are skipped."""
        pks = {there[row.key] for row in rows}
        tasks = {task.record_id: task for task in Task.objects.filter(record__in=pks).order_by("pk")}
        annotations: dict[int, list[Annotation]] = {pk: [] for pk in pks}
        for annotation in Annotation.objects.filter(record__in=pks).order_by("pk"):
            annotations[annotation.record_id].append(annotation)
        updated = 0
        for row in rows:
            pk, contents = there[row.key], row.contents
            if pk not in tasks:
                tasks[pk] = Task.objects.create(queue=self.queue, record_id=pk, place=pk, wanted=self.queue.overlap)
            if self._add(tasks[pk], annotations[pk], contents):
                updated += 1
                self._report(batch, row)
            else:
                problem = Problem("unchanged", NOTHING_NEW.format(pk))
                batch.refuse(row.line, Outcome.SKIPPED, problem, row.preview, row.file)
        return updated

    def _add(self, task: Task, there: list[Annotation], contents: TaskContents) -> bool:
        known_suggestions = set(Suggestion.objects.filter(record=task.record_id).values_list("question_id", "source"))
        suggestions = [
            each
            for each in self._suggestions(task.record_id, contents)
            if (each.question_id, each.source) not in known_suggestions
        ]
        ids, names = {each.user_id for each in there} - {None}, {each.author for each in there if each.source}
        new = [each for each in contents.annotations if each.user_id not in ids and each.author not in names]
        for each in new:
            each.task, each.record_id = task, task.record_id
        lost = self._follow(task.record_id, contents, new, suggestions)
        self._store(new, suggestions)
        for question, spans_lost, text, annotation, source in lost:
            holder = Holder.SUGGESTION if annotation is None else Holder.ANNOTATION
            whose = None if annotation is None else annotation.pk
            spans.set_aside(task.record_id, question, spans_lost, text, whose, holder, source)
        there += new
        added = [each for each in new if each.state == State.SUBMITTED]
        if added:
            self._settle_again(task, there, len(added), contents)
        return bool(new or suggestions)

    def _follow(
        self, pk: int, contents: TaskContents, annotations: list[Annotation], suggestions: list[Suggestion]
    ) -> list[LostSpans]:
        """Move spans from the file's texts to the record's, which people may have edited since it was imported.

        Returns the spans that lost their words. A suggestion that has none left is taken out of the list.
        """
        questions = [question for question in self.reader.made.values() if question.kind == Question.Kind.SPANS]
        if not questions or contents.record is None or not (annotations or suggestions):
            return []
        record, lost = Record.objects.get(pk=pk), []
        for question in questions:
            text = spans.text_of(contents.record, question)
            if text == spans.text_of(record, question):
                continue
            for annotation in annotations:
                if marked := annotation.answers.pop(question.name, None):
                    kept, gone = spans.moved(question, marked, contents.record, record)
                    annotation.answers |= {question.name: kept} if kept else {}
                    lost.append((question, gone, text, annotation, ""))
                elif marked is not None:
                    annotation.answers[question.name] = marked
            if marked := (contents.known or {}).get(question.name):
                kept, gone = spans.moved(question, marked, contents.record, record)
                if gone:  # what is known must be all of it
                    del contents.known[question.name]  # type: ignore[index]
                else:
                    contents.known[question.name] = kept  # type: ignore[index]
            for suggestion in [each for each in suggestions if each.question_id == question.pk and each.value]:
                suggestion.value, gone = spans.moved(question, suggestion.value, contents.record, record)
                lost.append((question, gone, text, None, suggestion.source))
                if not suggestion.value:
                    suggestions.remove(suggestion)
        self.job.spans_aside += sum(len(gone) for _, gone, _, _, _ in lost)
        return lost

    def _settle_again(self, task: Task, there: list[Annotation], added: int, contents: TaskContents) -> None:
        """Settle a task with more answers than before.

        One that people settled here stays settled, any other is decided again.
        """
        rows = Task.objects.filter(pk=task.pk)
        rows.update(given=F("given") + added, submitted=F("submitted") + added)
        if task.state != Task.State.DONE or (task.settled_note == NOTE and task.settled_by_id is None):
            submitted = [annotation.answers for annotation in there if annotation.state == State.SUBMITTED]
            held = sum(annotation.state == State.OPEN for annotation in there)
            self._settle(task, self.reader.standing(submitted, task.known or contents.known), len(submitted))
            task.known = task.known or contents.known
            task.given += held
            task.save()
            spans.forget(task.record_id, Holder.FINAL)  # else a former text would bring back what is no longer final

    # --- what has no place -----------------------------------------------------------------------------

    def _report(self, batch: RowBatch, row: ImportedRow) -> None:
        """List and count what of a task could not be imported, all of it in one line of the ledger."""
        leftovers = row.contents.left.left if row.contents else []
        if not leftovers:
            return
        for leftover in leftovers:
            if leftover.code in self.left or len(self.left) < MOST_CODES:
                self.left.setdefault(leftover.code, [0, leftover.message[:300]])[0] += 1
        sentences = " ".join(dict.fromkeys(leftover.message for leftover in leftovers))
        raw = orjson.dumps(
            [dataclasses.asdict(leftover) for leftover in leftovers], option=orjson.OPT_NON_STR_KEYS
        ).decode()
        batch.refuse(row.line, Outcome.PARTLY, Problem(leftovers[0].code, sentences), raw, row.file)
