"""One attempt at a distillation: prompts written ahead, outcomes stored, the budget and people's wishes obeyed.

A call's outcome, the record made of it and the job's counts are stored in one transaction, and only then is its slot
free: a killed worker loses at most what was in flight, and nothing comes twice.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from django.utils import timezone

from atelier.characters import storable
from atelier.jobs.claims import Claim, JobCancelled, JobFailed, JobPaused, TurnYielded
from curation.calls import CallOutcome, CallRun, Calls, Question
from curation.chat import Message, Sampling
from curation.distillation import budget
from curation.distillation.budget import Prices
from curation.distillation.ledger import Totals
from curation.distillation.prompts import Prompter, UnusableGeneration, notes_on
from curation.distillation.templates import PromptError
from curation.models import Distillation, Generation, Record

PAGE = 256
OBEY_SECONDS = 1.0
HOPELESS = 50  # failures in a row, with no success between, after which it makes no sense to go on
COSTLY = 20  # templates in a row that take too much time or memory, after which the rest would as well
MOST_COST = Decimal("999999.999999")  # what the column holds
STORED = [
    "outcome", "reason", "prompt", "answer", "reasoning", "finish_reason", "flaw", "prompt_tokens", "completion_tokens",
    "cost", "seconds", "attempts", "result", "at",
]  # fmt: skip


class Attempt(CallRun[Generation]):
    """An attempt at a distillation: the calls in flight, what they may cost, and what waits to be stored."""

    # Who only hands the slot over waits for all calls in flight: they would be paid again each time.
    PATIENCE = {TurnYielded: math.inf, JobPaused: 60.0, JobFailed: 5.0, JobCancelled: 5.0}

    def __init__(
        self, claim: Claim[Distillation], calls: Calls[Generation], totals: Totals, prices: tuple[Decimal, Decimal]
    ) -> None:
        super().__init__(calls, claim.job)
        self.claim, self.job, self.totals, self.prices = claim, claim.job, totals, Prices(*prices)
        self.obeyed = time.monotonic()
        self.prompter = Prompter(self.job, self._obey)
        self.max_tokens = Sampling.from_json(self.job.sampling).max_tokens
        self.ready: deque[tuple[Generation, list[Message]]] = deque()
        self.reserved: dict[int, Decimal] = {}  # the most that each call in flight may cost
        self.settled: list[Generation] = []  # those that need no call
        self.prompts: Iterator[tuple[Generation, list[Message] | UnusableGeneration]] = iter(())
        self.last = 0
        self.blocked: Decimal | None = None  # what the next call may cost, when the budget does not allow it
        self.failures = 0  # in a row
        self.costly = 0  # prompts in a row

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.prompter.close()

    def _obey(self) -> None:
        if time.monotonic() - self.obeyed > OBEY_SECONDS:
            self.claim.obey()
            self.obeyed = time.monotonic()

    def _check(self) -> None:
        if self.failures >= HOPELESS:
            raise JobFailed(
                f"{self.failures} calls in a row failed, so the distillation was stopped. Fix the problem, then retry what failed."
            )
        if self.costly >= COSTLY:
            raise JobFailed(
                f"The template took too much time or memory for {self.costly} records in a row, so the distillation was stopped. Simplify the template in a new distillation."
            )

    def _is_over(self) -> bool:
        if not self.settled and self.blocked is not None:
            budget.pause(self.claim, self.totals.cost, self.blocked)
        return not self.settled

    def _next(self, client: int, until: float) -> Question[Generation] | None:
        self.blocked = None
        try:
            if not self._prepare(until):
                return None
        except PromptError as error:  # no process fills in templates any more
            raise JobFailed(str(error)) from error
        unit, messages = self.ready[0]
        most = self.prices.most(messages, self.max_tokens)
        committed = self.totals.cost + sum(self.reserved.values())
        if self.job.budget is not None and committed + most > self.job.budget:
            self.blocked = most
            return None
        self.reserved[unit.pk] = most
        return Question(*self.ready.popleft())

    def _prepare(self, until: float) -> bool:
        """Return whether a row is ready to be sent. Also False if after `until` there are rows to be stored first."""
        while not self.ready and len(self.settled) < PAGE and not (self.settled and time.monotonic() > until):
            if (pair := next(self.prompts, None)) is None:
                if not self._turn_page():
                    return False
                continue
            unit, prompt = pair
            if isinstance(prompt, UnusableGeneration):
                unit.outcome, unit.reason, unit.at = prompt.outcome, str(prompt)[:500], timezone.now()
                self.settled.append(unit)
                self.costly = self.costly + 1 if prompt.costly else 0
                if self.costly >= COSTLY:
                    return False
            else:
                unit.prompt, self.costly = prompt, 0
                self.ready.append((unit, prompt))
        return bool(self.ready)

    def _turn_page(self) -> bool:
        """Begin the next page of the ledger; return whether there is one."""
        pending = self.job.generations.filter(outcome=Generation.Outcome.PENDING, pk__gt=self.last)
        page = list(pending.select_related("record").order_by("pk")[:PAGE])
        if page:
            self.last = page[-1].pk
            self.prompts = zip(page, self.prompter.prompts_for([unit.record for unit in page]), strict=True)
        return bool(page)

    def _store(self, outcomes: list[CallOutcome[Generation]]) -> None:
        """Settle rows and make their records in one transaction."""
        if not outcomes and not self.settled:
            return
        totals = replace(self.totals, flaws=Counter(self.totals.flaws))
        units, records = list(self.settled), []
        for unit in units:
            totals.settle(unit, None, Decimal(0))
        for outcome in outcomes:
            record = self._settle(outcome)
            totals.settle(outcome.unit, outcome.answer, self.prices.of(outcome.answer))
            units.append(outcome.unit)
            if record is not None:
                outcome.unit.result = record
                records.append(record)
        with self.claim.writing(**totals.as_fields()):
            Record.objects.bulk_create(records)
            # One statement for all; a plain bulk_update builds a CASE for each field and row, ten times slower.
            Generation.objects.bulk_create(units, update_conflicts=True, unique_fields=["id"], update_fields=STORED)
        self.totals.__dict__.update(totals.__dict__)
        self.settled.clear()
        for outcome in outcomes:
            del self.reserved[outcome.unit.pk]

    def _settle(self, outcome: CallOutcome[Generation]) -> Record | None:
        """Write an outcome into its row; return the record to create for a good answer."""
        unit = outcome.unit
        unit.attempts += 1
        unit.seconds, unit.at = outcome.seconds, timezone.now()
        answer = outcome.answer
        unit.flaw = ""
        if answer is not None:
            unit.answer, unit.reasoning = answer.text, answer.reasoning
            unit.finish_reason = answer.finish_reason[:40]
            unit.prompt_tokens += answer.prompt_tokens
            unit.completion_tokens += answer.completion_tokens
            unit.cost = min(unit.cost + self.prices.of(answer), MOST_COST)
        try:
            record = self.prompter.record(outcome)
        except UnusableGeneration as error:
            unit.outcome, unit.reason, unit.flaw = error.outcome, str(error)[:500], error.flaw
            self.failures += 1
            return None
        except Exception as error:  # whatever a reply holds, it is this row's: else each resume pays for it again
            why = storable(f"No record can be made of the answer ({type(error).__name__}: {error}).")
            unit.outcome, unit.reason = Generation.Outcome.FAILED, why[:500]
            self.failures += 1
            return None
        unit.outcome, unit.reason = Generation.Outcome.OK, notes_on(answer, self.job.keep_thoughts) if answer else ""
        if answer and answer.is_refusal:
            unit.flaw = Generation.Flaw.REFUSAL
        self.failures = 0
        return record
