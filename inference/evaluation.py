"""Evaluations: a version's split answered by several endpoints. The ledger has one row for each answer.

Answers are stored, judged and counted as they come; a run that was killed asks only for what is missing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from atelier.accounts.models import Project, User
from atelier.jobs.claims import Claim, JobFailed
from curation import versions
from curation.chat import Answer, ClientError, Sampling, text_of
from curation.models import Version, VersionEntry
from curation.models.versions import SPLITS
from inference import comparison, scores
from inference.clients import EndpointClient, with_retries
from inference.models import Endpoint, Evaluation, EvaluationAnswer
from inference.scoring import RulesError, RuleSet, load_rules, sentence_chrf

MAX_CONCURRENCY = 64
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_tokens=256)
BATCH = 16
BATCH_SECONDS = 0.5
ATTEMPTS = 4
RETRY_SECONDS = 60.0
FAILURES_IN_A_ROW = 10
LEDGER_BATCH = 500
STORED = [
    "outcome", "reason", "text", "verdicts", "broken", "chrf", "prompt_tokens", "completion_tokens", "seconds",
]  # fmt: skip

Outcome = EvaluationAnswer.Outcome
ClientFor = Callable[[Endpoint], EndpointClient]


def versions_of(project: Project) -> "QuerySet[Version]":
    """Frozen versions, the newest first."""
    return Version.objects.filter(project=project, status=Version.Status.DONE).select_related("dataset").order_by("-pk")


def checked_rules(text: str) -> str:
    """The rules' text itself, line ends made one kind. Raises ValidationError with what is wrong and where."""
    text = text.replace("\r\n", "\n")
    rules_of(text)
    return text


def rules_of(text: str) -> RuleSet | None:
    """The rule set of a TOML text; None for no rules. Raises ValidationError."""
    if not text.strip():
        return None
    try:
        return load_rules(text)
    except RulesError as error:
        raise ValidationError(str(error)) from error


def create(
    version: Version,
    user: User | None,
    endpoints: Sequence[Endpoint],
    *,
    split: str = "test",
    name: str = "",
    system_prompt: str = "",
    sampling: Sampling = GREEDY,
    rules: str | None = None,
    limit: int | None = None,
    concurrency: int = 8,
    key: str | None = None,
) -> Evaluation:
    """A queued evaluation; the caller wakes a worker. The first endpoint is what the others are measured by.

    `rules` None means the project's. The same key gives the same evaluation. Raises ValidationError.
    """
    project = version.project
    if key and (found := Evaluation.objects.filter(project=project, idempotency_key=key).first()):
        return found
    _check(version, split, endpoints, limit, concurrency)
    text = checked_rules(project.rules if rules is None else rules)
    try:
        with transaction.atomic():
            evaluation = Evaluation.objects.create(
                project=project,
                created_by=user,
                version=version,
                split=split,
                system_prompt=system_prompt,
                rules=text,
                name=name.strip()[:120] or f"{version}, {split}"[:120],
                limit=limit,
                concurrency=concurrency,
                sampling=comparison.checked(sampling).as_json(),
                idempotency_key=key or None,
                entrants=[{"id": endpoint.pk, "name": str(endpoint)} for endpoint in endpoints],
            )
            evaluation.endpoints.set(endpoints)
    except IntegrityError:
        if not key:
            raise
        return Evaluation.objects.get(project=project, idempotency_key=key)  # the same request at the same moment won
    return evaluation


def _check(version: Version, split: str, endpoints: Sequence[Endpoint], limit: int | None, concurrency: int) -> None:
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    if split not in SPLITS:
        raise ValidationError(f"There is no split {split!r}: use one of {', '.join(SPLITS)}.")
    if not version.counts()[split]:
        raise ValidationError(
            f"The {split} split of {version} is empty: choose another, or freeze with a larger share for it."
        )
    if not endpoints or len({endpoint.pk for endpoint in endpoints}) < len(endpoints):
        raise ValidationError("Choose at least one model, and each once.")
    if any(endpoint.project_id != version.project_id for endpoint in endpoints):
        raise ValidationError("Choose models of this project.")
    if limit is not None and limit < 1:
        raise ValidationError("Take at least one row.")
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise ValidationError(f"Between 1 and {MAX_CONCURRENCY} questions can be in flight at the same time.")
    for endpoint in endpoints:
        if why := comparison.why_not_ready(endpoint):
            raise ValidationError(f"{endpoint.name} cannot be asked now. {why}")


