"""REST: comparisons."""

from datetime import datetime
from typing import Any, Literal

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from ninja import Router, Schema, Status

from atelier.accounts.access import child_or_404, project_or_404
from atelier.accounts.models import Project
from atelier.api import Before, Key, Limit, newest
from curation.chat import Sampling
from inference import comparison as comparisons
from inference import endpoints, keeping, showing, streams, votes
from inference.models import Comparison, Endpoint, Reply, Turn

router = Router(tags=["comparisons"])


class SamplingIn(Schema):
    """How answers are drawn: the same for all who answer."""

    model_config = {"extra": "forbid"}
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None

    def sampling(self) -> Sampling:
        return Sampling(**self.dict())


class ComparisonIn(Schema):
    """Two to four endpoints; without a system prompt the project's own for the student is sent."""

    model_config = {"extra": "forbid"}
    endpoints: list[int]
    name: str = ""
    system_prompt: str | None = None
    sampling: SamplingIn = SamplingIn()
    blind: bool = False


class StandingOut(Schema):
    """Votes of one endpoint; share won with its 95% interval, 0 to 1."""

    endpoint: int
    endpoint_name: str
    won: int
    lost: int
    tied: int
    bad: int
    share: float
    low: float
    high: float


class ComparisonOut(Schema):
    id: int
    name: str
    blind: bool
    system_prompt: str
    sampling: dict[str, Any]
    created_at: datetime
    tally: list[StandingOut]


class AnswerOut(Schema):
    """One answer; endpoint is null while it must not be known."""

    id: int
    letter: str
    endpoint: int | None
    endpoint_name: str | None
    attempt: int
    state: str
    text: str
    reasoning: str
    error: str
    is_cut: bool
    prompt_tokens: int
    completion_tokens: int
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


class SayIn(Schema):
    """What to say to all sides. `index` is the number the turn is to have: sent twice, it is said once."""

    model_config = {"extra": "forbid"}
    prompt: str
    index: int | None = None


class VoteIn(Schema):
    """`side` with the id of the better answer, `tie`, `bad`, or `none` to take the vote back."""

    model_config = {"extra": "forbid"}
    verdict: Literal["side", "tie", "bad", "none"]
    winner: int | None = None


class SaveIn(Schema):
    """Where an answer goes: a dataset's id, or the name of a new one. `text` mends it."""

    model_config = {"extra": "forbid"}
    dataset: int | None = None
    new_dataset: str = keeping.CONVERSATIONS
    text: str | None = None


class SavedOut(Schema):
    record: int
    dataset: int
    dataset_name: str


OF_REPLY = AnswerOut.model_fields.keys() - {"letter", "endpoint", "endpoint_name", "record"}


def chosen(project: Project, ids: list[int]) -> list[Endpoint]:
    """The project's endpoints in the order asked for; 404 for one that is not there."""
    return [child_or_404(project.endpoints.select_related("deployment", "adapter"), pk) for pk in ids]


def _out(found: Comparison) -> dict[str, Any]:
    fields = ("id", "name", "blind", "system_prompt", "sampling", "created_at")
    tally = [
        {"endpoint": one.endpoint.pk, "endpoint_name": str(one.endpoint)}
        | {name: getattr(one, name) for name in ("won", "lost", "tied", "bad", "share", "low", "high")}
        for one in votes.tally(found)
    ]
    return {name: getattr(found, name) for name in fields} | {"tally": tally}


def _turn_out(request: HttpRequest, turn: Turn) -> dict[str, Any]:
    shown = showing.show(turn, request.user, request.project.role, is_last=False)
    answers = [
        {
            **{name: getattr(one.reply, name) for name in OF_REPLY},
            "letter": one.letter,
            "endpoint_name": one.name or None,
            "endpoint": None if shown.hidden else one.reply.side.endpoint_id,
            "record": None if shown.hidden else one.reply.record_id,  # the record names who wrote it
        }
        for one in shown.answers
    ]
    vote = shown.vote
    voted = vote and {
        "verdict": vote.verdict,
        "winner": vote.winner_id,
        "blind": vote.blind,
        "record": vote.record_id,
    }
    return {"id": turn.pk, "index": turn.index, "prompt": turn.prompt, "answers": answers, "vote": voted}


def _comparison(request: HttpRequest, project_id: int, pk: int, needs: str = "viewer") -> Comparison:
    return child_or_404(project_or_404(request, project_id, needs=needs).comparisons, pk)


