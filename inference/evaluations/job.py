"""The job of an evaluation: several endpoints answer a version's split. The ledger has one row for each answer.

Answers are stored, judged and counted as they come; a run that was killed requests only what is missing.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.core.exceptions import ValidationError

from atelier.accounts.rules import rules_of
from atelier.jobs.claims import Claim, JobCancelled, JobFailed, JobPaused, TurnYielded
from curation.answers import is_blank, sounds_like_refusal
from curation.calls import CallOutcome, CallRun, Calls, Question
from curation.chat import Answer, Sampling
from curation.scoring import RuleSet, sentence_chrf
from curation.tool_calls import difference
from inference.clients import EndpointClient
from inference.endpoints import RetryingClient
from inference.evaluations import ledger, scores
from inference.models import Endpoint, Evaluation, EvaluationAnswer

PAUSE_SECONDS = 60.0  # who pauses waits so long for answers in flight, which are paid for
ATTEMPTS = 4
RETRY_SECONDS = 60.0
FAILURES_IN_A_ROW = 10
STORED = [
    "outcome", "reason", "text", "tool_calls", "calls_right", "calls_why", "flaw", "is_cut", "finish_reason", "verdicts", "broken",
    "chrf", "prompt_tokens", "completion_tokens", "seconds",
]  # fmt: skip

NO_ANSWER = {
    EvaluationAnswer.Flaw.BLANK: "The answer is empty.",
    EvaluationAnswer.Flaw.REFUSAL: "The model refuses to answer.",
}

Outcome = EvaluationAnswer.Outcome
ClientFor = Callable[[Endpoint], EndpointClient]


def run(claim: Claim[Evaluation], client_for: ClientFor) -> None:
    """Request every answer that is missing, then compute the scores. Raises JobFailed."""
    evaluation = claim.job
    try:
        rules = rules_of(evaluation.rules)
        ledger.plan(claim)
        endpoints = {endpoint.pk: endpoint for endpoint in evaluation.endpoints.select_related("deployment", "adapter")}
        waiting = set(evaluation.answers.filter(outcome=Outcome.PENDING).values_list("endpoint_id", flat=True))
        clients = {
            pk: RetryingClient(client_for(endpoints[pk]), ATTEMPTS, RETRY_SECONDS, endpoint=endpoints[pk])
            for pk in waiting
        }
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    with Calls(clients, Sampling.from_json(evaluation.sampling)) as calls:
        EvaluationRun(claim, calls, endpoints, rules).run()
    counts = ledger.counts(evaluation)
    claim.update(line="Computing the scores")
    found = scores.count(evaluation, rules)
    line = f"{counts[Outcome.OK]} answers scored"
    for outcome in (Outcome.FAILED, Outcome.SKIPPED):
        line += f", {counts[outcome]} {outcome}" if counts[outcome] else ""
    claim.update(scores=found, line=line)


class EvaluationRun(CallRun[EvaluationAnswer]):
    """The calls of one run: so many in flight for each endpoint, their answers judged and stored as they come."""

    PATIENCE = {TurnYielded: math.inf, JobPaused: PAUSE_SECONDS, JobFailed: 0.0, JobCancelled: 0.0}

    def __init__(
        self, claim: Claim[Evaluation], calls: Calls[Any], endpoints: dict[int, Endpoint], rules: RuleSet | None
    ) -> None:
        super().__init__(calls, claim.job)
        self.claim, self.endpoints, self.rules = claim, endpoints, rules
        self.pending = {pk: self._pending(pk) for pk in calls.clients}
        self.failures: dict[int, list[str]] = {pk: [] for pk in calls.clients}  # in a row: why

    def _pending(self, endpoint: int) -> Iterator[EvaluationAnswer]:
        """All of one endpoint's waiting answers, read from the ledger in pages."""
        rows = self.claim.job.answers.filter(endpoint_id=endpoint, outcome=Outcome.PENDING).order_by("row")
        last = 0
        while page := list(rows.filter(row__gt=last)[: ledger.LEDGER_BATCH]):
            yield from page
            last = page[-1].row

    def _next(self, client: int, until: float) -> Question[EvaluationAnswer] | None:
        answer = next(self.pending[client], None)
        return None if answer is None else Question(answer, answer.prompt, answer.tools)

    def _store(self, outcomes: list[CallOutcome[EvaluationAnswer]]) -> None:
        if not outcomes:
            return
        for outcome in outcomes:
            self._settle(outcome)
            judge(outcome.unit, self.rules)
        with self.claim.writing(done=self.claim.job.done + len(outcomes)):
            EvaluationAnswer.objects.bulk_update([outcome.unit for outcome in outcomes], STORED)

    def _settle(self, outcome: CallOutcome[EvaluationAnswer]) -> None:
        """Write an outcome into its row of the ledger."""
        unit, answer = outcome.unit, outcome.answer
        if answer is None:
            unit.outcome, unit.reason = Outcome.FAILED, outcome.error[:500]
            self.failures[unit.endpoint_id].append(unit.reason)
            return
        unit.outcome, unit.text, unit.tool_calls = Outcome.OK, answer.text, list(answer.tool_calls)
        unit.flaw = flaw_of(answer, unit)
        if not unit.text and answer.refusal:
            unit.text = answer.refusal  # so that people read what it said instead
        unit.is_cut, unit.finish_reason = not answer.is_whole, answer.finish_reason[:40]
        unit.prompt_tokens, unit.completion_tokens = answer.prompt_tokens, answer.completion_tokens
        unit.seconds = outcome.seconds  # of the call that answered, waits before it left out
        self.failures[unit.endpoint_id].clear()

    def _obey(self) -> None:
        self.claim.progress()

    def _check(self) -> None:
        for pk, reasons in self.failures.items():
            if len(reasons) >= FAILURES_IN_A_ROW:
                raise JobFailed(
                    f"{self.endpoints[pk].name} keeps failing. The last error: {reasons[-1]} Fix the problem, then retry."
                )


