"""Before a distillation: three real calls, and from them an estimate of tokens, cost and time for all."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from curation import selection
from curation.authors import Author, Unusable
from curation.calls import Outcome
from curation.chat import Answer, Client, ClientError, Sampling
from curation.diffs import word_diff
from curation.models import Distillation, Generation, Record

PREVIEWS = 3
SECONDS = 60.0
LOOKED_AT = 200  # records whose prompts are written for the estimate
CHARS_A_TOKEN = 4.0  # English text, where the endpoint counts nothing


@dataclass(frozen=True)
class Preview:
    """One call: its record, prompt and answer; or why there is none."""

    record: Record
    prompt: list[dict[str, Any]]
    answer: Answer | None
    error: str = ""

    @property
    def asked(self) -> str:
        return str(self.prompt[-1]["content"]) if self.prompt else ""

    @property
    def diff(self) -> list[tuple[str, str]]:
        """Word by word, from what was asked to what was answered."""
        return word_diff(self.asked, self.answer.text) if self.answer else []


@dataclass(frozen=True)
class Estimate:
    """For the whole distillation. Tokens are counted from the previews when the endpoint counted them."""

    records: int
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    seconds: float
    counted: bool
    unusable: int  # of those looked at: the template fails or gives nothing
    looked_at: int


def three(job: Distillation) -> list[Record]:
    """The first, the middle and the last of the chosen records."""
    chosen = selection.select(job.dataset, job.filters)
    total = min(chosen.count(), job.limit or 10**12)
    places = sorted({0, total // 2, total - 1}) if total else []
    return [chosen[place] for place in places[:PREVIEWS]]


def preview(job: Distillation, client: Client) -> list[Preview]:
    """Ask the teacher about three records at once, 60 seconds at most. Not for use inside a running event loop."""
    author, asked = Author(job), []
    for record in three(job):
        try:
            asked.append(Preview(record, author.prompt(record), None))
        except Unusable as error:
            asked.append(Preview(record, [], None, str(error)))
    return asyncio.run(_ask_all(client, asked, Sampling.from_json(job.sampling), author))


async def _ask_all(client: Client, asked: list[Preview], sampling: Sampling, author: Author) -> list[Preview]:
    try:
        return list(await asyncio.gather(*[_ask(client, preview, sampling, author) for preview in asked]))
    finally:
        await client.close()


async def _ask(client: Client, preview: Preview, sampling: Sampling, author: Author) -> Preview:
    if preview.error:
        return preview
    try:
        async with asyncio.timeout(SECONDS):
            answer = await client.complete(preview.prompt, sampling)
    except TimeoutError:
        return Preview(
            preview.record, preview.prompt, None, f"The teacher did not answer within {SECONDS:.0f} seconds."
        )
    except ClientError as error:
        return Preview(preview.record, preview.prompt, None, str(error))
    unit = Generation(record=preview.record, prompt=preview.prompt)
    try:
        author.record(unit, Outcome(0, answer))
    except Unusable as error:
        return Preview(preview.record, preview.prompt, answer, str(error))
    return Preview(preview.record, preview.prompt, answer)


def estimate(job: Distillation, previews: list[Preview]) -> Estimate:
    """What all will take, if they are as those looked at."""
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
    """Characters of each record's prompt, and how many records give none."""
    author, sizes, unusable = Author(job), [], 0
    for record in records:
        try:
            sizes.append(_chars(author.prompt(record)))
        except Unusable:
            unusable += 1
    return sizes, unusable


def _chars(messages: list[dict[str, Any]]) -> int:
    return sum(len(message["content"]) for message in messages)


def _chars_a_token(answered: list[Preview]) -> float:
    tokens = sum(preview.answer.prompt_tokens for preview in answered if preview.answer)
    return sum(_chars(preview.prompt) for preview in answered) / tokens if tokens else CHARS_A_TOKEN


def _answer_tokens(answer: Answer, counted: bool) -> float:
    return answer.completion_tokens if counted else len(answer.text) / CHARS_A_TOKEN


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
