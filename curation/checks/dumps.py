"""Texts that are conversations written as JSON: told apart from other JSON, and put back into turns where that is mechanical."""

from collections.abc import Sequence
from itertools import islice, takewhile
from typing import Any

import orjson

from curation.chat import Message
from curation.checks.fixes import fix_forms
from curation.checks.forms import role_named

ENVELOPES = ("messages", "conversations", "conversation")
TURN_KEYS = ({"role", "content"}, {"from", "value"})
ROLES = ("system", "user", "assistant")
SENTENCE_BLANKS = 3  # of a text that is a sentence though nothing ends it
ENDS = ".!?…"  # of sentences


def dumped(text: str) -> str:
    """Return what a text is a dump of, in words: a turn, a list of turns, an envelope or a pair of outputs; else nothing."""
    value = _parsed(text)
    if _is_turn(value):
        return "a turn of a conversation"
    if isinstance(value, dict) and any(_are_turns(value.get(key)) for key in ENVELOPES):
        return "a conversation"
    if _are_turns(value):
        return "a list of turns"
    return "a pair of outputs" if _is_pair(value) else ""


def undumped(messages: Sequence[Any], before: Sequence[Any] = ()) -> list[Message] | None:
    """Return messages with the turns that their texts are dumps of in their places; None if nothing can be put right.

    It can be where there is one reading: the turns hold nothing but who says what, they end with the role of the message
    that held them, they follow on from the messages before (`before` those of a preference's prompt), and what they repeat
    of these is left out.
    """
    said = list(before)
    changed = False
    for message in messages:
        turns = turns_of(message, said)
        changed = changed or turns is not None
        said += [message] if turns is None else turns
    return said[len(before) :] if changed else None


def turns_of(message: Any, before: Sequence[Any] = ()) -> list[Message] | None:
    """Return the turns that a message's text is a dump of, after those before; None if there is no one reading."""
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
        return None
    listed = _listed(_parsed(message.get("content")))
    if listed is None:
        return None
    turns, _ = fix_forms(listed)
    if not all(turn.get("role") in ROLES and _is_text(turn.get("content")) for turn in turns):
        return None
    if len(turns) > len(before) and turns[: len(before)] == list(before):
        turns = turns[len(before) :]
    roles = [str(turn["role"]) for turn in turns]
    former = [each.get("role") for each in islice((each for each in reversed(before) if isinstance(each, dict)), 1)]
    if roles[-1] != message["role"] or "system" in roles[1:] or (roles[0] == "system" and former):
        return None
    if any(role == after for role, after in zip([*former, *roles], roles if former else roles[1:], strict=False)):
        return None
    # What the message said besides, such as its weight, stays with its own words.
    return [*turns[:-1], {**message, "content": turns[-1]["content"]}]


def _parsed(text: Any) -> Any:
    if not isinstance(text, str) or not text.strip().startswith(("{", "[")):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _listed(value: Any) -> list[Message] | None:
    """Return the turns of a dump that holds nothing else; None for any other value."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ENVELOPES:
        value = next(iter(value.values()))
    turns = value if isinstance(value, list) else [value]
    is_plain = bool(turns) and all(isinstance(turn, dict) and turn.keys() in TURN_KEYS for turn in turns)
    return turns if is_plain else None


def _is_text(content: Any) -> bool:
    # A dump within a dump is left to a person.
    return isinstance(content, str) and bool(content.strip()) and not dumped(content)


def _is_pair(value: Any) -> bool:
    """Return whether these are two outputs rather than a list of two names: sentences, or one with an end."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, str) for each in value):
        return False
    are_long = all(each.count(" ") >= SENTENCE_BLANKS for each in value)
    return are_long or any(" " in each and _has_end(each) for each in value)


def _has_end(text: str) -> bool:
    """Return whether a sentence ends at the text's end, perhaps with quotes behind it."""
    # From behind, because a search from each of many dots to the end takes the square of the time.
    behind = takewhile(lambda char: not (char.isalnum() or char == "_"), reversed(text))
    return any(char in ENDS for char in behind)


def _are_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_turn(each) for each in value)


def _is_turn(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if {"from", "value"} <= value.keys():
        return True
    # Data may have such keys too: a crew has other roles.
    return {"role", "content"} <= value.keys() and role_named(value["role"]) is not None
