"""REST API of comparisons."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from ninja import Field, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.api import Before, Key, Limit, newest
from atelier.web.schemas import Body, Id, MaxTokens, Most, Router, Seed, Temperature, TopP
from curation.chat import Sampling
from inference import endpoints, prompts
from inference.comparisons import records, streams, visibility, votes
from inference.comparisons import turns as comparisons
from inference.models import Comparison, Endpoint, Reply, Turn

router = Router(tags=["comparisons"])


class SamplingIn(Body):
    """Sampling parameters of the answers: the same for all endpoints."""

    temperature: Temperature = 0.7
    top_p: TopP = 1.0
    max_tokens: MaxTokens = 512
    seed: Seed | None = None

    def sampling(self) -> Sampling:
        return Sampling(**self.dict())


class ComparisonIn(Body):
    """A comparison of two to four endpoints.

    Without a system prompt, the one that the newest adapter among them was trained with is sent; without an adapter, the
    project's own for the student.
    """

    endpoints: list[Id] = Field(max_length=100)
    name: str = ""
    system_prompt: str | None = None
    sampling: SamplingIn = SamplingIn()
    blind: bool = False
    tools: list[dict[str, Any]] = Field(default=[], description="tools on offer to every model; calls are not run")


class CountOut(Schema):
    won: int
    lost: int
    tied: int
    bad: int


class LeadOut(Schema):
    """The endpoint ahead, and the p-value of the sign test; `clear` is never true of fewer than 8 prompts won by either."""

    ahead: int
    behind: int
    p: float
    too_few: bool
    clear: bool


class StandingOut(Schema):
    """The votes of one endpoint; its share with its 95% interval, 0 to 1: a tie counts half, "both bad" is left out.

    In a blind comparison, votes cast after the names were seen are in `after_names` alone. Share and interval are over
    `prompts`, each counted once with the mean of its votes; `prompts_won` are those that most votes give to this endpoint.
    """

    endpoint: int
    endpoint_name: str
    won: int
    lost: int
    tied: int
    bad: int
    share: float
    low: float
    high: float
    after_names: CountOut
    prompts: int
    prompts_won: int


class ComparisonOut(Schema):
    id: int
    name: str
    blind: bool
    system_prompt: str
    sampling: dict[str, Any]
    tools: list[dict[str, Any]]
    created_at: datetime
    tally: list[StandingOut]
    lead: LeadOut | None


class AnswerOut(Schema):
    """An answer of one endpoint; `endpoint`, and what would tell it, are null while it must not be known.

    Then the ids of calls are empty, too. `tool_calls` are as OpenAI writes them, `call_problems` what is wrong with each; `flaw` is "blank" for an answer without
    anything that can be seen, "refusal" for one that refuses, or empty.
    """

    id: int
    letter: str
    endpoint: int | None
    endpoint_name: str | None
    attempt: int | None
    state: str
    text: str
    reasoning: str | None
    tool_calls: list[dict[str, Any]]
    call_problems: list[list[str]]
    refusal: str
    flaw: str
    error: str
    is_cut: bool
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    first_token_seconds: float | None
    seconds: float | None
    record: int | None


class VoteOut(Schema):
    verdict: str
    winner: int | None
    blind: bool
    record: int | None


class TurnOut(Schema):
    id: int
    index: int
    prompt: str
    answers: list[AnswerOut]
    vote: VoteOut | None


class SayIn(Body):
    """A prompt for all sides. `index` is the number the turn is to have: sent twice, it creates one turn."""

    prompt: str
    index: Most | None = None


class VoteIn(Body):
    """A vote: `side` with the id of the better answer, `tie`, `bad`, or `none` to withdraw the vote."""

    verdict: Literal["side", "tie", "bad", "none"]
    winner: Id | None = None


class SaveIn(Body):
    """The place to save an answer: a dataset's id, or the name of a new one. `text` replaces its text."""

    dataset: Id | None = None
    new_dataset: str = records.CONVERSATIONS
    text: str | None = None
    cut: bool = Field(False, description="save it although the answer was cut off or stopped")
    thoughts: bool = Field(False, description="save its reasoning too, as a thinking part")


