"""One attempt at a distillation: calls in flight, their outcomes stored, the budget and people's wishes obeyed.

A call's outcome, the record made of it and the job's counts are stored in one transaction, and only then is its slot
free: a killed worker loses at most what was in flight, and nothing comes twice.
"""

import time
from collections import deque
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.utils import timezone

from atelier.jobs.claims import Cancelled, Claim, JobFailed, Paused
from curation.authors import Author, Unusable
from curation.calls import Calls, Outcome
from curation.chat import Answer, Sampling
from curation.models import Distillation, Generation, Record
from curation.models.distillations import BUDGET_LINE

PAGE = 256
WAIT_SECONDS = 0.5
OBEY_SECONDS = 1.0
GRACE_SECONDS = {Paused: 60.0, Cancelled: 5.0}  # for calls in flight, which are paid for whether we listen or not
HOPELESS = 50  # failures in a row, with no success between, after which it makes no sense to go on
MARK_TOKENS = 16  # that a chat template may put around a message
MILLION = Decimal(1_000_000)
STORED = [
    "outcome",
    "reason",
    "prompt",
    "answer",
    "reasoning",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "seconds",
    "attempts",
    "result",
    "at",
]


@dataclass
class Totals:
    """The job's sums, as its ledger gives them."""

    ok: int = 0
    failed: int = 0
    skipped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = field(default_factory=Decimal)

    @classmethod
    def of(cls, job: Distillation) -> "Totals":
        sums = job.generations.aggregate(
            **{name: Count("pk", filter=Q(outcome=name)) for name in ("ok", "failed", "skipped")},
            prompt=Sum("prompt_tokens", default=0),
            completion=Sum("completion_tokens", default=0),
            spent=Sum("cost", default=Decimal(0)),
        )
        return cls(sums["ok"], sums["failed"], sums["skipped"], sums["prompt"], sums["completion"], sums["spent"])

    def settle(self, unit: Generation, answer: Answer | None, price: Decimal) -> None:
        """Count one settled row, and what its last call used."""
        setattr(self, unit.outcome, getattr(self, unit.outcome) + 1)
        self.prompt_tokens += answer.prompt_tokens if answer else 0
        self.completion_tokens += answer.completion_tokens if answer else 0
        self.cost += price

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.skipped

    @property
    def line(self) -> str:
        """What the progress says."""
        parts = [f"{self.ok:,} answered"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.skipped:,} skipped"] if self.skipped else []
        tokens = self.prompt_tokens + self.completion_tokens
        parts += [f"{tokens:,} tokens"] if tokens else []
        parts += [f"{self.cost:.4f} spent"] if self.cost else []
        return ", ".join(parts)

    def as_fields(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "failed": self.failed,
            "skipped": self.skipped,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": self.cost,
            "done": self.done,
            "line": self.line,
        }