def retry(evaluation: Evaluation) -> bool:
    """Queue it again; answers that failed are asked for again. False when it is not over, or nothing is missing."""
    failed = evaluation.answers.filter(outcome=Outcome.FAILED)
    with transaction.atomic():
        if failed.exists():
            rows = Evaluation.objects.filter(pk=evaluation.pk, status=Evaluation.Status.DONE)
            rows.update(status=Evaluation.Status.FAILED)  # from which it can be queued again
        if not evaluation.enqueue():
            return False
        failed.update(outcome=Outcome.PENDING, reason="")
    return True


def run(claim: Claim[Evaluation], client_for: ClientFor) -> None:
    """Ask for every answer that is missing, then count the scores. Raises JobFailed."""
    evaluation = claim.job
    try:
        rules = rules_of(evaluation.rules)
        plan(claim)
        endpoints = {endpoint.pk: endpoint for endpoint in evaluation.endpoints.select_related("deployment", "adapter")}
        waiting = set(evaluation.answers.filter(outcome=Outcome.PENDING).values_list("endpoint_id", flat=True))
        clients = {pk: client_for(endpoints[pk]) for pk in waiting}
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    if clients:
        async_to_sync(Asking(claim, clients, endpoints, rules).run)()
    failed = evaluation.answers.filter(outcome=Outcome.FAILED).count()
    claim.update(line="Counting the scores")
    found = scores.count(evaluation, rules)
    claim.update(
        scores=found, line=f"{claim.job.done - failed} answers scored" + (f", {failed} failed" if failed else "")
    )


def plan(claim: Claim[Evaluation]) -> None:
    """The ledger: one waiting answer for each row and endpoint, made before anybody is asked."""
    evaluation = claim.job
    entrants = [entrant["id"] for entrant in evaluation.entrants]
    total = min(evaluation.limit or 10**9, evaluation.version.counts()[evaluation.split]) * len(entrants)
    if evaluation.answers.count() < total:
        records = dict(
            VersionEntry.objects.filter(version=evaluation.version, split=evaluation.split).values_list(
                "row", "record_id"
            )
        )
        batch: list[EvaluationAnswer] = []
        for number, row in enumerate(versions.rows(evaluation.version, evaluation.split), 1):
            if evaluation.limit and number > evaluation.limit:
                break
            prompt, reference = asked(row, evaluation.system_prompt)
            batch += [
                EvaluationAnswer(
                    evaluation=evaluation,
                    endpoint_id=pk,
                    row=number,
                    record_id=records.get(number),
                    prompt=prompt,
                    reference=reference,
                )
                for pk in entrants
            ]
            if len(batch) >= LEDGER_BATCH:
                _plan_rows(claim, batch)
                batch = []
        _plan_rows(claim, batch)
    over = evaluation.answers.exclude(outcome=Outcome.PENDING).count()
    claim.progress(done=over, total=total, line="Asking the models")


def _plan_rows(claim: Claim[Evaluation], batch: list[EvaluationAnswer]) -> None:
    with claim.writing(line="Preparing the questions"):
        EvaluationAnswer.objects.bulk_create(batch, ignore_conflicts=True)
    claim.obey()


def asked(row: dict[str, Any], system_prompt: str) -> tuple[list[dict[str, Any]], str]:
    """The prompt of a version's row and the reference: all before the last answer, and that answer."""
    messages = list(row.get("messages") or row.get("prompt") or []) + list(row.get("chosen") or [])
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    end = answers[-1] if answers else len(messages)
    reference = text_of(messages[end]) if answers else ""
    prompt = [{key: value for key, value in message.items() if value is not None} for message in messages[:end]]
    if system_prompt.strip():
        prompt = [message for message in prompt if message["role"] != "system"]
        prompt.insert(0, {"role": "system", "content": system_prompt})
    return prompt, reference