def _again(turn: Turn) -> Turn:
    return comparisons.with_replies(Turn.objects.filter(pk=turn.pk)).get()


@router.get("/projects/{project_id}/comparisons", response=list[ComparisonOut], summary="Comparisons, the newest first")
def list_comparisons(request: HttpRequest, project_id: int, limit: Limit = 200, before: Before = None) -> Any:
    rows = project_or_404(request, project_id).comparisons.prefetch_related("sides__endpoint")
    return [_out(found) for found in newest(rows, limit, before)]


@router.post("/projects/{project_id}/comparisons", response={201: ComparisonOut}, summary="Start a comparison")
def create_comparison(request: HttpRequest, project_id: int, body: ComparisonIn, key: Key = None) -> Any:
    project = project_or_404(request, project_id, needs="editor")
    found = comparisons.create(
        project,
        request.user,
        chosen(project, body.endpoints),
        name=body.name,
        blind=body.blind,
        key=key,
        system_prompt=project.student_prompt if body.system_prompt is None else body.system_prompt,
        sampling=body.sampling.sampling(),
    )
    return Status(201, _out(found))


@router.get("/projects/{project_id}/comparisons/{pk}", response=ComparisonOut, summary="One comparison with its votes")
def get_comparison(request: HttpRequest, project_id: int, pk: int) -> Any:
    return _out(_comparison(request, project_id, pk))


@router.post("/projects/{project_id}/comparisons/{pk}/say", response={201: TurnOut}, summary="Ask all sides, and wait")
def say(request: HttpRequest, project_id: int, pk: int, body: SayIn) -> Any:
    """Answers when all sides have; one that failed says why in its `error`."""
    found = _comparison(request, project_id, pk, needs="annotator")
    turn = comparisons.say(found, request.user, body.prompt, index=body.index)
    replies = comparisons.latest(_again(turn))
    async_to_sync(streams.write_all)([reply.pk for reply in replies], endpoints.client_for)
    return Status(201, _turn_out(request, _again(turn)))


@router.get("/projects/{project_id}/comparisons/{pk}/answers", response=list[TurnOut], summary="All turns and answers")
def answers(request: HttpRequest, project_id: int, pk: int) -> Any:
    rows = comparisons.with_replies(_comparison(request, project_id, pk).turns.select_related("comparison"))
    return [_turn_out(request, turn) for turn in rows]


@router.post(
    "/projects/{project_id}/comparisons/{pk}/turns/{turn_pk}/vote",
    response=TurnOut,
    summary="Vote on a turn, or change the vote",
)
def vote(request: HttpRequest, project_id: int, pk: int, turn_pk: int, body: VoteIn) -> Any:
    found = _comparison(request, project_id, pk, needs="annotator")
    turn = child_or_404(comparisons.with_replies(found.turns), turn_pk)
    if body.verdict == "none":
        votes.withdraw(turn, request.user)
    else:
        winner = child_or_404(turn.replies, body.winner) if body.winner is not None else None
        votes.cast(turn, request.user, body.verdict, winner)
    return _turn_out(request, _again(turn))


@router.post(
    "/projects/{project_id}/comparisons/{pk}/turns/{turn_pk}/preference",
    response={201: SavedOut},
    summary="Save one's vote as a preference record",
)
def keep_preference(request: HttpRequest, project_id: int, pk: int, turn_pk: int) -> Any:
    turn = child_or_404(_comparison(request, project_id, pk, needs="editor").turns, turn_pk)
    return Status(201, _saved(keeping.keep_vote(turn, request.user)))


@router.post(
    "/projects/{project_id}/comparisons/{pk}/replies/{reply_pk}/save",
    response={201: SavedOut},
    summary="Save an answer as a conversation",
)
def save_answer(request: HttpRequest, project_id: int, pk: int, reply_pk: int, body: SaveIn) -> Any:
    found = _comparison(request, project_id, pk, needs="editor")
    reply = child_or_404(Reply.objects.filter(turn__comparison=found), reply_pk)
    dataset = child_or_404(keeping.conversation_datasets(found.project), body.dataset) if body.dataset else None
    text = reply.text if body.text is None else body.text
    return Status(201, _saved(keeping.keep_answer(reply, request.user, text, dataset, body.new_dataset)))


def _saved(record: Any) -> dict[str, Any]:
    return {"record": record.pk, "dataset": record.dataset_id, "dataset_name": record.dataset.name}
