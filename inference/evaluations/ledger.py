"""The ledger of an evaluation: asked for, checked, and one row for each answer that is wanted, before anybody is asked."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet

from atelier.accounts.models import Project, User
from atelier.accounts.rules import checked_rules
from atelier.jobs.claims import Claim, JobFailed
from atelier.jobs.once import once
from atelier.web import border
from curation.chat import Message, Sampling, text_of
from curation.models import Version, VersionEntry
from curation.models.versions import SPLITS
from curation.tool_calls import Call, listed
from curation.versions import archive
from curation.versions import files as version_files
from inference.comparisons import turns
from inference.erasures import forget_erased
from inference.models import Endpoint, Evaluation, EvaluationAnswer
from inference.prompts import trained_with
from inference.serving import deployments

MAX_CONCURRENCY = 64
GREEDY = Sampling(temperature=0.0, top_p=1.0, max_tokens=256)
LEDGER_BATCH = 500

Outcome = EvaluationAnswer.Outcome


def versions_of(project: Project) -> "QuerySet[Version]":
    """Return the frozen versions, the newest first."""
    frozen = Version.objects.filter(project=project, status=Version.Status.DONE, archived_at=None)
    return frozen.select_related("dataset").order_by("-pk")


def create(
    version: Version,
    user: User | None,
    endpoints: Sequence[Endpoint],
    *,
    split: str = "test",
    name: str = "",
    system_prompt: str = "",
    prompts: Mapping[int, str] | None = None,
    sampling: Sampling = GREEDY,
    rules: str | None = None,
    limit: int | None = None,
    concurrency: int = 8,
    key: str | None = None,
) -> Evaluation:
    """Queue an evaluation; the caller wakes a worker. The first endpoint is the baseline.

    `prompts` are system prompts by endpoint id, "" for none; `system_prompt` is that of all others. Without either, an
    adapter is sent the one it was trained with, and other endpoints the version's. `rules` None means the project's. The same key returns the same evaluation. Raises ValidationError.
    """
    project = version.project

    def make() -> Evaluation:
        _check(version, split, endpoints, limit, concurrency)
        if unknown := set(prompts or {}) - {endpoint.pk for endpoint in endpoints}:
            raise ValidationError(f"Endpoint {min(unknown)} has a system prompt, but isn't among the chosen models.")
        return Evaluation(
            project=project,
            created_by=user,
            version=version,
            split=split,
            system_prompt=system_prompt,
            rules=checked_rules(project.rules if rules is None else rules),
            name=name.strip()[:120] or f"{version}, {split}"[:120],
            limit=limit,
            concurrency=concurrency,
            sampling=turns.checked(sampling).as_json(),
            entrants=[entrant_of(endpoint, version, prompts or {}, system_prompt) for endpoint in endpoints],
        )

    def write(evaluation: Evaluation) -> None:
        evaluation.save()
        evaluation.endpoints.set(endpoints)

    return once(project.evaluations, key, make, write)


def _check(version: Version, split: str, endpoints: Sequence[Endpoint], limit: int | None, concurrency: int) -> None:
    archive.refuse_archived(version)
    if version.status != Version.Status.DONE:
        raise ValidationError(f"{version} is not frozen yet ({version.get_status_display().lower()}).")
    if split not in SPLITS:
        raise ValidationError(f"No split is called {split!r}. Use one of {', '.join(SPLITS)}.")
    if not version.counts()[split]:
        raise ValidationError(
            f"The {split} split of {version} is empty. Choose another, or freeze with a larger share for it."
        )
    if not endpoints or len({endpoint.pk for endpoint in endpoints}) < len(endpoints):
        raise ValidationError("Choose at least one model, and each only once.")
    if any(endpoint.project_id != version.project_id for endpoint in endpoints):
        raise ValidationError("Choose models of this project.")
    if limit is not None and border.whole(limit, least=1, most=border.BIGGEST_INT) is None:
        raise ValidationError("The limit must be a whole number of at least 1.")
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise ValidationError(f"Parallel requests must be between 1 and {MAX_CONCURRENCY}.")
    for endpoint in endpoints:
        if why := turns.why_not_ready(endpoint):
            raise ValidationError(f"{endpoint.name} is unavailable. {why}")


def plan(claim: Claim[Evaluation]) -> None:
    """Create the ledger: one waiting answer for each row and endpoint, before any endpoint is called."""
    evaluation = claim.job
    try:
        archive.refuse_archived(evaluation.version)
    except ValidationError as error:
        raise JobFailed(" ".join(error.messages)) from error
    entrants = [entrant["id"] for entrant in evaluation.entrants]
    total = min(evaluation.limit or 10**9, evaluation.version.counts()[evaluation.split]) * len(entrants)
    if evaluation.answers.count() < total:
        records = dict(
            VersionEntry.objects.filter(version=evaluation.version, split=evaluation.split).values_list(
                "row", "record_id"
            )
        )
        endpoints = evaluation.endpoints.select_related("deployment")
        no_tools = {endpoint.pk: deployments.why_no_tools(endpoint) for endpoint in endpoints}
        batch: list[EvaluationAnswer] = []
        rows = version_files.numbered(evaluation.version, evaluation.split)
        for number, row in islice(rows, evaluation.limit):
            tools = listed(row.get("tools"))
            for entrant in evaluation.entrants:
                prompt, reference, calls = prompt_and_reference(row, system_prompt_of(evaluation, entrant))
                why_not = no_tools[entrant["id"]] if tools else ""
                batch.append(
                    EvaluationAnswer(
                        evaluation=evaluation,
                        endpoint_id=entrant["id"],
                        row=number,
                        record_id=records.get(number),
                        prompt=prompt,
                        tools=tools,
                        reference=reference,
                        reference_calls=calls,
                        outcome=Outcome.SKIPPED if why_not else Outcome.PENDING,
                        reason=why_not,
                    )
                )
            if len(batch) >= LEDGER_BATCH:
                _plan_rows(claim, batch)
                batch = []
        _plan_rows(claim, batch)
    over = evaluation.answers.exclude(outcome=Outcome.PENDING).count()
    claim.progress(done=over, total=total, line="Asking the models")


def _plan_rows(claim: Claim[Evaluation], batch: list[EvaluationAnswer]) -> None:
    with claim.writing(line="Preparing the questions"):
        forget_erased(batch)
        EvaluationAnswer.objects.bulk_create(batch, ignore_conflicts=True)
    claim.obey()


def entrant_of(endpoint: Endpoint, version: Version, prompts: Mapping[int, str], common: str) -> dict[str, Any]:
    """Return the entry of an endpoint among the entrants: the system prompt it is sent (None: the rows' own), and why."""
    prompt: str | None = None
    source = "version"
    if endpoint.pk in prompts:
        prompt, source = prompts[endpoint.pk], "given"
    elif common.strip():
        prompt, source = common, "given"
    elif trained := trained_with(endpoint):
        # It learned the prompts of its version's rows unless its recipe has one, and they are in that version again.
        run = endpoint.adapter.run if endpoint.adapter else None
        if run is None or run.recipe.get("system_prompt") or run.version_id != version.pk:
            prompt, source = trained, "training"
    return {"id": endpoint.pk, "name": str(endpoint), "system_prompt": prompt, "prompt_from": source}


def system_prompt_of(evaluation: Evaluation, entrant: Mapping[str, Any]) -> str | None:
    """Return the system prompt that an entrant is sent; None for the rows' own. Older evaluations have one for all."""
    if "prompt_from" in entrant:
        prompt: str | None = entrant["system_prompt"]
        return prompt
    return evaluation.system_prompt or None


def prompt_lines(evaluation: Evaluation) -> list[str]:
    """Return in words which system prompt each entrant is sent; one line when it is the same for all."""
    older = "custom" if evaluation.system_prompt.strip() else "the version's"
    words = {"given": "custom", "training": "the one it was trained with", "version": "the version's"}
    lines = [words.get(entrant.get("prompt_from", ""), older) for entrant in evaluation.entrants]
    prompts = [system_prompt_of(evaluation, entrant) for entrant in evaluation.entrants]
    if len(set(lines)) == 1 and all(prompt == prompts[0] for prompt in prompts):
        return lines[:1]
    return [f"{entrant['name']}: {line}" for entrant, line in zip(evaluation.entrants, lines, strict=True)]


def prompt_and_reference(row: dict[str, Any], system_prompt: str | None) -> tuple[list[Message], str, list[Call]]:
    """Return the prompt of a version's row and the reference: all before the last answer, and its text and calls."""
    messages = list(row.get("messages") or row.get("prompt") or []) + list(row.get("chosen") or [])
    answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    end = answers[-1] if answers else len(messages)
    reference = text_of(messages[end]) if answers else ""
    calls = listed(messages[end].get("tool_calls")) if answers else []
    prompt = [{key: value for key, value in message.items() if value is not None} for message in messages[:end]]
    if system_prompt is not None:
        prompt = [message for message in prompt if message["role"] != "system"]
        if system_prompt.strip():
            prompt.insert(0, {"role": "system", "content": system_prompt})
    return prompt, reference, calls


def counts(evaluation: Evaluation) -> dict[str, int]:
    """Count the answers by outcome; they add up to the ledger."""
    return evaluation.answers.aggregate(
        **{outcome: Count("pk", filter=Q(outcome=outcome)) for outcome in Outcome.values}
    )
