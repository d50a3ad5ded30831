"""Previews of a distillation: three real calls, and from them an estimate of tokens, cost and time for the whole job."""

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from atelier.characters import storable
from curation.calls import CallOutcome
from curation.chat import Answer, ChatClient, ClientError, Sampling
from curation.diffs import word_diff
from curation.distillation.prompts import TRIED_SECONDS, Prompter, UnusableGeneration, tried, trying
from curation.models import Distillation, Generation, Record
from curation.search import selection

PREVIEWS = 3
SECONDS = 60.0
LOOKED_AT = 200  # records whose prompts are written for the estimate
CHARS_A_TOKEN = 4.0  # English text, where the endpoint counts nothing


@dataclass(frozen=True)
class CallPreview:
    """A preview call: its record, prompt and answer; or why there is none."""

    record: Record
    prompt: list[dict[str, Any]]
    answer: Answer | None
    error: str = ""

    @property
    def asked(self) -> str:
        return str(self.prompt[-1]["content"]) if self.prompt else ""

    @property
    def diff(self) -> list[tuple[str, str]]:
        """Return the word diff from prompt to answer."""
        return word_diff(self.asked, self.answer.text) if self.answer else []


@dataclass(frozen=True)
class Estimate:
    """The estimate for a whole distillation. Tokens are extrapolated from the previews if the endpoint counted them."""

    records: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    counted: bool
    unusable: int  # of those looked at: the template fails or gives nothing
    looked_at: int


def three(job: Distillation) -> list[Record]:
    """Return the first, the middle and the last of the chosen records."""
    chosen = selection.select(job.dataset, job.filters)
    total = min(chosen.count(), job.limit or 10**12)
    places = sorted({0, total // 2, total - 1}) if total else []
    return [chosen[place] for place in places[:PREVIEWS]]


def preview(job: Distillation, client: ChatClient) -> list[CallPreview]:
    """Send three records to the teacher at once, within 60 seconds. Not for use inside a running event loop.

    Raises ValidationError for a template that takes too much time or memory.
    """
    records = three(job)
    with trying(), Prompter(job) as author:
        prompts = list(tried(author.prompts_for(records), time.monotonic() + TRIED_SECONDS))
    # The child that filled in the template has ended: its place is not held while the teacher is waited for.
    calls = [
        CallPreview(record, [], None, str(prompt))
        if isinstance(prompt, UnusableGeneration)
        else CallPreview(record, prompt, None)
        for record, prompt in zip(records, prompts, strict=True)
    ]
    return asyncio.run(_ask_all(client, calls, Sampling.from_json(job.sampling), author))


async def _ask_all(
    client: ChatClient, calls: list[CallPreview], sampling: Sampling, author: Prompter
) -> list[CallPreview]:
    try:
        return list(await asyncio.gather(*[_ask(client, preview, sampling, author) for preview in calls]))
    finally:
        await client.close()


async def _ask(client: ChatClient, preview: CallPreview, sampling: Sampling, author: Prompter) -> CallPreview:
    if preview.error:
        return preview
    try:
        async with asyncio.timeout(SECONDS):
            answer = await client.complete(preview.prompt, sampling)
    except TimeoutError:
        return CallPreview(
            preview.record, preview.prompt, None, f"The teacher did not answer within {SECONDS:.0f} seconds."
        )
    except ClientError as error:
        return CallPreview(preview.record, preview.prompt, None, str(error))
    except Exception as error:  # whatever a reply holds, it is this preview's
        why = storable(f"The call failed ({type(error).__name__}: {error}).")
        return CallPreview(preview.record, preview.prompt, None, why)
    unit = Generation(record=preview.record, prompt=preview.prompt)
    try:
        author.record(CallOutcome(unit, answer))
    except UnusableGeneration as error:
        return CallPreview(preview.record, preview.prompt, answer, str(error))
    return CallPreview(preview.record, preview.prompt, answer)


def estimate(job: Distillation, previews: list[CallPreview]) -> Estimate:
    """Estimate the whole job from its previews. Raises ValidationError for a template that takes too much time or memory."""
    chosen = selection.select(job.dataset, job.filters)
    total = chosen.count()
    step = max(1, total // LOOKED_AT)
    looked_at = list(chosen[: LOOKED_AT * step : step]) if total else []
    records = min(total, job.limit) if job.limit else total
    sizes, unusable = _prompt_sizes(job, looked_at)
    answered = [preview for preview in previews if preview.answer]
    counted = any(preview.answer and preview.answer.completion_tokens for preview in answered)
    a_token = _chars_a_token(answered) if counted else CHARS_A_TOKEN
    prompt = round(records * (sum(sizes) / len(looked_at) if looked_at else 0) / a_token)
    completion = round(
        records * _mean([_answer_tokens(preview.answer, counted) for preview in answered if preview.answer])
    )
    seconds = records * _mean([preview.answer.seconds for preview in answered if preview.answer]) / job.concurrency
    teacher = job.teacher
    cost = (prompt * teacher.price_in + completion * teacher.price_out) / 1_000_000
    return Estimate(records, prompt, completion, cost, seconds, counted, unusable, len(looked_at))


def _prompt_sizes(job: Distillation, records: list[Record]) -> tuple[list[int], int]:
    """Return the characters of each record's prompt, and how many records have none."""
    with trying(), Prompter(job) as author:
        prompts = list(tried(author.prompts_for(records), time.monotonic() + TRIED_SECONDS))
    sizes = [_chars(prompt) for prompt in prompts if not isinstance(prompt, UnusableGeneration)]
    return sizes, len(prompts) - len(sizes)


def _chars(messages: list[dict[str, Any]]) -> int:
    return sum(len(message["content"]) for message in messages)


def _chars_a_token(answered: list[CallPreview]) -> float:
    tokens = sum(preview.answer.prompt_tokens for preview in answered if preview.answer)
    return sum(_chars(preview.prompt) for preview in answered) / tokens if tokens else CHARS_A_TOKEN


def _answer_tokens(answer: Answer, counted: bool) -> float:
    return answer.completion_tokens if counted else len(answer.text) / CHARS_A_TOKEN


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
