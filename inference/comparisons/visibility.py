"""A comparison's turn as pages show it: its answers in order, under letters until names may be known, and the vote buttons."""

from dataclasses import dataclass
from typing import Any

from atelier.accounts.models import User
from inference.comparisons import turns as comparisons
from inference.comparisons import votes
from inference.comparisons.streams import HIDDEN_ERROR
from inference.models import Reply, Turn, Vote

LETTERS = "ABCD"


@dataclass(frozen=True)
class VoteButton:
    """A button of the vote: its value in the form, words, keys, and whether it is this person's vote."""

    value: str
    label: str
    key: str
    also: str
    pressed: bool


@dataclass(frozen=True)
class VisibleReply:
    """An answer as it is shown."""

    reply: Reply
    letter: str
    name: str  # empty while it must not be known
    reasoning: str  # empty while the name is hidden: whether a model thinks, and how, tells which it is
    error: str
    can_regenerate: bool
    can_save: bool
    won: bool


@dataclass(frozen=True)
class VisibleTurn:
    turn: Turn
    answers: list[VisibleReply]
    choices: list[VoteButton]
    vote: Vote | None
    is_last: bool
    is_over: bool
    can_say: bool
    can_save: bool
    hidden: bool

    @property
    def can_prefer(self) -> bool:
        """Return whether the vote names a better answer that there is something to learn from."""
        winner = self.vote and self.vote.winner
        return bool(self.can_save and winner and not winner.is_empty)

    @property
    def has_cut(self) -> bool:
        """Return whether an answer did not come to an end, so that saving the vote asks first."""
        return any(not shown.reply.is_whole for shown in self.answers)

    @property
    def pairs(self) -> list[tuple[VisibleReply, VisibleReply]]:
        """Return every two answers that can be compared word by word."""
        written = [shown for shown in self.answers if shown.reply.is_over and shown.reply.text]
        return [(a, b) for i, a in enumerate(written) for b in written[i + 1 :]]


def show(turn: Turn, user: User, role: Any, is_last: bool) -> VisibleTurn:
    """Return a turn as one person sees it, who has a role in its team."""
    replies = comparisons.latest(turn)
    vote, hidden = votes.of(turn, user), votes.names_hidden(turn, user)
    can_say, can_save = role.covers("annotator"), role.covers("editor")
    answers = [
        VisibleReply(
            reply=reply,
            letter=LETTERS[place],
            name="" if hidden else str(reply.side.endpoint),
            reasoning="" if hidden else reply.reasoning,
            error=HIDDEN_ERROR if hidden and reply.error else reply.error,
            can_regenerate=can_say and is_last and reply.is_over and not turn.votes.all(),
            can_save=can_save and reply.is_over and bool(reply.text or reply.tool_calls) and not hidden,
            won=bool(vote and vote.winner_id == reply.pk),
        )
        for place, reply in enumerate(replies)
    ]
    return VisibleTurn(
        turn=turn,
        answers=answers,
        choices=_choices(answers, vote),
        vote=vote,
        is_last=is_last,
        is_over=all(reply.is_over for reply in replies),
        can_say=can_say,
        can_save=can_save,
        hidden=hidden,
    )


def _choices(answers: list[VisibleReply], vote: Vote | None) -> list[VoteButton]:
    """Return the vote buttons: with two answers left, right, tie, both bad; with more the letters, then tie and all bad."""
    two = len(answers) == 2
    words = ["Left", "Right"] if two else [shown.letter for shown in answers]
    arrows = ["arrowleft", "arrowright"] if two else [""] * len(answers)
    buttons = [
        VoteButton(str(shown.reply.pk), f"{word} is better" if two else word, str(place), arrow, shown.won)
        for place, (shown, word, arrow) in enumerate(zip(answers, words, arrows, strict=True), 1)
    ]
    rest = [(Vote.Verdict.TIE, "Tie"), (Vote.Verdict.BAD, "Both bad" if two else "All bad")]
    return buttons + [
        VoteButton(value, label, str(len(answers) + place), "", bool(vote and vote.verdict == value))
        for place, (value, label) in enumerate(rest, 1)
    ]
