"""Records from comparisons: answers become conversations, votes become preferences.

A record from a prompt of the project's own data stays in that record's group and split, so that a text of the test
split never becomes one to learn from.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from atelier.accounts.models import Project, User
from curation.answers import is_blank
from curation.chat import Message, answer_message
from curation.models import Dataset, Record
from curation.records import derived
from curation.tool_calls import difference
from inference.comparisons import turns as comparisons
from inference.comparisons import votes
from inference.models import Reply, Turn, Vote

CONVERSATIONS = "From comparisons"
PREFERENCES = "Preferences"
LEFT_OUT = "left out"
CUT = "An answer was cut off or stopped before its end, and would be learned as a whole one. Complete it first, or confirm that it is to be saved as it is."
PARTED = "The models answered different conversations, for each has its own earlier answers, so this vote is no preference to learn. Send the prompt in a new comparison, and vote there."


def conversation_datasets(project: Project) -> "QuerySet[Dataset]":
    return project.datasets.filter(kind=Dataset.Kind.CONVERSATIONS).order_by("-pk")


def keep_answer(
    reply: Reply,
    user: User,
    text: str,
    dataset: Dataset | None,
    new_name: str = "",
    cut: bool = False,
    thoughts: bool = False,
) -> Record:
    """Save the conversation up to this answer, perhaps edited, as a record to be reviewed. Raises ValidationError.

    Its calls of tools are saved with the tools on offer, its reasoning only with `thoughts`. An answer that didn't come to
    an end is refused as it is, unless `cut` states that it is wanted all the same. So is one whose model the person may not
    know yet, because the record names it.
    """
    refuse_hidden(reply, user)
    text = text.replace("\r\n", "\n").strip()
    if is_blank(text) and not reply.tool_calls:
        raise ValidationError("The answer is empty. Write one, or save another.")
    if not reply.is_over:
        raise ValidationError("This answer is still being written.")
    with transaction.atomic():
        reply = (
            Reply.objects.select_for_update(of=("self",))
            .select_related("turn__comparison", "side__endpoint__adapter")
            .get(pk=reply.pk)
        )
        _refuse_twice(reply.record)
        dataset = dataset or _dataset(reply.turn.comparison.project, new_name, Dataset.Kind.CONVERSATIONS, user)
        edited = text != reply.text.strip()
        if not (edited or cut):
            _refuse_cut(reply)
        messages = [*comparisons.context(reply), _said(reply, text, thoughts=thoughts)]
        notes = {"edited": True} if edited else {}
        if reply.reasoning.strip() and not thoughts:
            notes["reasoning"] = LEFT_OUT
        record = _record(reply, dataset, messages=messages, metadata=_origin(reply) | notes)
        Reply.objects.filter(pk=reply.pk).update(record=record)
    return record


def refuse_hidden(reply: Reply, user: User) -> None:
    """Raise ValidationError while the person may not know which model wrote this answer."""
    if votes.names_hidden(reply.turn, user):
        raise ValidationError("Vote on these answers first. A saved answer names its model.")


def keep_vote(turn: Turn, user: User, cut: bool = False) -> Record:
    """Save the person's vote as preference records: the better answer against each of the others. Returns the first.

    Raises ValidationError when there is no vote, it names no better answer, it was already saved, or no other answer
    belongs to the same conversation; and for an answer that didn't come to an end, unless `cut` is true.
    """
    with transaction.atomic():
        vote = (
            Vote.objects.select_for_update(of=("self",))
            .filter(turn=turn, user=user)
            .select_related("winner", "record")
            .first()
        )
        if vote is None or vote.winner is None:
            raise ValidationError("Vote for one of the answers first. A tie gives no preference to learn.")
        _refuse_twice(vote.record)
        shown = comparisons.latest(comparisons.with_replies(Turn.objects.filter(pk=turn.pk)).get())
        winner = next((reply for reply in shown if reply.pk == vote.winner_id), None)
        if winner is None or winner.is_empty:
            raise ValidationError(
                "The answer that you voted for is empty or was regenerated. Vote on the current answers."
            )
        others = [reply for reply in shown if reply.pk != winner.pk and not reply.is_empty and _differs(reply, winner)]
        if not others:
            raise ValidationError("The other answers are empty or identical, so there is no preference to learn.")
        before = comparisons.context(winner)
        same = [other for other in others if comparisons.context(other) == before]
        if not same:
            raise ValidationError(PARTED)
        if not cut:
            for reply in (winner, *same):
                _refuse_cut(reply)
        dataset = _preferences(turn.comparison.project, user)
        left_out = {"left_out": len(others) - len(same)} if len(same) < len(others) else {}
        records = [_preference(winner, other, before, dataset, vote, left_out) for other in same]
        Vote.objects.filter(pk=vote.pk).update(record=records[0])
    return records[0]


def _said(reply: Reply, text: str, thoughts: bool = False) -> Message:
    """Return an answer as a message, with its calls of tools and, if wanted, its reasoning."""
    return answer_message(text, reply.reasoning if thoughts else "", reply.tool_calls)


def _preference(
    winner: Reply, loser: Reply, before: list[Message], dataset: Dataset, vote: Vote, left_out: dict[str, int]
) -> Record:
    return _record(
        winner,
        dataset,
        messages=before,
        chosen=[_said(winner, winner.text.strip())],
        rejected=[_said(loser, loser.text.strip())],
        metadata=_origin(winner)
        | {"against": str(loser.side.endpoint), "voter": vote.user.username, "blind": vote.blind}
        | ({"reasoning": LEFT_OUT} if winner.reasoning.strip() or loser.reasoning.strip() else {})
        | left_out,
    )


def _differs(reply: Reply, winner: Reply) -> bool:
    return reply.text.strip() != winner.text.strip() or bool(difference(winner.tool_calls, reply.tool_calls))


def _refuse_cut(reply: Reply) -> None:
    if not reply.is_whole:
        raise ValidationError(CUT)


def _refuse_twice(record: Record | None) -> None:
    if record is not None and record.deleted_at is None:
        raise ValidationError(f"This is already saved as record {record.pk} of {record.dataset.name}.")


def _origin(reply: Reply) -> dict[str, Any]:
    """Return which comparison, endpoint, adapter and run an answer came from."""
    endpoint = reply.side.endpoint
    made = {"comparison": reply.turn.comparison_id, "turn": reply.turn.index, "endpoint": str(endpoint)}
    return made | ({"adapter": endpoint.adapter.name, "run": endpoint.adapter.run_id} if endpoint.adapter else {})


def _record(reply: Reply, dataset: Dataset, **content: Any) -> Record:
    source = reply.turn.source
    record = Record(
        dataset=dataset,
        origin=f"comparison {reply.turn.comparison_id}, turn {reply.turn.index}: {reply.side.endpoint}"[:200],
        source=source,
        tools=reply.turn.comparison.tools,
        source_group=source.source_group if source else "",
        split=source.split if source else "",
        **content,
    )
    derived.complete(record, dataset).save()
    return record


def _preferences(project: Project, user: User) -> Dataset:
    found = project.datasets.filter(kind=Dataset.Kind.PREFERENCES).order_by("pk").first()
    return found or _dataset(project, PREFERENCES, Dataset.Kind.PREFERENCES, user)


def _dataset(project: Project, name: str, kind: str, user: User) -> Dataset:
    """Return a dataset of that name and kind, created if missing. Raises ValidationError when another kind has the name."""
    name = name.strip()
    if not name:
        raise ValidationError("Choose a dataset, or name a new one.")
    dataset, _ = Dataset.objects.get_or_create(
        project=project, name=name[:120], defaults={"kind": kind, "created_by": user}
    )
    if dataset.kind != kind:
        raise ValidationError(f"A dataset {dataset.name} with {dataset.kind} already exists. Choose another name.")
    return dataset
