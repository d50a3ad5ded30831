"""Comparisons: a conversation with two to four endpoints at once, each with its own last answers as context."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet

from atelier.accounts.models import Project, User
from atelier.jobs.once import once
from atelier.web import border
from curation.chat import Sampling, text_of
from curation.checks.tools import check_tools
from curation.models import Dataset, Record
from curation.models.versions import SPLITS
from inference.models import Comparison, Endpoint, Reply, Side, Turn
from inference.serving import deployments

MIN_SIDES, MAX_SIDES = 2, 4
MAX_PROMPT = 100_000
MAX_TOOLS_CHARS = 100_000
PRESETS = 6


@dataclass(frozen=True)
class Preset:
    """A prompt taken from the project's own data."""

    record: Record
    prompt: str


def choices(project: Project) -> list[Endpoint]:
    """Return the endpoints that may be chosen: bases and adapters first, the usual choice for a comparison."""
    found = project.endpoints.filter(archived_at=None).select_related("deployment", "adapter")
    return sorted(found, key=lambda endpoint: (endpoint.kind != Endpoint.Kind.SERVED, endpoint.pk))


def suggested(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return a base and its newest adapter when both answer now, the base first."""
    ready = [endpoint for endpoint in endpoints if endpoint.kind == Endpoint.Kind.SERVED and endpoint.is_ready]
    tuned = sorted((e for e in ready if e.adapter_id), key=lambda endpoint: endpoint.adapter_id or 0)
    if not tuned:
        return []
    base = [e for e in ready if not e.adapter_id and e.deployment_id == tuned[-1].deployment_id]
    return [*base[:1], tuned[-1]] if base else tuned[-2:]


def why_not_ready(endpoint: Endpoint) -> str:
    """Return why an endpoint cannot be called now and what to do, as a sentence; empty when it can."""
    if endpoint.is_ready:
        return ""
    if endpoint.archived_at:
        return "This endpoint is archived."
    deployment = endpoint.deployment
    if deployment is None:
        return "This model isn't deployed. Deploy it under Models."
    if deployment.is_answering:
        return "Its adapter isn't loaded yet. Wait a moment, or check Models."
    return f"This model isn't being served ({deployments.live(deployment).label.lower()}). Check Models."


def create(
    project: Project,
    user: User,
    endpoints: Sequence[Endpoint],
    *,
    name: str = "",
    system_prompt: str = "",
    sampling: Sampling | None = None,
    blind: bool = False,
    tools: Sequence[Any] = (),
    key: str | None = None,
) -> Comparison:
    """Create a comparison without turns. The same `key` returns the same comparison. Raises ValidationError."""
    tools = checked_tools(tools)
    if not MIN_SIDES <= len(endpoints) <= MAX_SIDES:
        raise ValidationError(f"Choose two to four models to compare, not {len(endpoints)}.")
    if len({endpoint.pk for endpoint in endpoints}) < len(endpoints):
        raise ValidationError("Choose each model once.")
    if any(endpoint.project_id != project.pk for endpoint in endpoints):
        raise ValidationError("Choose models of this project.")
    for endpoint in endpoints:
        if why := why_not_ready(endpoint):
            raise ValidationError(f"{endpoint.name} is unavailable. {why}")
        if tools and (why := deployments.why_no_tools(endpoint)):
            raise ValidationError(f"{why} Compare without tools, or choose another model than {endpoint.name}.")

    def make() -> Comparison:
        return Comparison(
            project=project,
            created_by=user,
            name=name.strip()[:120] or " vs ".join(e.name for e in endpoints)[:120],
            system_prompt=system_prompt,
            sampling=checked(sampling or Sampling()).as_json(),
            blind=blind,
            tools=tools,
        )

    def write(comparison: Comparison) -> None:
        comparison.save()
        Side.objects.bulk_create(
            Side(comparison=comparison, position=position, endpoint=endpoint)
            for position, endpoint in enumerate(endpoints)
        )

    return once(project.comparisons, key, make, write)


def checked_tools(tools: Any) -> list[Any]:
    """Return the tools on offer. Raises ValidationError that says what is wrong with the first bad one."""
    if not isinstance(tools, list | tuple):
        raise ValidationError("The tools must be a JSON list.")
    border.storable(list(tools), "One of the tools")
    if len(json.dumps(tools, ensure_ascii=False)) > MAX_TOOLS_CHARS:
        raise ValidationError(f"The tools can have at most {MAX_TOOLS_CHARS:,} characters. Shorten them.")
    for problem in check_tools(list(tools)):
        raise ValidationError(f"{problem.where}: {problem.message}" if problem.where else problem.message)
    return list(tools)


def checked(sampling: Sampling) -> Sampling:
    """Return the sampling itself. Raises ValidationError with what is out of bounds."""
    if sampling.seed is not None and not 0 <= sampling.seed < 2**31:
        raise ValidationError("The seed must be a whole number from 0 to 2147483647.")
    try:
        return Sampling.from_json(sampling.as_json())
    except ValueError as error:
        raise ValidationError(str(error)) from error


def say(
    comparison: Comparison, user: User, prompt: str, *, index: int | None = None, source: Record | None = None
) -> Turn:
    """Create a turn with an answer of each side to be written.

    `index` is the number the sender expects the turn to have, so that a repeated request returns the same turn.
    """
    prompt = prompt.strip().replace("\r\n", "\n")
    if not prompt:
        raise ValidationError("Enter a prompt first.")
    if len(prompt) > MAX_PROMPT:
        raise ValidationError(f"The prompt is longer than {MAX_PROMPT:,} characters. Shorten it.")
    with transaction.atomic():
        last = comparison.turns.select_for_update().order_by("-index").first()
        if last is not None and index is not None and last.index >= index:
            same = comparison.turns.filter(index=index, prompt=prompt).first()
            if same is None:
                raise ValidationError("Someone else has written here. Reload the page, then send again.")
            return same
        if last is not None and latest(last, Reply.State.WAITING, Reply.State.STREAMING):
            raise ValidationError("The last answers are still being written. Wait for them, or stop them.")
        return _add_turn(comparison, user, prompt, (last.index + 1) if last else 1, source)


def _add_turn(comparison: Comparison, user: User, prompt: str, index: int, source: Record | None) -> Turn:
    sides = list(comparison.sides.all())
    if comparison.blind:
        random.shuffle(sides)
    try:
        with transaction.atomic():
            turn = Turn.objects.create(
                comparison=comparison,
                index=index,
                prompt=prompt,
                user=user,
                source=source,
                order=[side.position for side in sides],
            )
    except IntegrityError:
        raise ValidationError("Someone else has written here. Reload the page, then send again.") from None
    # In the order shown, so that even their numbers do not tell who is who.
    Reply.objects.bulk_create(Reply(turn=turn, side=side, sampling=comparison.sampling) for side in sides)
    return turn


def latest(turn: Turn, *states: str) -> list[Reply]:
    """Return the last attempt of each side in the order shown; only those in one of the states, if any are given."""
    last = {reply.side.position: reply for reply in turn.replies.all()}
    shown = [last[position] for position in turn.order if position in last]
    return [reply for reply in shown if not states or reply.state in states]


def with_replies(turns: "QuerySet[Turn]") -> "QuerySet[Turn]":
    """Return turns with everything that showing them needs, in a handful of queries."""
    replies = Reply.objects.select_related("side__endpoint__adapter__run", "record").order_by("attempt")
    return turns.select_related("user", "source").prefetch_related(
        Prefetch("replies", replies), "votes__user", "votes__winner__side"
    )


def regenerate(reply: Reply) -> Reply:
    """Create a new attempt of one answer of the last turn; with a seed, the next seed. Raises ValidationError."""
    turn = reply.turn
    with transaction.atomic():
        newest = Reply.objects.select_for_update().filter(turn=turn, side=reply.side).order_by("-attempt").first()
        if newest is None or newest.pk != reply.pk:
            raise ValidationError("This answer was already regenerated. Reload the page.")
        if not reply.is_over:
            raise ValidationError("This answer is still being written. Stop it first.")
        if turn.comparison.turns.filter(index__gt=turn.index).exists():
            raise ValidationError("The conversation continued from this answer. Only the last one can be regenerated.")
        if turn.votes.exists():
            raise ValidationError("These answers have a vote. Undo the vote first, or send the prompt again.")
        sampling = dict(turn.comparison.sampling)
        if sampling.get("seed") is not None:
            # The same seed would give the same words.
            sampling["seed"] = (sampling["seed"] + reply.attempt) % 2**31
        return Reply.objects.create(turn=turn, side=reply.side, attempt=reply.attempt + 1, sampling=sampling)


def context(reply: Reply) -> list[dict[str, Any]]:
    """Return the messages for one side: the system prompt, its own last answers, and the new prompt.

    A turn that the side did not answer is left out for it: two prompts in a row would break most chat templates. So is
    one that it answered by calling a tool, for nobody gave it the result.
    """
    turn, comparison = reply.turn, reply.turn.comparison
    messages: list[dict[str, Any]] = []
    if comparison.system_prompt.strip():
        messages.append({"role": "system", "content": comparison.system_prompt})
    earlier = Reply.objects.filter(side=reply.side, turn__index__lt=turn.index).select_related("turn")
    last = {answer.turn_id: answer for answer in earlier.order_by("turn__index", "attempt")}
    for answer in last.values():
        if answer.text and not answer.tool_calls and answer.state in (Reply.State.DONE, Reply.State.STOPPED):
            messages += [
                {"role": "user", "content": answer.turn.prompt},
                {"role": "assistant", "content": answer.text},
            ]
    return [*messages, {"role": "user", "content": turn.prompt}]


def presets(comparison: Comparison, limit: int = PRESETS) -> list[Preset]:
    """Return prompts of the project's own records that were not sent here yet.

    Those of the test split come first: the student has not learned from them.
    """
    used = comparison.turns.exclude(source=None).values_list("source_id", flat=True)
    records = Record.objects.present().filter(dataset__in=comparison.project.datasets.all()).exclude(pk__in=list(used))
    records = records.exclude(status=Record.Status.REJECTED)
    chosen: list[Preset] = []
    for kind in (Dataset.Kind.CONVERSATIONS, Dataset.Kind.DOCUMENTS):
        for split in reversed(SPLITS):
            rows = records.filter(dataset__kind=kind, split=split).order_by("pk")[: limit - len(chosen)]
            chosen += [Preset(record, prompt) for record in rows if (prompt := prompt_of(record))]
            if len(chosen) >= limit or (chosen and split == "test"):
                return chosen
    return chosen


def prompt_of(record: Record) -> str:
    """Return the prompt of the record: its last user message, or the longest column of a document."""
    asked = [text_of(message) for message in record.messages if message.get("role") == "user"]
    columns = [value for value in record.fields.values() if isinstance(value, str)]
    return (asked[-1] if asked else max(columns, key=len, default="")).strip()


def preset_record(project: Project, pk: int) -> Record | None:
    """Return the project's record that a preset names."""
    return Record.objects.present().filter(dataset__in=project.datasets.all(), pk=pk).first()