class PreferenceIn(Body):
    """How to save a vote. `cut` saves answers that were cut off or stopped, too."""

    cut: bool = False


class SavedOut(Schema):
    record: int
    dataset: int
    dataset_name: str


TELLING = (
    "attempt",
    "reasoning",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "first_token_seconds",
    "seconds",
)
OF_REPLY = AnswerOut.model_fields.keys() - {
    "letter", "endpoint", "endpoint_name", "record", "tool_calls", "call_problems", "flaw", "error",
}  # fmt: skip


def chosen(project: Project, ids: list[int]) -> list[Endpoint]:
    """Return the project's endpoints in the requested order; 404 for one that does not exist."""
    return [child_or_404(project.endpoints.select_related("deployment", "adapter"), pk) for pk in ids]


def _out(comparison: Comparison, standings: list[votes.Standing] | None = None) -> dict[str, Any]:
    fields = ("id", "name", "blind", "system_prompt", "sampling", "tools", "created_at")
    standings = votes.tally(comparison) if standings is None else standings
    lead = votes.lead(standings)
    tally = [
        {"endpoint": standing.endpoint.pk, "endpoint_name": str(standing.endpoint)}
        | {
            name: getattr(standing, name)
            for name in ("won", "lost", "tied", "bad", "share", "low", "high", "prompts", "prompts_won")
        }
        | {"after_names": asdict(standing.after_names)}
        for standing in standings
    ]
    told = lead and {
        "ahead": lead.ahead.pk,
        "behind": lead.behind.pk,
        "p": lead.p,
        "too_few": lead.too_few,
        "clear": lead.is_clear,
    }
    return {name: getattr(comparison, name) for name in fields} | {"tally": tally, "lead": told}


def _turn_out(request: HttpRequest, turn: Turn) -> dict[str, Any]:
    shown = visibility.show(turn, request.user, request.project.role, is_last=False)
    answers = [
        {
            **{name: getattr(answer.reply, name) for name in OF_REPLY},
            "letter": answer.letter,
            "error": answer.error,
            "flaw": "refusal" if answer.reply.is_refusal else "blank" if _is_blank(answer.reply) else "",
            "tool_calls": _calls(answer.reply, shown.hidden),
            "call_problems": [call.problems for call in answer.reply.readable_calls],
            "endpoint_name": answer.name or None,
            "endpoint": None if shown.hidden else answer.reply.side.endpoint_id,
            "record": None if shown.hidden else answer.reply.record_id,  # the record names who wrote it
            **(dict.fromkeys(TELLING) if shown.hidden else {}),
        }
        for answer in shown.answers
    ]
    vote = shown.vote
    voted = vote and {
        "verdict": vote.verdict,
        "winner": vote.winner_id,
        "blind": vote.blind,
        "record": vote.record_id,
    }
    return {"id": turn.pk, "index": turn.index, "prompt": turn.prompt, "answers": answers, "vote": voted}


def _calls(reply: Reply, is_hidden: bool) -> list[dict[str, Any]]:
    """Return an answer's calls; their ids are left out while they would tell which server wrote them."""
    return [call | {"id": ""} for call in reply.tool_calls] if is_hidden else reply.tool_calls


def _is_blank(reply: Reply) -> bool:
    return reply.state == Reply.State.DONE and reply.is_empty


