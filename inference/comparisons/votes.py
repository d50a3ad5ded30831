"""Votes on answers: casting and withdrawing them, and the standings of the endpoints."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.accounts.models import User
from curation.scoring import statistics
from inference.comparisons import turns as comparisons
from inference.models import Comparison, Endpoint, Reply, Turn, Vote


@dataclass(frozen=True)
class Count:
    """The votes of one endpoint by how they went for it."""

    won: int = 0
    lost: int = 0
    tied: int = 0
    bad: int = 0

    @property
    def votes(self) -> int:
        return self.won + self.lost + self.tied + self.bad


@dataclass(frozen=True)
class Standing(Count):
    """The votes of one endpoint that count, and its share with its 95% Wilson interval, 0 to 1.

    A tie counts for every side in equal parts; "both bad" is no part of the share. In a blind comparison only votes cast
    before the names were seen count; the others are in `after_names`. Several people's votes on one prompt say little more
    than one, for they read the same answers: share and interval are those of `prompts`, each with the mean of its votes, and
    `prompts_won` those that most of its votes give to this endpoint.
    """

    endpoint: Endpoint = None  # type: ignore[assignment]
    share: float = 0.0
    low: float = 0.0
    high: float = 1.0
    after_names: Count = Count()
    prompts: int = 0
    prompts_won: int = 0

    @property
    def compared(self) -> int:
        """Return the votes that say which answer is better, or that none is."""
        return self.won + self.lost + self.tied


@dataclass(frozen=True)
class Lead:
    """How far the first of the endpoints is ahead of the second, by the exact sign test of the prompts that one of them won.

    With three or four endpoints the p-value allows for all pairs that could have been the first two.
    """

    ahead: Endpoint
    behind: Endpoint
    p: float
    too_few: bool

    @property
    def is_clear(self) -> bool:
        return not self.too_few and self.p < statistics.ERROR


def cast(turn: Turn, user: User, verdict: str, winner: Reply | None = None) -> Vote:
    """Cast one person's vote on a turn; voting again changes it. Raises ValidationError with a sentence."""
    if verdict not in Vote.Verdict.values:
        raise ValidationError(f"A vote must be one of {', '.join(Vote.Verdict.values)}.")
    shown = comparisons.latest(turn)
    if any(not reply.is_over for reply in shown):
        raise ValidationError("You can vote when every answer is complete.")
    if verdict == Vote.Verdict.SIDE and (winner is None or winner.pk not in {reply.pk for reply in shown}):
        raise ValidationError("Choose which of the shown answers is better.")
    winner = winner if verdict == Vote.Verdict.SIDE else None
    with transaction.atomic():
        earlier = Vote.objects.select_for_update().filter(turn=turn, user=user).first()
        if earlier and (earlier.verdict, earlier.winner_id) == (verdict, winner.pk if winner else None):
            return earlier
        # Who changes a vote, or votes again after undoing one, has seen the names by then.
        knew = _note_named(turn, user) or earlier is not None
        blind = turn.comparison.blind and not knew
        vote, _ = Vote.objects.update_or_create(
            turn=turn,
            user=user,
            defaults={"verdict": verdict, "winner": winner, "blind": blind, "record": None, "at": timezone.now()},
        )
    return vote


def withdraw(turn: Turn, user: User) -> bool:
    """Withdraw the person's vote. Returns False when there was none."""
    with transaction.atomic():
        there = bool(Vote.objects.filter(turn=turn, user=user).delete()[0])
        if there:
            _note_named(turn, user)
    return there


def _note_named(turn: Turn, user: User) -> bool:
    """Note that the person has seen the names of this turn's answers. Returns whether that was noted before."""
    named: list[int] = Turn.objects.select_for_update().get(pk=turn.pk).named_to
    if user.pk not in named:
        Turn.objects.filter(pk=turn.pk).update(named_to=[*named, user.pk])
    return user.pk in named


