"""Checks of what is said by whom: thoughts in an answer, JSON in somebody's mouth, refusals, marks of pictures, repeated prompts."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from curation.chat import Message, Problem, text_of
from curation.checks.forms import part_thoughts, role_named

OPENED = re.compile(r"\A\s*(?:<(?:think|thinking|thought|reasoning)>|\[THINK\])", re.IGNORECASE)
CLOSED = re.compile(r"</(?:think|thinking)>|\[/THINK\]", re.IGNORECASE)
INVISIBLE = re.compile(r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]*")  # fmt: skip
REFUSAL = re.compile(
    r"\A\W{0,3}(?:(?:I['’]m|I am) (?:very |really |so )?sorry,? (?:but )?(?:I|as an)|Sorry,? (?:but )?I (?:can|am|['’]m)|I (?:can['’]?t|cannot|can not|am unable to|am not able to|won['’]t)"
    r" (?:help|assist|comply|provide|fulfil|fulfill|do that|answer|create|generate|support|engage)|(?:As|I['’]m|I am) an AI\b|I apologi[sz]e,? but I|Unfortunately,? I (?:can['’]?t|cannot|am unable|am not able)"
    r"|Es tut mir leid,? (?:aber )?ich kann|Ich kann (?:dir|Ihnen|dabei|das) (?:leider )?nicht|Je (?:suis )?désolée?,? (?:mais )?je ne|Lo siento,? (?:pero )?no puedo|Mi dispiace,? (?:ma )?non posso)",
    re.IGNORECASE,
)  # fmt: skip
WARNINGS = ("thoughts-in-text", "thoughts-only", "json-as-text", "invisible-text", "refusal", "picture-missing", "picture-unmarked")  # fmt: skip
LONGEST_REFUSAL = 600  # characters: a longer answer has more to it
MARK = re.compile(r"<image(?:[ _]\d{1,3})?>|<\|image(?:_\d{1,3})?\|>|\[IMG\]", re.IGNORECASE)
SENTENCE = re.compile(r"[.!?…]\W*\Z")
CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)


class Turns(Protocol):
    """The turns of a record or of a draft."""

    messages: list[Any]
    chosen: list[Any]
    rejected: list[Any]


def check_turns(content: Turns, kind: str) -> list[Problem]:
    """Return warnings about what is said by whom; of documents there are none."""
    if kind == "documents":
        return []
    problems: list[Problem] = []
    for column, prefix in ((content.messages, ""), (content.chosen, "chosen, "), (content.rejected, "rejected, ")):
        for number, message in enumerate(column, 1):
            if isinstance(message, dict):
                problems += _check_turn(message, f"{prefix}message {number}")
    if kind == "preferences":
        problems += check_prompt(content)
    return problems


def _check_turn(message: Message, where: str) -> Iterator[Problem]:
    role, text = message.get("role"), text_of(message)
    if role == "assistant":
        yield from _check_answer(message, text, where)
    if role in ("user", "assistant") and (what := dumped(text)):
        said = f"The text is {what} written as JSON. Put what it says in its place."
        yield Problem("json-as-text", said, where, severity="warning")
    if role == "user":
        yield from _check_pictures(message, text, where)


def _check_answer(message: Message, text: str, where: str) -> Iterator[Problem]:
    if text.strip() and INVISIBLE.fullmatch(text):
        said = "The answer has only characters that nobody sees. Write it, or remove it."
        yield Problem("invisible-text", said, where, severity="warning")
    if part_thoughts(text):
        said = "The thoughts are within the visible text. Part them from the answer."
        yield Problem("thoughts-in-text", said, where, isinstance(message.get("content"), str), "warning")
    elif OPENED.match(text):
        ended = "no answer follows them" if CLOSED.search(text) else "they never end"
        yield Problem("thoughts-only", f"The answer begins with thoughts, and {ended}.", where, severity="warning")
    if len(text) <= LONGEST_REFUSAL and REFUSAL.match(text):
        said = "The answer looks like a refusal. Keep it only if the student is to refuse here."
        yield Problem("refusal", said, where, severity="warning")


def _check_pictures(message: Message, text: str, where: str) -> Iterator[Problem]:
    """Compare marks with pictures: a message without marks may hold any number of pictures."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    pictures = sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)
    marks = len(MARK.findall(CODE.sub("", text)))
    if marks > pictures:
        said = f"The text has {marks} mark{'s' if marks > 1 else ''} of a picture, and the message has {pictures or 'no'} picture{'s' if pictures > 1 else ''}."
        yield Problem("picture-missing", f"{said} Add the pictures, or remove the marks.", where, severity="warning")
    elif 0 < marks < pictures:
        said = f"The message has {pictures} pictures, and the text marks the place of {marks}. Remove the marks, or add the others."
        yield Problem("picture-unmarked", said, where, severity="warning")


def dumped(text: str) -> str:
    """Return what a text is a dump of, in words: a turn, a list of turns, an envelope or a pair of outputs; else nothing."""
    text = text.strip()
    if not (text.startswith(("{", "[")) and text.endswith(("}", "]"))):
        return ""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    if _is_turn(value):
        return "a turn of a conversation"
    if isinstance(value, dict) and any(
        _are_turns(value.get(key)) for key in ("messages", "conversations", "conversation")
    ):
        return "a conversation"
    if _are_turns(value):
        return "a list of turns"
    return "a pair of outputs" if _is_pair(value) else ""


def _is_pair(value: Any) -> bool:
    """Return whether these are two outputs rather than a list of two names: sentences, or one with an end."""
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, str) for each in value):
        return False
    return all(" " in each for each in value) or any(" " in each and SENTENCE.search(each) for each in value)


def _are_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_turn(each) for each in value)


def _is_turn(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if {"from", "value"} <= value.keys():
        return True
    # Data may have such keys too: a crew has other roles.
    return {"role", "content"} <= value.keys() and role_named(value["role"]) is not None


def check_prompt(content: Turns) -> list[Problem]:
    """Return a problem when the prompt of a preference holds the answer, or an answer repeats the prompt."""
    last = content.messages[-1] if content.messages else None
    answers = [answer for answer in (content.chosen, content.rejected) if answer]
    inside = isinstance(last, dict) and last.get("role") == "assistant"
    if inside and any(last == answer[-1] or last == answer[0] for answer in answers):
        text = (
            "The prompt ends with one of the answers, so the better one could be read there. End it before the answer."
        )
        return [Problem("answer-in-prompt", text, f"message {len(content.messages)}")]
    if content.messages and any(answer[: len(content.messages)] == content.messages for answer in answers):
        text = "An answer begins with the prompt. Both answers must begin with the assistant's turn."
        return [
            Problem("answer-in-prompt", text, "chosen" if content.chosen[:1] == content.messages[:1] else "rejected")
        ]
    return []
