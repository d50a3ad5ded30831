"""The ledger of a distillation: its totals, its rows, and all of it as JSONL, streaming."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
from django.db.models import Count, DecimalField, Q, Sum

from curation.chat import Answer
from curation.models import Distillation, Generation

BATCH = 500
THOUGHTS = "thoughts"  # not a flaw of the answer, but nothing is left out without a count
FLAWS = {
    Generation.Flaw.HALF: "incomplete",
    Generation.Flaw.REFUSAL: "like refusals",
    Generation.Flaw.BLANK: "empty",
    THOUGHTS: "without the teacher's thoughts",
}
MOST_SPENT = Decimal("99999999.999999")  # what the column holds


@dataclass
class Totals:
    """The totals of a distillation, as its ledger has them."""

    ok: int = 0
    failed: int = 0
    skipped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = field(default_factory=Decimal)
    flaws: Counter[str] = field(default_factory=Counter)
    keep_thoughts: bool = False

    @classmethod
    def of(cls, job: Distillation) -> "Totals":
        sums = job.generations.aggregate(
            **{name: Count("pk", filter=Q(outcome=name)) for name in ("ok", "failed", "skipped")},
            prompt=Sum("prompt_tokens", default=0),
            completion=Sum("completion_tokens", default=0),
            spent=Sum("cost", default=Decimal(0), output_field=DecimalField(max_digits=30, decimal_places=6)),
        )
        flawed = job.generations.exclude(flaw="").order_by().values_list("flaw").annotate(Count("pk"))
        flaws = Counter(dict(flawed))
        answered = job.generations.filter(outcome=Generation.Outcome.OK)
        if not job.keep_thoughts and (thoughts := answered.exclude(reasoning="").count()):
            flaws[THOUGHTS] = thoughts
        return cls(
            sums["ok"],
            sums["failed"],
            sums["skipped"],
            sums["prompt"],
            sums["completion"],
            sums["spent"],
            flaws,
            job.keep_thoughts,
        )

    def settle(self, unit: Generation, answer: Answer | None, price: Decimal) -> None:
        """Count a settled row and the tokens of its last call."""
        setattr(self, unit.outcome, getattr(self, unit.outcome) + 1)
        self.prompt_tokens += answer.prompt_tokens if answer else 0
        self.completion_tokens += answer.completion_tokens if answer else 0
        self.cost += price
        if unit.flaw:
            self.flaws[unit.flaw] += 1
        if unit.outcome == Generation.Outcome.OK and unit.reasoning and not self.keep_thoughts:
            self.flaws[THOUGHTS] += 1

    @property
    def done(self) -> int:
        return self.ok + self.failed + self.skipped

    @property
    def line(self) -> str:
        """Return the progress as a line."""
        parts = [f"{self.ok:,} answered"]
        parts += [f"{self.failed:,} failed"] if self.failed else []
        parts += [f"{self.skipped:,} skipped"] if self.skipped else []
        parts += [f"{self.flaws[flaw]:,} {words}" for flaw, words in FLAWS.items() if self.flaws[flaw]]
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
            "cost": min(self.cost, MOST_SPENT),
            "flaws": dict(self.flaws),
            "done": self.done,
            "line": self.line,
        }


def lines(job: Distillation) -> Iterator[bytes]:
    """Yield the ledger of a distillation as JSONL, one row per line, by key."""
    last = 0
    while page := list(job.generations.filter(pk__gt=last).select_related("record").order_by("pk")[:BATCH]):
        for unit in page:
            yield orjson.dumps(row(unit), option=orjson.OPT_APPEND_NEWLINE)
        last = page[-1].pk


def row(unit: Generation) -> dict[str, Any]:
    """Return a call of the ledger, as REST and the download have it."""
    return {
        "id": unit.pk,
        "record": unit.record_id,
        "key": unit.record.key if unit.record else "",
        "outcome": unit.outcome,
        "reason": unit.reason,
        "prompt": unit.prompt,
        "answer": unit.answer,
        "reasoning": unit.reasoning,
        "finish_reason": unit.finish_reason,
        "flaw": unit.flaw,
        "prompt_tokens": unit.prompt_tokens,
        "completion_tokens": unit.completion_tokens,
        "cost": str(unit.cost),
        "seconds": round(unit.seconds, 3),
        "attempts": unit.attempts,
        "result": unit.result_id,
        "at": unit.at.isoformat(),
    }
