"""What a distillation asks about a record, and the conversation that is kept of the answer."""

import json
import keyword
from typing import Any

from django.core.exceptions import ValidationError

from curation import contents, prompts
from curation.calls import Outcome
from curation.chat import text_of
from curation.models import Dataset, Distillation, Generation, Record

LOOKED_AT = 50  # records, to learn the columns of a dataset


class Unusable(Exception):
    """A row that gets no record. `outcome` says whether it failed or was skipped, the message why."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def columns_of(record: Record) -> dict[str, Any]:
    """What a template may name: metadata, the source's columns, and of conversations the last prompt and answer."""
    named: dict[str, Any] = {**record.metadata, **record.fields}
    if record.messages:
        for name, role in (("prompt", "user"), ("answer", "assistant")):
            said = [text_of(message) for message in record.messages if message.get("role") == role]
            named.setdefault(name, said[-1] if said else "")
        named.setdefault("conversation", "\n\n".join(f"{m.get('role')}: {text_of(m)}" for m in record.messages))
    return named


def _context(record: Record) -> dict[str, Any]:
    """The columns by their names, and all of them in `row` for names that Jinja cannot write."""
    named = columns_of(record)
    return {**named, "row": named}


def refuse_unfit(template: str, records: list[Record]) -> None:
    """Raises ValidationError, with the first reason, when the template fails for every one of these records."""
    made, reason = prompts.Template(template), ""
    for record in records:
        try:
            made.render(_context(record))
        except prompts.PromptError as error:
            reason = reason or str(error)
        else:
            return
    if reason:
        raise ValidationError({"template": f"It fails for each of the first {len(records)} records. {reason}"})


class Author:
    """Writes prompts and records for one distillation."""

    def __init__(self, job: Distillation) -> None:
        self.job = job
        self.template = prompts.Template(job.template)

    def prompt(self, record: Record | None) -> list[dict[str, Any]]:
        """The messages for the teacher. Raises Unusable."""
        if record is None or record.deleted_at is not None:
            raise Unusable(Generation.Outcome.SKIPPED, "The record was deleted.")
        try:
            asked = self.template.render(_context(record)).strip()
        except prompts.PromptError as error:
            raise Unusable(Generation.Outcome.FAILED, str(error)) from error
        if not asked:
            raise Unusable(Generation.Outcome.SKIPPED, "The template gives an empty prompt for this record.")
        system = [{"role": "system", "content": self.job.system_prompt}] if self.job.system_prompt.strip() else []
        return [*system, {"role": "user", "content": asked}]

    def record(self, unit: Generation, outcome: Outcome) -> Record:
        """The record for a good answer. Raises Unusable for one that must not be learned from."""
        answer = outcome.answer
        if answer is None:
            raise Unusable(Generation.Outcome.FAILED, outcome.error)
        if answer.finish_reason == "length":
            raise Unusable(
                Generation.Outcome.FAILED,
                f"The answer was cut off after {answer.completion_tokens} tokens: allow more, then retry.",
            )
        if not answer.text.strip():
            raise Unusable(Generation.Outcome.FAILED, "The teacher's answer is empty.")
        return self._record(unit, answer.text.strip())

    def _record(self, unit: Generation, answer: str) -> Record:
        job, source = self.job, unit.record
        assert source is not None  # noqa: S101 - it was there when the prompt was made, and is held since
        system = [{"role": "system", "content": job.student_prompt}] if job.student_prompt.strip() else []
        messages = [*system, unit.prompt[-1], {"role": "assistant", "content": answer}]
        record = Record(
            dataset=job.target,
            fields=source.fields,
            messages=messages,
            metadata=source.metadata,
            key=source.key,
            source=source,
            source_group=source.source_group,
            split=source.split,
            status=Record.Status.ACCEPTED if job.mark_accepted_by else Record.Status.NEW,
            reviewed_note=job.mark_accepted_by,
            origin=f"written by {job.teacher_name} in {job.name}"[:200],
        )
        return contents.complete(record, job.target)


def columns_in(dataset: Dataset) -> list[dict[str, str]]:
    """What templates can name in a dataset: each with what to insert and an example, from its first records."""
    found: dict[str, str] = {}
    for record in dataset.records.present().order_by("pk")[:LOOKED_AT]:
        for name, value in columns_of(record).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            found[name] = found.get(name) or text[:120]
    return [{"name": name, "insert": insertion(name), "example": example} for name, example in found.items()]


def insertion(name: str) -> str:
    """How a template names a column, whatever is in its name."""
    if name.isidentifier() and not keyword.iskeyword(name) and name != "row":
        return "{{ " + name + " }}"
    return "{{ row[" + json.dumps(name, ensure_ascii=False) + "] }}"


def suggested_template(dataset: Dataset) -> str:
    """The column with the longest texts: most often what is to be rewritten. Of conversations, what the user asked."""
    if dataset.kind == Dataset.Kind.CONVERSATIONS:
        return insertion("prompt")
    lengths: dict[str, int] = {}
    for record in dataset.records.present().order_by("pk")[:LOOKED_AT]:
        for name, value in record.fields.items():
            lengths[name] = lengths.get(name, 0) + (len(value) if isinstance(value, str) else 0)
    return insertion(max(lengths, key=lambda name: lengths[name])) if lengths else ""