def of(turn: Turn, user: User) -> Vote | None:
    """Return this person's vote, from what was prefetched."""
    return next((vote for vote in turn.votes.all() if vote.user_id == user.pk), None)


def names_hidden(turn: Turn, user: User) -> bool:
    """Return whether this person may not know yet which endpoint wrote which answer."""
    return turn.comparison.blind and of(turn, user) is None


def tally(comparison: Comparison) -> list[Standing]:
    """Return each side's votes in one comparison, in the order of the sides."""
    return tallies([comparison])[comparison.pk]


def tallies(comparisons: Iterable[Comparison]) -> dict[int, list[Standing]]:
    """Return standings by comparison, for a page of them, in two queries and those of the prefetched sides."""
    comparisons = list(comparisons)
    won: Counter[tuple[int, bool, int]] = Counter()
    verdicts: Counter[tuple[int, bool, str]] = Counter()
    prompts: dict[int, dict[int, Counter[int | None]]] = {comparison.pk: {} for comparison in comparisons}
    rows = Vote.objects.filter(turn__comparison__in=comparisons).values_list(
        "turn__comparison_id", "turn_id", "turn__comparison__blind", "blind", "verdict", "winner__side__endpoint_id"
    )
    for comparison_id, turn_id, is_blind, was_blind, verdict, endpoint_id in rows:
        counts = was_blind or not is_blind
        verdicts[comparison_id, counts, verdict] += 1
        if endpoint_id:
            won[comparison_id, counts, endpoint_id] += 1
        if counts and verdict != Vote.Verdict.BAD:
            prompts[comparison_id].setdefault(turn_id, Counter())[endpoint_id] += 1

    def count(comparison: Comparison, endpoint: int, counts: bool) -> Count:
        wins = won[comparison.pk, counts, endpoint]
        decided, tied, bad = (verdicts[comparison.pk, counts, verdict] for verdict in ("side", "tie", "bad"))
        return Count(wins, decided - wins, tied, bad)

    found = {}
    for comparison in comparisons:
        sides = list(comparison.sides.all())
        found[comparison.pk] = [
            _standing(
                side.endpoint,
                count(comparison, side.endpoint_id, True),
                count(comparison, side.endpoint_id, False),
                list(prompts[comparison.pk].values()),
                len(sides),
            )
            for side in sides
        ]
    return found


def _standing(
    endpoint: Endpoint, count: Count, after_names: Count, prompts: list[Counter[int | None]], sides: int
) -> Standing:
    """Return a standing; of each prompt, `prompts` has the votes by the endpoint that won, None for ties."""
    parts = [(votes[endpoint.pk] + votes[None] / sides) / votes.total() for votes in prompts]
    share = statistics.wilson(sum(parts), len(parts)) if parts else statistics.Interval(0.0, 0.0, 1.0)
    return Standing(
        count.won,
        count.lost,
        count.tied,
        count.bad,
        endpoint,
        share.value,
        share.low,
        share.high,
        after_names,
        prompts=len(parts),
        prompts_won=sum(_winner(votes) == endpoint.pk for votes in prompts),
    )


def _winner(votes: Counter[int | None]) -> int | None:
    """Return the endpoint that most votes on a prompt name; None when none has more than every other."""
    named = Counter({endpoint: number for endpoint, number in votes.items() if endpoint is not None}).most_common(2)
    if not named or (len(named) == 2 and named[0][1] == named[1][1]) or named[0][1] <= votes[None]:
        return None
    return named[0][0]


def lead(standings: Sequence[Standing]) -> Lead | None:
    """Return how far the first is ahead; None while nobody is."""
    first, second = sorted(standings, key=lambda standing: -standing.prompts_won)[:2]
    won, lost = first.prompts_won, second.prompts_won
    if won == lost:
        return None
    pairs = len(standings) * (len(standings) - 1) // 2
    p = min(1.0, pairs * statistics.sign_test(won, lost))
    return Lead(first.endpoint, second.endpoint, p, won + lost < statistics.FEWEST_ROWS)
