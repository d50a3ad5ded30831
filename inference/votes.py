"""Votes: which answer was better, what they add up to, and the records they become."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import User
from inference import comparison as comparisons
from inference.models import Comparison, Endpoint, Reply, Turn, Vote
from inference.scoring import stats


@dataclass(frozen=True)
class Standing:
    """One endpoint's votes: won, lost, tied and bad; the share won with its 95% Wilson interval, 0 to 1."""

    endpoint: Endpoint
    won: int
    lost: int
    tied: int
    bad: int
    share: float
    low: float
    high: float

    @property
    def votes(self) -> int:
        return self.won + self.lost + self.tied + self.bad


def cast(turn: Turn, user: User, verdict: str, winner: Reply | None = None) -> Vote:
    """One person's vote on a turn; voting again changes it. Raises ValidationError with a sentence."""
    if verdict not in Vote.Verdict.values:
        raise ValidationError(f"A vote is one of {', '.join(Vote.Verdict.values)}.")
    shown = comparisons.latest(turn)
    if any(not reply.is_over for reply in shown):
        raise ValidationError("Vote when every answer is written.")
    if verdict == Vote.Verdict.SIDE and (winner is None or winner.pk not in {reply.pk for reply in shown}):
        raise ValidationError("Say which of the answers shown is better.")
    winner = winner if verdict == Vote.Verdict.SIDE else None
    with transaction.atomic():
        earlier = Vote.objects.select_for_update().filter(turn=turn, user=user).first()
        if earlier and (earlier.verdict, earlier.winner_id) == (verdict, winner.pk if winner else None):
            return earlier
        # Who changes a vote has seen the names by then.
        blind = turn.comparison.blind and earlier is None
        vote, _ = Vote.objects.update_or_create(
            turn=turn,
            user=user,
            defaults={"verdict": verdict, "winner": winner, "blind": blind, "record": None, "at": timezone.now()},
        )
    return vote


def withdraw(turn: Turn, user: User) -> bool:
    """Take one's vote back. False when there was none."""
    return bool(Vote.objects.filter(turn=turn, user=user).delete()[0])


def of(turn: Turn, user: User) -> Vote | None:
    """This person's vote, from what was prefetched."""
    return next((vote for vote in turn.votes.all() if vote.user_id == user.pk), None)


def names_hidden(turn: Turn, user: User) -> bool:
    """True while this person may not know who wrote which answer."""
    return turn.comparison.blind and of(turn, user) is None


def tally(comparison: Comparison) -> list[Standing]:
    """Each side's votes in one comparison, in the order of the sides."""
    return tallies([comparison])[comparison.pk]


def tallies(found: Iterable[Comparison]) -> dict[int, list[Standing]]:
    """Standings by comparison, for a page of them, in two queries and those of the prefetched sides."""
    found = list(found)
    won: Counter[tuple[int, int]] = Counter()
    verdicts: Counter[tuple[int, str]] = Counter()
    rows = Vote.objects.filter(turn__comparison__in=found).values_list(
        "turn__comparison_id", "verdict", "winner__side__endpoint_id"
    )
    for comparison_id, verdict, endpoint_id in rows:
        verdicts[comparison_id, verdict] += 1
        if endpoint_id:
            won[comparison_id, endpoint_id] += 1
    return {
        comparison.pk: [
            _standing(
                side.endpoint,
                won[comparison.pk, side.endpoint_id],
                verdicts[comparison.pk, Vote.Verdict.SIDE],
                verdicts[comparison.pk, Vote.Verdict.TIE],
                verdicts[comparison.pk, Vote.Verdict.BAD],
            )
            for side in comparison.sides.all()
        ]
        for comparison in found
    }


def _standing(endpoint: Endpoint, won: int, decided: int, tied: int, bad: int) -> Standing:
    total = decided + tied + bad
    share = stats.wilson(won, total) if total else stats.Interval(0.0, 0.0, 1.0)
    return Standing(endpoint, won, decided - won, tied, bad, share.value, share.low, share.high)
