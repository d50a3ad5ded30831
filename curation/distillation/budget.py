"""The budget of a distillation: what is allowed as one, what a call may cost at most, and the pause when it is spent."""

from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError

from atelier.jobs.claims import Claim, JobPaused
from atelier.jobs.models import PauseReason
from curation.chat import Answer
from curation.models import Distillation

MARK_TOKENS = 16  # that a chat template may put around a message
MILLION = Decimal(1_000_000)


class Prices(NamedTuple):
    """What a million tokens cost: of prompts, and of answers."""

    prompt: Decimal
    completion: Decimal

    def most(self, messages: list[dict[str, Any]], max_tokens: int) -> Decimal:
        """Return the most that a call can cost: no tokenizer makes more tokens than bytes, and the answer is bounded."""
        most_prompt = sum(len(message["content"].encode()) + MARK_TOKENS for message in messages)
        return (most_prompt * self.prompt + max_tokens * self.completion) / MILLION

    def of(self, answer: Answer | None) -> Decimal:
        """The cost of an answer that came, to a millionth."""
        if answer is None:
            return Decimal(0)
        exact = (answer.prompt_tokens * self.prompt + answer.completion_tokens * self.completion) / MILLION
        return exact.quantize(Decimal("0.000001"))


def check(job: Distillation) -> None:
    """Raises ValidationError for the budget of a draft that cannot be enforced."""
    if job.budget is None:
        return
    _check_digits(job.budget)
    if job.budget <= 0:
        raise ValidationError("The budget must be above 0; leave it empty for none.")
    if not (job.teacher.price_in or job.teacher.price_out):
        raise ValidationError(
            f"{job.teacher.name} has no prices, so a budget cannot be enforced. Enter them at the endpoint, or leave the budget empty."
        )


def _check_digits(budget: Decimal) -> None:
    """Raise ValidationError for a budget that the column does not hold: SQLite would store it, and fail at each reading."""
    try:
        Distillation._meta.get_field("budget").run_validators(budget)
    except ValidationError as error:
        raise ValidationError(f"The budget cannot be enforced. {' '.join(error.messages)}") from error


def change(job: Distillation, budget: Decimal | None) -> None:
    """Set a new budget, or none. Raises ValidationError if it is already spent."""
    if budget is not None:
        _check_digits(budget)
        if budget <= job.cost:
            raise ValidationError(f"{job.cost:.4f} is already spent. The budget must be above that.")
    Distillation.objects.filter(pk=job.pk).update(budget=budget)
    job.refresh_from_db()


def pause(claim: Claim[Distillation], spent: Decimal, most: Decimal) -> None:
    """Raises JobPaused, and says on the job that the next call, which costs `most` at most, might pass the budget."""
    claim.update(
        line=f"{PauseReason.BUDGET.label}: {spent:.4f} of {claim.job.budget:.4f}, and the next call may cost up to {most:.4f}. "
        "Raise the budget, then resume."
    )
    raise JobPaused(PauseReason.BUDGET)