class Work:
    """One attempt: what is in flight, what it may cost, and what waits to be stored."""

    def __init__(
        self, claim: Claim[Distillation], calls: Calls, totals: Totals, prices: tuple[Decimal, Decimal]
    ) -> None:
        self.claim, self.calls, self.totals, self.prices = claim, calls, totals, prices
        self.job = claim.job
        self.author = Author(self.job)
        self.max_tokens = Sampling.from_json(self.job.sampling).max_tokens
        self.ready: deque[tuple[Generation, list[dict[str, Any]]]] = deque()
        self.flying: dict[int, tuple[Generation, Decimal]] = {}  # with the most that it may cost
        self.settled: list[Generation] = []  # those that need no call
        self.last = 0
        self.blocked: Decimal | None = None  # what the next call may cost, when the budget does not allow it
        self.failures = 0  # in a row
        self.obeyed = time.monotonic()

    def run(self) -> None:
        try:
            while self._step():
                pass
        except (Paused, Cancelled, JobFailed) as wish:
            raise self._drain(wish) from None

    def _step(self) -> bool:
        """Fill the free slots, store what came. False when nothing is left."""
        self._fill()
        if not self.flying and not self.settled:
            if self.blocked is not None:
                self._pause_for_budget(self.blocked)
            return False
        self._store(self.calls.take(WAIT_SECONDS) if self.flying else [])
        if self.failures >= HOPELESS:
            raise JobFailed(
                f"{self.failures} calls in a row failed, so it was stopped. Mend the cause, then retry what failed."
            )
        if time.monotonic() - self.obeyed > OBEY_SECONDS:
            self.claim.obey()
            self.obeyed = time.monotonic()
        return True

    def _fill(self) -> None:
        batch = []
        self.blocked = None
        while len(self.flying) < self.job.concurrency and self._prepare():
            unit, messages = self.ready[0]
            most = self._most(messages)
            if self.job.budget is not None and self._committed() + most > self.job.budget:
                self.blocked = most
                break
            self.ready.popleft()
            self.flying[unit.pk] = unit, most
            batch.append((unit.pk, messages))
        self.calls.start(batch)

    def _most(self, messages: list[dict[str, Any]]) -> Decimal:
        """The most that a call can cost: no tokenizer makes more tokens than bytes, and the answer is bounded."""
        most_prompt = sum(len(message["content"].encode()) + MARK_TOKENS for message in messages)
        return (most_prompt * self.prices[0] + self.max_tokens * self.prices[1]) / MILLION

    def _committed(self) -> Decimal:
        return self.totals.cost + sum((most for _, most in self.flying.values()), Decimal(0))

    def _prepare(self) -> bool:
        """Whether a row is ready to be asked about; loads the next page of the ledger when none is."""
        while not self.ready and len(self.settled) < PAGE:
            pending = self.job.generations.filter(outcome=Generation.Outcome.PENDING, pk__gt=self.last).select_related(
                "record"
            )
            page = list(pending.order_by("pk")[:PAGE])
            if not page:
                return False
            self.last = page[-1].pk
            for unit in page:
                try:
                    unit.prompt = self.author.prompt(unit.record)
                    self.ready.append((unit, unit.prompt))
                except Unusable as error:
                    unit.outcome, unit.reason, unit.at = error.outcome, str(error)[:500], timezone.now()
                    self.settled.append(unit)
        return bool(self.ready)

    def _store(self, outcomes: list[Outcome]) -> None:
        """Settle rows and make their records in one transaction; only then are their slots free."""
        if not outcomes and not self.settled:
            return
        totals = replace(self.totals)
        units, made = list(self.settled), []
        for unit in units:
            totals.settle(unit, None, Decimal(0))
        for outcome in outcomes:
            unit = self.flying[outcome.key][0]
            record = self._settle(unit, outcome)
            totals.settle(unit, outcome.answer, self._price(outcome.answer))
            units.append(unit)
            if record is not None:
                made.append((unit, record))
        with self.claim.writing(**totals.as_fields()):
            Record.objects.bulk_create([record for _, record in made])
            for unit, record in made:
                unit.result = record
            # One statement for all; a plain bulk_update builds a CASE for each field and row, ten times slower.
            Generation.objects.bulk_create(units, update_conflicts=True, unique_fields=["id"], update_fields=STORED)
        self.totals.__dict__.update(totals.__dict__)
        self.settled.clear()
        for outcome in outcomes:
            del self.flying[outcome.key]

    def _settle(self, unit: Generation, outcome: Outcome) -> Record | None:
        """Write an outcome into its row; returns the record to make of a good answer."""
        unit.attempts += 1
        unit.seconds, unit.at = outcome.seconds, timezone.now()
        answer = outcome.answer
        if answer is not None:
            unit.answer, unit.reasoning = answer.text, answer.reasoning
            unit.prompt_tokens += answer.prompt_tokens
            unit.completion_tokens += answer.completion_tokens
            unit.cost += self._price(answer)
        try:
            record = self.author.record(unit, outcome)
        except Unusable as error:
            unit.outcome, unit.reason = error.outcome, str(error)[:500]
            self.failures += 1
            return None
        unit.outcome, unit.reason = Generation.Outcome.OK, ""
        self.failures = 0
        return record

    def _price(self, answer: Answer | None) -> Decimal:
        if answer is None:
            return Decimal(0)
        exact = (answer.prompt_tokens * self.prices[0] + answer.completion_tokens * self.prices[1]) / MILLION
        return exact.quantize(Decimal("0.000001"))

    def _pause_for_budget(self, most: Decimal) -> None:
        spent, budget = self.totals.cost, self.job.budget
        self.claim.update(
            line=f"{BUDGET_LINE}: {spent:.4f} of {budget:.4f}, and the next call may cost up to {most:.4f}. "
            "Raise it, then resume."
        )
        raise Paused

    def _drain(self, wish: Exception) -> Exception:
        """Wait for the calls in flight, which are paid for, and store them. Returns how the attempt ends."""
        until = time.monotonic() + GRACE_SECONDS.get(type(wish), 5.0)
        while self.flying and time.monotonic() < until:
            self._store(self.calls.take(WAIT_SECONDS))
            try:
                self.claim.obey()
            except Paused:
                pass
            except Cancelled as stronger:
                if not isinstance(wish, Cancelled):
                    wish, until = stronger, time.monotonic() + GRACE_SECONDS[Cancelled]
        return wish
