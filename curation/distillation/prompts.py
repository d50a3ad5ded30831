"""Prompts of a distillation: what is sent to the teacher about a record, and the conversation stored with the answer."""

import json
import keyword
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import tee
from typing import Any, NamedTuple, Self

from django.core.exceptions import ValidationError

from curation.calls import CallOutcome
from curation.chat import Answer, answer_message, text_of
from curation.distillation import templates
from curation.models import Dataset, Distillation, Generation, Record
from curation.records import derived
from curation.tool_calls import as_text

LOOKED_AT = 50  # records, to learn the columns of a dataset
TRIED_SECONDS = 10.0  # so long are prompts tried out before a start


class UnusableGeneration(Exception):
    """A row without a record. `outcome` is failed or skipped, the message gives the reason, `flaw` that of its answer.

    `costly`: its template took more time or memory than it may.
    """

    def __init__(self, outcome: str, message: str, costly: bool = False, flaw: str = "") -> None:
        super().__init__(message)
        self.outcome, self.costly, self.flaw = outcome, costly, flaw


def columns_of(record: Record) -> dict[str, Any]:
    """Return the columns that a template may name: metadata, the source's columns, the last prompt and answer of a
    conversation.
    """
    named: dict[str, Any] = {**record.metadata, **record.fields}
    if record.messages:
        for name, role in (("prompt", "user"), ("answer", "assistant")):
            texts = [text_of(message) for message in record.messages if message.get("role") == role]
            named.setdefault(name, texts[-1] if texts else "")
        named.setdefault("conversation", "\n\n".join(f"{m.get('role')}: {text_of(m)}" for m in record.messages))
    return named


def refuse_unfit(template: str, records: list[Record]) -> None:
    """Raise ValidationError if the template fails for every one of these records, or takes too much for any of them."""
    reason, until = "", time.monotonic() + TRIED_SECONDS
    with trying(), templates.Template(template) as filled:
        prompts = list(tried(filled.render_all(map(columns_of, records)), until))
    for prompt in prompts:
        if not isinstance(prompt, templates.PromptError):
            return
        reason = reason or str(prompt)
    if reason:
        raise ValidationError(
            {"template": f"The template fails for each of the first {len(records)} records. {reason}"}
        )


@contextmanager
def trying() -> Iterator[None]:
    """Turn an error of a template into a ValidationError at its field of a form."""
    try:
        yield
    except templates.PromptError as error:
        raise ValidationError({"template": str(error)}) from error


def tried(prompts: Iterator[Any], until: float) -> Iterator[Any]:
    """Yield prompts that are tried out in a request.

    Raises ValidationError for the first that takes too much, or when all of them together take too long.
    """
    for prompt in prompts:
        if isinstance(prompt, templates.PromptTooCostly) or (isinstance(prompt, UnusableGeneration) and prompt.costly):
            raise ValidationError({"template": str(prompt)})
        if time.monotonic() > until:
            raise ValidationError(
                {
                    "template": f"The template takes more than {TRIED_SECONDS:.0f} seconds for a few records. Simplify it."
                }
            )
        yield prompt


class Prompter:
    """Writes prompts and records for one distillation; a context manager, because a child process renders the template.

    `look` is called while a prompt is waited for, and may raise. Raises prompts.PromptError.
    """

    def __init__(self, job: Distillation, look: Callable[[], object] | None = None) -> None:
        self.job = job
        self.template = templates.Template(job.template, look)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.template.close()

    def prompts_for(self, records: Iterable[Record | None]) -> Iterator[list[dict[str, Any]] | UnusableGeneration]:
        """Yield the messages for the teacher about each record, or why there are none.

        They are rendered ahead of the consumer.
        """
        records, there = tee(records)
        prompts = self.template.render_all(columns_of(record) for record in there if not _is_gone(record))
        for record in records:
            if _is_gone(record):
                yield UnusableGeneration(Generation.Outcome.SKIPPED, "The record was deleted.")
            else:
                yield self._messages(next(prompts))

    def _messages(self, prompt: str | templates.PromptError) -> list[dict[str, Any]] | UnusableGeneration:
        if isinstance(prompt, templates.PromptError):
            costly = isinstance(prompt, templates.PromptTooCostly)
            return UnusableGeneration(Generation.Outcome.FAILED, str(prompt), costly)
        if not (prompt := prompt.strip()):
            return UnusableGeneration(
                Generation.Outcome.SKIPPED, "The template produces an empty prompt for this record."
            )
        system = [{"role": "system", "content": self.job.system_prompt}] if self.job.system_prompt.strip() else []
        return [*system, {"role": "user", "content": prompt}]

    def record(self, outcome: CallOutcome[Generation]) -> Record:
        """Return the record for a good answer. Raises UnusableGeneration for an answer that must not be learned from."""
        answer = outcome.answer
        if answer is None:
            raise UnusableGeneration(Generation.Outcome.FAILED, outcome.error)
        if flaw := flaw_of(answer):
            raise UnusableGeneration(Generation.Outcome.FAILED, flaw.sentence, flaw=flaw.name)
        return self._record(outcome.unit, answer)

    def _record(self, unit: Generation, answer: Answer) -> Record:
        job, source, is_sure = self.job, unit.record, not answer.is_refusal
        assert source is not None  # noqa: S101 - it was there when the prompt was made, and is held since
        system = [{"role": "system", "content": job.student_prompt}] if job.student_prompt.strip() else []
        thoughts = answer.reasoning if job.keep_thoughts else ""
        messages = [*system, unit.prompt[-1], answer_message(answer.text.strip(), thoughts)]
        record = Record(
            dataset=job.target,
            fields=source.fields,
            messages=messages,
            metadata=source.metadata,
            key=source.key,
            source=source,
            source_group=source.source_group,
            split=source.split,
            # What reads like a refusal is left for a person.
            status=Record.Status.ACCEPTED if job.mark_accepted_by and is_sure else Record.Status.NEW,
            reviewed_note=job.mark_accepted_by if is_sure else "",
            origin=f"written by {job.teacher_name} in {job.name}"[:200],
        )
        return derived.complete(record, job.target)


