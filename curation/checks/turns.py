"""Checks of what is said by whom: thoughts in an answer, JSON in somebody's mouth, refusals, marks of pictures, repeated prompts."""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from curation.chat import Message, Problem, text_of
from curation.checks.dumps import dumped, turns_of
from curation.checks.forms import part_thoughts

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
        before: list[Any] = list(content.messages) if prefix else []
        for number, message in enumerate(column, 1):
            if isinstance(message, dict):
                problems += _check_turn(message, f"{prefix}message {number}", before)
            before.append(message)
    if kind == "preferences":
        problems += check_prompt(content)
    return problems


def _check_turn(message: Message, where: str, before: list[Any]) -> Iterator[Problem]:
    role, text = message.get("role"), text_of(message)
    if role == "assistant":
        yield from _check_answer(message, text, where)
    if role in ("user", "assistant") and (what := dumped(text)):
        said = f"The text is {what} written as JSON. Put what it says in its place."
        yield Problem("json-as-text", said, where, turns_of(message, before) is not None, "warning")
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


def check_prompt(content: Turns) -> list[Problem]:
    """Return a problem when the prompt of a preference holds the answer, or an answer repeats the prompt."""
    last = content.messages[-1] if content.messages else None
    answers = [answer for answer in (content.chosen, content.rejected) if answer]
    inside = isinstance(last, dict) and last.get("role") == "assistant"
    fixable = ended_prompt(content.messages, content.chosen, content.rejected) is not None
    if inside and any(last == answer[-1] or last == answer[0] for answer in answers):
        text = (
            "The prompt ends with one of the answers, so the better one could be read there. End it before the answer."
        )
        return [Problem("answer-in-prompt", text, f"message {len(content.messages)}", fixable)]
    if content.messages and any(answer[: len(content.messages)] == content.messages for answer in answers):
        text = "An answer begins with the prompt. Both answers must begin with the assistant's turn."
        where = "chosen" if content.chosen[: len(content.messages)] == content.messages else "rejected"
        return [Problem("answer-in-prompt", text, where, fixable)]
    return []


def ended_prompt(
    messages: list[Any], chosen: list[Any], rejected: list[Any]
) -> tuple[list[Any], list[Any], list[Any]] | None:
    """Return (prompt, chosen, rejected) with the prompt ended before the answers, and both without what they repeat of it.

    None where nothing is to be done, or where prompt and answers would not be what they have to be.
    """
    prompt, answers = list(messages), (chosen, rejected)
    if prompt and role_of(prompt[-1]) == "assistant":
        if not any(answer and prompt[-1] in (answer[0], answer[-1]) for answer in answers):
            return None
        prompt.pop()
    if not prompt or role_of(prompt[-1]) not in ("user", "tool"):
        return None
    new = [answer[len(prompt) :] if answer[: len(prompt)] == prompt else answer for answer in answers]
    if (prompt, *new) == (messages, *answers) or not all(
        answer and role_of(answer[0]) == "assistant" for answer in new
    ):
        return None
    return prompt, new[0], new[1]


def role_of(message: Any) -> str:
    return str(message.get("role")) if isinstance(message, dict) else ""