def _comparison(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Comparison:
    return child_or_404(project_or_404(request, project_id, needs=needs).comparisons, pk)


def _again(turn: Turn) -> Turn:
    return comparisons.with_replies(Turn.objects.filter(pk=turn.pk)).get()


@router.get(
    "/projects/{project_id}/comparisons", response=list[ComparisonOut], summary="List comparisons, newest first"
)
def list_comparisons(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    rows = project_or_404(request, project_id).comparisons.prefetch_related("sides__endpoint")
    listed = list(newest(rows, limit, before))
    standings = votes.tallies(listed)
    return [_out(comparison, standings[comparison.pk]) for comparison in listed]


@router.post("/projects/{project_id}/comparisons", response={201: ComparisonOut}, summary="Start a comparison")
def create_comparison(request: HttpRequest, project_id: int, body: ComparisonIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    endpoints_chosen = chosen(project, body.endpoints)
    comparison = comparisons.create(
        project,
        request.user,
        endpoints_chosen,
        name=body.name,
        blind=body.blind,
        tools=body.tools,
        key=key,
        system_prompt=prompts.suggested(project, endpoints_chosen)
        if body.system_prompt is None
        else body.system_prompt,
        sampling=body.sampling.sampling(),
    )
    return Status(201, _out(comparison))


@router.get(
    "/projects/{project_id}/comparisons/{pk}", response=ComparisonOut, summary="Get a comparison with its votes"
)
def get_comparison(request: HttpRequest, project_id: int, pk: int) -> Any:
    return _out(_comparison(request, project_id, pk))


@router.post(
    "/projects/{project_id}/comparisons/{pk}/say",
    response={201: TurnOut},
    summary="Send a prompt to all models and wait",
)
def say(request: HttpRequest, project_id: int, pk: int, body: SayIn) -> Any:
    """Returns when all models have answered; a failed answer states the reason in its `error`."""
    comparison = _comparison(request, project_id, pk, needs="annotator")
    turn = comparisons.say(comparison, request.user, body.prompt, index=body.index)
    replies = comparisons.latest(_again(turn))
    async_to_sync(streams.write_all)([reply.pk for reply in replies], endpoints.client_for)
    return Status(201, _turn_out(request, _again(turn)))


@router.get(
    "/projects/{project_id}/comparisons/{pk}/answers", response=list[TurnOut], summary="List all turns and answers"
)
def answers(request: HttpRequest, project_id: int, pk: int) -> Any:
    rows = comparisons.with_replies(_comparison(request, project_id, pk).turns.select_related("comparison"))
    return [_turn_out(request, turn) for turn in rows]


@router.post(
    "/projects/{project_id}/comparisons/{pk}/turns/{turn_pk}/vote",
    response=TurnOut,
    summary="Vote on a turn, or change your vote",
)
def vote(request: HttpRequest, project_id: int, pk: int, turn_pk: int, body: VoteIn) -> Any:
    comparison = _comparison(request, project_id, pk, needs="annotator")
    turn = child_or_404(comparisons.with_replies(comparison.turns), turn_pk)
    if body.verdict == "none":
        votes.withdraw(turn, request.user)
    else:
        winner = child_or_404(turn.replies, body.winner) if body.winner is not None else None
        votes.cast(turn, request.user, body.verdict, winner)
    return _turn_out(request, _again(turn))


@router.post(
    "/projects/{project_id}/comparisons/{pk}/turns/{turn_pk}/preference",
    response={201: SavedOut},
    summary="Save your vote as a preference record",
)
def keep_preference(
    request: HttpRequest, project_id: int, pk: int, turn_pk: int, body: PreferenceIn | None = None
) -> Any:
    turn = child_or_404(_comparison(request, project_id, pk, needs="editor").turns, turn_pk)
    return Status(201, _saved(records.keep_vote(turn, request.user, cut=bool(body and body.cut))))


@router.post(
    "/projects/{project_id}/comparisons/{pk}/replies/{reply_pk}/save",
    response={201: SavedOut},
    summary="Save an answer as a conversation",
)
def save_answer(request: HttpRequest, project_id: int, pk: int, reply_pk: int, body: SaveIn) -> Any:
    comparison = _comparison(request, project_id, pk, needs="editor")
    reply = child_or_404(Reply.objects.filter(turn__comparison=comparison), reply_pk)
    dataset = child_or_404(records.conversation_datasets(comparison.project), body.dataset) if body.dataset else None
    text = reply.text if body.text is None else body.text
    return Status(
        201,
        _saved(
            records.keep_answer(
                reply, request.user, text, dataset, body.new_dataset, cut=body.cut, thoughts=body.thoughts
            )
        ),
    )


def _saved(record: Any) -> dict[str, Any]:
    return {"record": record.pk, "dataset": record.dataset_id, "dataset_name": record.dataset.name}