class AnswerFlaw(NamedTuple):
    """What keeps an answer from becoming a record: its name, and the sentence of the row."""

    name: str
    sentence: str


def flaw_of(answer: Answer) -> AnswerFlaw | None:
    """Return why an answer must not be learned from; None for one that may."""
    if answer.finish_reason in ("length", "max_tokens"):
        return AnswerFlaw(
            Generation.Flaw.HALF,
            f"The answer was cut off after {answer.completion_tokens} tokens. Start a new distillation with more “Max tokens” for these records.",
        )
    if answer.refusal:
        return AnswerFlaw(Generation.Flaw.REFUSAL, f"The teacher refuses to answer: {answer.refusal.strip()[:300]}")
    if answer.tool_calls:
        return AnswerFlaw(
            Generation.Flaw.HALF,
            f"The teacher called a tool instead of answering: {as_text(answer.tool_calls)[:300]}. A distillation offers none.",
        )
    if not answer.is_whole:
        return AnswerFlaw(Generation.Flaw.HALF, f"{answer.half_reason} No record was made of it.")
    if not answer.text.strip():
        thought = " It has only thoughts." if answer.reasoning.strip() else ""
        return AnswerFlaw(Generation.Flaw.BLANK, f"The teacher's answer is empty.{thought}")
    if answer.is_blank:
        return AnswerFlaw(Generation.Flaw.BLANK, "The teacher's answer has only characters that cannot be seen.")
    return None


def notes_on(answer: Answer, keep_thoughts: bool = False) -> str:
    """Return what a row says about an answer that became a record; mostly nothing."""
    notes = []
    if answer.is_refusal:
        notes.append("The answer reads like a refusal. Review it before it is learned from.")
    if answer.reasoning.strip() and not keep_thoughts:
        notes.append("The teacher's thoughts are kept here and left out of the record.")
    return " ".join(notes)


def _is_gone(record: Record | None) -> bool:
    return record is None or record.deleted_at is not None


def columns_in(dataset: Dataset) -> list[dict[str, str]]:
    """Return what templates can name in a dataset: each with the text to insert and an example, from its first records."""
    examples: dict[str, str] = {}
    for record in dataset.records.present().order_by("pk")[:LOOKED_AT]:
        for name, value in columns_of(record).items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            examples[name] = examples.get(name) or text[:120]
    return [{"name": name, "insert": insertion(name), "example": example} for name, example in examples.items()]


def insertion(name: str) -> str:
    """Return how a template names a column, whatever is in its name."""
    if name.isidentifier() and not keyword.iskeyword(name) and name != "row":
        return "{{ " + name + " }}"
    return "{{ row[" + json.dumps(name, ensure_ascii=False) + "] }}"


def suggested_template(dataset: Dataset) -> str:
    """Return a template with the column of the longest texts, most often the one to be rewritten.

    Of conversations, the user's prompt.
    """
    if dataset.kind == Dataset.Kind.CONVERSATIONS:
        return insertion("prompt")
    lengths: dict[str, int] = {}
    for record in dataset.records.present().order_by("pk")[:LOOKED_AT]:
        for name, value in record.fields.items():
            lengths[name] = lengths.get(name, 0) + (len(value) if isinstance(value, str) else 0)
    return insertion(max(lengths, key=lambda name: lengths[name])) if lengths else ""
