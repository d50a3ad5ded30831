"""Inference's part in an erasure: answers to erased records, and the turns of comparisons that came from or became one."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Max, Q, QuerySet

from atelier.jobs.claims import Claim, JobFailed
from curation.erasures import remains, tally
from curation.erasures.contents import WHY
from curation.erasures.remains import Holder
from curation.models import ErasedRecord, Erasure, Record
from inference.models import Evaluation, EvaluationAnswer, Reply, Turn

Outcome = EvaluationAnswer.Outcome
TOLD: dict[str, Any] = {
    "prompt": [], "tools": [], "reference": "", "reference_calls": [], "text": "", "tool_calls": [], "calls_why": "",
    "reason": WHY,
}  # fmt: skip


def register() -> None:
    remains.register(Holder(erase))


def erase(claim: Claim[Erasure]) -> None:
    """Empty the texts of answers and turns; scores that were computed from them stay. Raises JobFailed while one is asked."""
    records = Record.objects.filter(erased__erasure=claim.job)
    answers = EvaluationAnswer.objects.filter(record__in=records).exclude(**TOLD)
    turns = Turn.objects.filter(Q(source__in=records) | Q(replies__record__in=records) | Q(votes__record__in=records))
    running = Evaluation.objects.filter(status=Evaluation.Status.RUNNING)
    replaced = claim.job.files.aggregate(last=Max("at"))["last"]
    # One that began before the files were replaced may still be writing down what it will ask.
    reading = Q(version__in=claim.job.files.values("version"), started_at__lte=replaced) if replaced else Q(pk=None)
    busy = running.filter(Q(pk__in=answers.values("evaluation")) | reading).first()
    with claim.writing():
        pks = list(turns.exclude(prompt="").distinct().values_list("pk", flat=True))
        # Whoever is still writing one finds that it is no longer theirs.
        unfinished = Reply.objects.filter(turn__in=pks, state__in=[Reply.State.WAITING, Reply.State.STREAMING])
        unfinished.update(state=Reply.State.STOPPED, seen_at=None)
        Reply.objects.filter(turn__in=pks).update(text="", reasoning="", tool_calls=[], refusal="", error="")
        Turn.objects.filter(pk__in=pks).update(prompt="")
        count = _empty(answers.exclude(evaluation__status=Evaluation.Status.RUNNING))
        tally.add(claim, evaluation_answers=count, turns_of_comparisons=len(pks))
    if busy is not None:
        raise JobFailed(
            f"{busy.title} may be asking about an erased record. Pause it or wait until it ends, then retry."
        )


def _empty(answers: "QuerySet[EvaluationAnswer]") -> int:
    rows = list(answers.only("pk", "verdicts", "outcome"))
    for row in rows:
        forget(row)
    EvaluationAnswer.objects.bulk_update(rows, [*TOLD, "verdicts", "outcome"], batch_size=200)
    return len(rows)


def forget(row: EvaluationAnswer) -> None:
    """Empty an answer, unsaved; one that waits, or may be asked again, is skipped from now on."""
    for name, value in TOLD.items():
        setattr(row, name, value)
    row.verdicts = [{"rule": verdict.get("rule"), "ok": verdict.get("ok"), "why": ""} for verdict in row.verdicts]
    if row.outcome in (Outcome.PENDING, Outcome.FAILED):
        row.outcome = Outcome.SKIPPED


def forget_erased(rows: Iterable[EvaluationAnswer]) -> None:
    """Empty those of these answers, not saved yet, whose record was erased after its row was read from a version's file."""
    by_record: dict[int | None, list[EvaluationAnswer]] = {}
    for row in rows:
        by_record.setdefault(row.record_id, []).append(row)
    for pk in ErasedRecord.objects.filter(record__in=by_record.keys() - {None}).values_list("record", flat=True):
        for row in by_record[pk]:
            forget(row)
