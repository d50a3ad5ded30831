"""The client of recorded answers: the teacher of the sample project, and of tests."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from curation.chat import Answer, ClientError, Delta, Sampling, text_of
from inference.clients.base import EndpointClient, Message
from inference.clients.thoughts import part
from inference.recorded_process import normal, read_answers


class RecordedClient(EndpointClient):
    """Replays the answers of a JSONL file of {"id", "prompt", "answer"}, found by the text of the last user message.

    A line may have `tool_calls` beside its answer, or in place of it. They are replayed whatever tools are on offer.
    """

    kind = "recorded"
    model = "recorded"

    def __init__(self, path: Path) -> None:
        self._file = path.name
        self._answers = read_answers(path)

    async def complete(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()) -> Answer:
        asked = [text_of(message) for message in messages if message["role"] == "user"]
        answer = self._answers.get(normal(asked[-1])) if asked else None
        if answer is None:
            raise ClientError(
                f"There is no recorded answer to this prompt in {self._file}. Choose a live teacher for new rows.",
                retryable=False,
            )
        text, thoughts = part(answer.text)
        return Answer(text=text, reasoning=thoughts, model=self.model, tool_calls=answer.calls)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> AsyncIterator[Delta]:
        answer = await self.complete(messages, sampling, tools)
        for line in answer.text.splitlines(keepends=True):
            yield Delta(text=line)
        yield Delta(answer=answer)