@dataclass
class Asking:
    """The calls of one run: so many in flight for each endpoint, their outcomes stored in small batches."""

    claim: Claim[Evaluation]
    clients: dict[int, EndpointClient]
    endpoints: dict[int, Endpoint]
    rules: RuleSet | None

    async def run(self) -> None:
        self.sampling = Sampling.from_json(self.claim.job.sampling)
        self.outcomes: asyncio.Queue[EvaluationAnswer] = asyncio.Queue()
        self.in_a_row = dict.fromkeys(self.clients, 0)
        tasks = [asyncio.create_task(self._ask_endpoint(pk)) for pk in self.clients]
        asking = asyncio.gather(*tasks)
        try:
            await self._store_until(asking)
            await asking
        finally:
            # What was answered is kept, also when a person cancels or one endpoint fails.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(client.close() for client in self.clients.values()), return_exceptions=True)
            await self._store([self.outcomes.get_nowait() for _ in range(self.outcomes.qsize())], obey=False)

    async def _store_until(self, asking: "asyncio.Future[Any]") -> None:
        while not (asking.done() and self.outcomes.empty()):
            batch, began = [], time.monotonic()
            while len(batch) < BATCH and (left := began + BATCH_SECONDS - time.monotonic()) > 0:
                try:
                    batch.append(
                        await asyncio.wait_for(self.outcomes.get(), min(left, 0.05 if asking.done() else left))
                    )
                except TimeoutError:
                    break
            await self._store(batch)

    async def _store(self, batch: list[EvaluationAnswer], obey: bool = True) -> None:
        await sync_to_async(self._write)(batch)
        if obey:
            await sync_to_async(self.claim.progress)()

    def _write(self, batch: list[EvaluationAnswer]) -> None:
        for answer in batch:
            judge(answer, self.rules)
        if not batch:
            return
        with self.claim.writing(done=self.claim.job.done + len(batch)):
            EvaluationAnswer.objects.bulk_update(batch, STORED)

    async def _ask_endpoint(self, pk: int) -> None:
        """All of one endpoint's waiting answers, `concurrency` at a time, read from the ledger in pages."""
        waiting: asyncio.Queue[EvaluationAnswer | None] = asyncio.Queue(maxsize=self.claim.job.concurrency * 2)
        workers = [asyncio.create_task(self._work(pk, waiting)) for _ in range(self.claim.job.concurrency)]
        feeding = asyncio.create_task(self._feed(pk, waiting, len(workers)))
        try:
            await asyncio.gather(feeding, *workers)
        finally:
            for task in (feeding, *workers):
                task.cancel()
            await asyncio.gather(feeding, *workers, return_exceptions=True)

    async def _feed(self, pk: int, waiting: "asyncio.Queue[EvaluationAnswer | None]", workers: int) -> None:
        rows = self.claim.job.answers.filter(endpoint_id=pk, outcome=Outcome.PENDING).order_by("row")
        last = 0
        while page := await sync_to_async(list)(rows.filter(row__gt=last)[:LEDGER_BATCH]):
            for answer in page:
                await waiting.put(answer)
            last = page[-1].row
        for _ in range(workers):
            await waiting.put(None)

    async def _work(self, pk: int, waiting: "asyncio.Queue[EvaluationAnswer | None]") -> None:
        while (unit := await waiting.get()) is not None:
            failed = await self._ask(unit, self.clients[pk]) == Outcome.FAILED
            self.in_a_row[pk] = self.in_a_row[pk] + 1 if failed else 0
            if self.in_a_row[pk] >= FAILURES_IN_A_ROW:
                raise JobFailed(
                    f"{self.endpoints[pk].name} keeps failing. The last time: {unit.reason} Mend that, then retry."
                )

    async def _ask(self, unit: EvaluationAnswer, client: EndpointClient) -> str:
        began = time.monotonic()

        async def call() -> Answer:
            nonlocal began
            began = time.monotonic()
            return await client.complete(unit.prompt, self.sampling)

        try:
            answer = await with_retries(call, attempts=ATTEMPTS, budget=RETRY_SECONDS)
        except ClientError as error:
            unit.outcome, unit.reason = Outcome.FAILED, str(error)[:500]
        else:
            unit.outcome, unit.text = Outcome.OK, answer.text
            unit.prompt_tokens, unit.completion_tokens = answer.prompt_tokens, answer.completion_tokens
            unit.seconds = time.monotonic() - began  # of the call that answered, waits before it left out
        self.outcomes.put_nowait(unit)
        return unit.outcome


def judge(answer: EvaluationAnswer, rules: RuleSet | None) -> None:
    """Put the verdict of every rule and the chrF against the reference on an answer that came."""
    if answer.outcome != Outcome.OK:
        return
    verdicts = rules.judge(answer.text) if rules else []
    answer.verdicts = [
        {"rule": verdict.rule_id, "ok": verdict.ok, "why": " ".join(filter(None, (verdict.why, verdict.excerpt)))}
        for verdict in verdicts
    ]
    answer.broken = "".join(f"|{verdict.rule_id}" for verdict in verdicts if not verdict.ok)
    answer.broken += "|" if answer.broken else ""
    answer.chrf = sentence_chrf(answer.text, answer.reference) if answer.reference else None


def counts(evaluation: Evaluation) -> dict[str, int]:
    """How many answers have which outcome; they add up to the ledger."""
    return evaluation.answers.aggregate(
        **{outcome: Count("pk", filter=Q(outcome=outcome)) for outcome in Outcome.values}
    )
