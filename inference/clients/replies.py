"""Replies of chat completions, read leniently: text, thoughts, counts and errors, in whatever form servers write them.

Nothing here raises for what a reply holds: a server may send anything, and only a reply without any answer is an error.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from curation.chat import thinking_text
from inference.clients.called import CallPiece, pieces_of

MOST_TOKENS = 10_000_000  # of one call
TOO_MANY, OVERLOADED = 429, 503
_LIMITED = re.compile(r"rate.?limit|too.?many|quota|throttl|requests per|resource.?exhausted", re.IGNORECASE)
_BUSY = re.compile(r"overload|capacity|\bbusy\b|unavailable|try again|temporar", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """What one reply, or one piece of a stream, says in its first choice."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str = ""
    calls: list[CallPiece] = field(default_factory=list)


@dataclass(frozen=True)
class InnerError:
    """An error inside a reply with status 200: the status it stands for, 0 if it names none, and its body."""

    status: int
    body: Any


def is_reply(reply: Any) -> bool:
    """Return whether it has a first choice, which is where an answer would be."""
    return isinstance(reply, dict) and bool(_first(reply.get("choices")))


def piece_of(reply: Mapping[str, Any]) -> Piece:
    """Return what the first choice says, of a whole reply (`message`) or of a piece of a stream (`delta`)."""
    choice = _first(reply.get("choices")) or {}
    ended = choice.get("finish_reason")
    message = next((choice[name] for name in ("message", "delta") if isinstance(choice.get(name), dict)), choice)
    text, reasoning, refusal = _said(message.get("content") if message is not choice else choice.get("text"))
    thoughts = [_thought(message.get(name)) for name in ("reasoning", "reasoning_content", "thinking")]
    refused = message.get("refusal")
    return Piece(
        text,
        # Some servers send the same thoughts under two names.
        next(filter(None, thoughts), "") + reasoning,
        refusal + (refused if isinstance(refused, str) else ""),
        ended if isinstance(ended, str) else "",
        pieces_of(message, is_whole=message is choice.get("message")),
    )


def counts_of(reply: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the tokens of prompt and answer; None if the reply has no counts."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    return tokens(usage.get("prompt_tokens")), tokens(usage.get("completion_tokens"))


def tokens(told: Any) -> int:
    """Return a token count as a whole number that a column holds: a server may report anything."""
    if isinstance(told, str):
        try:
            told = float(told)
        except ValueError:
            return 0
    if isinstance(told, bool) or not isinstance(told, int | float) or math.isnan(told):
        return 0
    return int(min(max(told, 0), MOST_TOKENS))


def error_in(reply: Any) -> InnerError | None:
    """Return the error that a reply holds beside or in place of an answer: at the top, or in its first choice."""
    if not isinstance(reply, dict):
        return None
    choice = _first(reply.get("choices")) or {}
    for place in (reply, choice, choice.get("message"), choice.get("delta")):
        if isinstance(place, dict) and _says(place.get("error")):
            return _error(place["error"], place)
    said = choice or reply
    if any(said.get(name) for name in ("detail", "message")) and not _is_answer(choice):
        return _error(said, said)
    return None


def _error(body: Any, around: Mapping[str, Any]) -> InnerError:
    """Return the error with its status: a number from 400 to 599 in it or around it, else what its words tell."""
    named = [body] if isinstance(body, dict) else []
    for place in (*named, around):
        for name in ("code", "status", "status_code", "http_code"):
            if 400 <= (status := tokens(place.get(name))) < 600:
                return InnerError(status, {"error": body})
    words = " ".join(str(value) for value in body.values()) if isinstance(body, dict) else str(body)
    words += f" {around.get('code', '')}"
    status = TOO_MANY if _LIMITED.search(words) else OVERLOADED if _BUSY.search(words) else 0
    return InnerError(status, {"error": body})


def _says(error: Any) -> bool:
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _is_answer(choice: Mapping[str, Any]) -> bool:
    return isinstance(choice.get("text"), str) or any(
        isinstance(choice.get(name), dict) for name in ("message", "delta")
    )


def _first(choices: Any) -> dict[str, Any] | None:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return None


def _said(content: Any) -> tuple[str, str, str]:
    """Return text, thoughts and refusal of a content: a string, a part, a list of them, a bare number, or nothing."""
    text, reasoning, refusal = [], [], []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, bool):
            text.append("true" if part else "false")
        elif isinstance(part, int | float):
            text.append(str(part))
        elif isinstance(part, dict):
            if part.get("type") in ("thinking", "reasoning"):
                reasoning.append(next(filter(None, (_thought(part.get(name)) for name in ("thinking", "text"))), ""))
            elif isinstance(part.get("refusal"), str):
                refusal.append(part["refusal"])
            elif isinstance(part.get("text"), str):
                text.append(part["text"])
            elif isinstance(part.get("text"), dict) and isinstance(part["text"].get("value"), str):
                text.append(part["text"]["value"])
    return "".join(text), "".join(reasoning), "".join(refusal)


def _thought(value: Any) -> str:
    if isinstance(value, dict):
        value = [value]
    return thinking_text(value)