def flaw_of(answer: Answer, unit: EvaluationAnswer) -> str:
    """Return what makes an answer none: it is empty, or a refusal where the reference doesn't refuse; empty for a good one."""
    if answer.refusal or (answer.is_refusal and not sounds_like_refusal(unit.reference)):
        return EvaluationAnswer.Flaw.REFUSAL
    return EvaluationAnswer.Flaw.BLANK if answer.is_blank else ""


def judge(answer: EvaluationAnswer, rules: RuleSet | None) -> None:
    """Judge an answer: store the verdict of every rule, the chrF against the reference, and whether its calls are right.

    Text is judged where one is to be written: not where the reference is a call alone. An answer that is none follows no
    rule, for silence would follow most of them.
    """
    if answer.outcome != Outcome.OK:
        return
    if answer.tools or answer.reference_calls:
        answer.calls_why = difference(answer.reference_calls, answer.tool_calls)
        answer.calls_right = not answer.calls_why
    is_text = not (answer.reference_calls and is_blank(answer.reference))
    answer.verdicts = _verdicts(answer, rules) if rules and is_text else []
    answer.broken = "".join(f"|{verdict['rule']}" for verdict in answer.verdicts if not verdict["ok"])
    answer.broken += "|" if answer.broken else ""
    said = "" if answer.flaw or is_blank(answer.text) else answer.text
    answer.chrf = sentence_chrf(said, answer.reference) if answer.reference and is_text else None


def _verdicts(answer: EvaluationAnswer, rules: RuleSet) -> list[dict[str, Any]]:
    why = NO_ANSWER.get(answer.flaw) or ("A tool was called, and nothing written." if is_blank(answer.text) else "")
    if why:
        return [{"rule": rule.id, "ok": False, "why": why} for rule in rules.rules]
    return [
        {"rule": verdict.rule_id, "ok": verdict.ok, "why": " ".join(filter(None, (verdict.why, verdict.excerpt)))}
        for verdict in rules.judge(answer.text)
    ]
