"""Inference's part in an erasure: answers to erased records, and the turns of comparisons that came from or became one."""

from typing import Any

from django.db.models import Q, QuerySet

from atelier.jobs.claims import Claim, JobFailed
from curation.erasures import remains, tally
from curation.erasures.contents import WHY
from curation.erasures.remains import Holder
from curation.models import Erasure, Record
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
    busy = Evaluation.objects.filter(status=Evaluation.Status.RUNNING, answers__in=answers).first()
    with claim.writing():
        pks = list(turns.exclude(prompt="").distinct().values_list("pk", flat=True))
        Reply.objects.filter(turn__in=pks).update(text="", reasoning="", tool_calls=[], refusal="", error="")
        Turn.objects.filter(pk__in=pks).update(prompt="")
        count = _empty(answers.exclude(evaluation__status=Evaluation.Status.RUNNING))
        tally.add(claim, evaluation_answers=count, turns_of_comparisons=len(pks))
    if busy is not None:
        raise JobFailed(f"{busy.title} is asking about an erased record. Pause it or wait until it ends, then retry.")


def _empty(answers: "QuerySet[EvaluationAnswer]") -> int:
    rows = list(answers.only("pk", "verdicts", "outcome"))
    for row in rows:
        for name, value in TOLD.items():
            setattr(row, name, value)
        row.verdicts = [{"rule": verdict.get("rule"), "ok": verdict.get("ok"), "why": ""} for verdict in row.verdicts]
        if row.outcome in (Outcome.PENDING, Outcome.FAILED):
            row.outcome = Outcome.SKIPPED
    EvaluationAnswer.objects.bulk_update(rows, [*TOLD, "verdicts", "outcome"], batch_size=200)
    return len(rows)
