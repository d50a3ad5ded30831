"""Learned turns of a conversation: which they are, behind which prompt each is learned, and the rows that hold them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

IGNORED = -100  # The label that carries no loss (torch.nn.functional.cross_entropy).
Message = dict[str, Any]


class EncodedRow(NamedTuple):
    """A tokenised row: `input_ids` and `labels` of the same length; a label is its token or IGNORED."""

    input_ids: list[int]
    labels: list[int]


class UnusableRow(ValueError):
    """A row that cannot be tokenised; the message states why, to follow on "row 12: "."""


class Turn(NamedTuple):
    """Neighbouring messages of the assistant that are learned: messages[start:end]."""

    start: int
    end: int


def learned_turns(messages: list[Message]) -> list[Turn]:
    """The turns that carry loss: neighbours of one weight are one turn, those of weight 0 none."""
    turns: list[Turn] = []
    start = 0
    for end in range(1, len(messages) + 1):
        if end < len(messages) and kind_of(messages[end]) == kind_of(messages[start]):
            continue
        role, weight = kind_of(messages[start])
        if role == "assistant" and weight != 0:
            turns.append(Turn(start, end))
        start = end
    return turns


def kind_of(message: Message) -> tuple[Any, Any]:
    """The role and the weight of a message."""
    return message.get("role"), message.get("weight")


def without_thoughts(messages: Sequence[Message]) -> list[Message]:
    """A history as clients send it: the assistant's earlier thoughts stay behind (`inference.clients.base.for_endpoint`)."""
    history = []
    for message in messages:
        if message.get("role") == "assistant" and isinstance(message.get("content"), list):
            parts = [part for part in message["content"] if part.get("type") != "thinking"]
            history.append({**message, "content": parts})
        else:
            history.append(message)
    return history


class EncodedTurn(NamedTuple):
    """A turn's ids: the prompt that is served before it, its own, and which of its own carry loss."""

    prompt: list[int]
    answer: list[int]
    learned: list[bool]

    @property
    def ids(self) -> list[int]:
        return self.prompt + self.answer


def rows_of(turns: Sequence[EncodedTurn]) -> list[EncodedRow]:
    """As few rows as hold every turn behind the very prompt that it is served with, those of later turns last."""
    rows: list[EncodedRow] = []
    waiting = list(turns)
    while waiting:
        ids = waiting[-1].ids
        labels = [IGNORED] * len(ids)
        others = []
        for turn in waiting:
            if ids[: len(turn.ids)] != turn.ids:
                others.append(turn)
                continue
            for at, (token, learned) in enumerate(zip(turn.answer, turn.learned, strict=True), len(turn.prompt)):
                labels[at] = token if learned else IGNORED
        rows.append(EncodedRow(ids, labels))
        waiting = others
    return rows[::-1]
