"""Answers that were recorded: the teacher of the sample project, and of tests."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from curation.chat import Answer, ClientError, Delta, Sampling, text_of
from inference.clients.base import EndpointClient, Message


class RecordedClient(EndpointClient):
    """Replays the answers of a JSONL file of {"id", "prompt", "answer"}, found by the text of the last user message."""

    kind = "recorded"
    model = "recorded"

    def __init__(self, path: Path) -> None:
        self._file = path.name
        self._answers = read_answers(path)

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Answer:
        asked = [text_of(message) for message in messages if message["role"] == "user"]
        answer = self._answers.get(normal(asked[-1])) if asked else None
        if answer is None:
            raise ClientError(
                f"There is no recorded answer to this prompt in {self._file}: choose a live teacher for new rows.",
                retryable=False,
            )
        return Answer(text=answer, model=self.model)

    async def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        answer = await self.complete(messages, sampling)
        for line in answer.text.splitlines(keepends=True):
            yield Delta(text=line)
        yield Delta(answer=answer)


def read_answers(path: Path) -> dict[str, str]:
    """Answers by normalised prompt. Raises ValueError with a sentence naming the line that cannot be read."""
    answers: dict[str, str] = {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                answers.setdefault(normal(row["prompt"]), row["answer"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(
                    f'{path.name}, line {number}: this is not a recorded answer, which is {{"id", "prompt", "answer"}}.'
                ) from None
    return answers


def normal(text: str) -> str:
    """The text with every run of white space as one blank, so that line ends and indents do not matter."""
    return " ".join(text.split())
