"""The reader of a file of recorded answers. An uploaded one is first read here by a child process with limits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from atelier.characters import flaw, flaw_in
from curation import tool_calls

LINE = 2 << 20  # bytes
FORM = '{"id", "prompt", "answer"}'
CALLS = '"tool_calls" must be a list of {"function": {"name", "arguments"}}.'


class RecordedAnswer(NamedTuple):
    """An answer as it was recorded: its text, and the tools that it calls."""

    text: str
    calls: tuple[tool_calls.Call, ...] = ()


class AnswersError(ValueError):
    """A file with invalid content. The message names the line."""


REFUSALS = (AnswersError,)


def work(_: bytes) -> Callable[[bytes], bytes]:
    """Return a function that answers the path of a file with the number of its answers.

    They are held in memory as the replaying client holds them, so that the memory limit is one for it too.
    """
    return lambda path: b"%d" % len(read_answers(Path(path.decode("utf-8", "surrogateescape"))))


def read_answers(path: Path) -> dict[str, RecordedAnswer]:
    """Return answers by normalised prompt. Raises AnswersError with a sentence naming the line that cannot be used."""
    answers: dict[str, RecordedAnswer] = {}
    number = 0
    with path.open("rb") as file:
        while line := file.readline(LINE + 1):
            number += 1
            prompt, answer = _pair(line, f"{path.name}, line {number}")
            answers.setdefault(normal(prompt), answer)
    return answers


def _pair(line: bytes, place: str) -> tuple[str, RecordedAnswer]:
    if len(line) > LINE:
        raise AnswersError(f"{place}: the line is longer than {LINE >> 20} MB. Shorten it.")
    try:
        row = json.loads(line.decode())
        prompt, listed = row["prompt"], row.get("tool_calls") or []
        answer = row.get("answer") or "" if listed else row["answer"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AnswersError(f"{place}: this isn't a recorded answer, which must look like {FORM}.") from None
    if not isinstance(prompt, str) or not isinstance(answer, str):
        raise AnswersError(
            f"{place}: this isn't a recorded answer, which must look like {FORM}. Prompt and answer must be texts."
        )
    calls = _calls(listed, place)
    if wrong := flaw(prompt) or flaw(answer) or flaw_in(list(calls)):
        raise AnswersError(f"{place}: the line {wrong}")
    return prompt, RecordedAnswer(answer, calls)


def _calls(listed: Any, place: str) -> tuple[tool_calls.Call, ...]:
    """Return the calls of a recorded answer, each with an id. Raises AnswersError."""
    if not isinstance(listed, list) or not all(isinstance(one, dict) and tool_calls.name_of(one) for one in listed):
        raise AnswersError(f"{place}: {CALLS}")
    return tuple(
        tool_calls.call(tool_calls.name_of(one), one["function"].get("arguments"), f"call{number:05}")
        for number, one in enumerate(listed, 1)
    )


def normal(text: str) -> str:
    """Return the text with every run of white space as one blank, so that line ends and indents do not matter."""
    return " ".join(text.split())
