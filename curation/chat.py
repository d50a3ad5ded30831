"""The message schema that all of Atelier speaks, and the protocol of whatever answers a conversation.

A message is a dict: `role` (system, user, assistant, tool), `content` (a string, or a list of parts of type `text`,
`thinking`, `image_url`), `tool_calls`, `tool_call_id`, `name`, `weight`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

Message = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
# Every blank of Latin-1 as one, and all else as x.
_BLANKS = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a code to group by, and a sentence saying what is wrong and what would be right.

    `severity` is "error" for what cannot be trained on as it stands, "warning" for what is worth a look.
    """

    code: str
    message: str
    where: str = ""
    mendable: bool = False
    severity: str = "error"


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn. Temperature 0 is greedy; `max_tokens` bounds the answer."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Sampling":
        """Known keys only. Raises ValueError with a sentence for values out of range."""
        known = {key: data[key] for key in ("temperature", "top_p", "max_tokens", "seed") if data.get(key) is not None}
        sampling = cls(**known)
        if not 0 <= sampling.temperature <= 2:
            raise ValueError("The temperature must be between 0 and 2.")
        if not 0 < sampling.top_p <= 1:
            raise ValueError("top_p must be above 0 and at most 1.")
        if not 1 <= sampling.max_tokens <= 40960:
            raise ValueError("max_tokens must be between 1 and 40960.")
        return sampling


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered: its visible text, its reasoning if any, tokens, and wall seconds."""

    text: str
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = "stop"
    model: str = ""


@dataclass(frozen=True)
class Delta:
    """A piece of a streamed answer; the last one carries the whole in `answer`."""

    text: str = ""
    reasoning: str = ""
    answer: Answer | None = None


class ClientError(Exception):
    """A call failed. `retryable` says whether trying again may help; `retry_after` is in seconds, when told."""

    def __init__(self, message: str, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


class Client(Protocol):
    """Anything that answers chat completions."""

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Answer:
        """One whole answer. Raises ClientError."""
        ...

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncIterator[Delta]:
        """The answer piece by piece. Raises ClientError while iterating."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def text_of(message: Mapping[str, Any]) -> str:
    """The visible text of a message: string content, or its text parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            str(part.get("text", "")) for part in content if isinstance(part, dict) and part.get("type") == "text"
        )
    return ""


def count_words(text: str) -> int:
    """As many as `text.split()` finds, at a third of its cost where the text is Latin-1, for no word is made."""
    try:
        seen = text.encode("latin-1").translate(_BLANKS)
    except UnicodeEncodeError:
        return len(text.split())
    return seen.count(b" x") + seen.startswith(b"x")


def thinking_of(message: Mapping[str, Any]) -> str:
    """The reasoning of a message: its `thinking` parts joined, whichever way they are written."""
    content = message.get("content")
    if not isinstance(content, list):
        return ""
    return "".join(
        thinking_text(part.get("thinking"))
        for part in content
        if isinstance(part, dict) and part.get("type") == "thinking"
    )


def thinking_text(thinking: Any) -> str:
    """The text of a `thinking` value: a string as mistral-common writes it, or the provider's list of text parts."""
    if isinstance(thinking, str):
        return thinking
    if isinstance(thinking, list):
        return "".join(str(part.get("text", "")) for part in thinking if isinstance(part, dict))
    return ""


def with_thinking_as_text(messages: Sequence[Message]) -> list[Message]:
    """The same messages with every `thinking` a string: the form mistral-common reads."""
    return _with_thinking(messages, thinking_text)


def with_thinking_as_parts(messages: Sequence[Message]) -> list[Message]:
    """The same messages with every `thinking` a list of text parts: the form the provider's API reads."""
    return _with_thinking(
        messages,
        lambda thinking: (
            thinking if isinstance(thinking, list) else [{"type": "text", "text": thinking_text(thinking)}]
        ),
    )


def _with_thinking(messages: Sequence[Message], form: Callable[[Any], Any]) -> list[Message]:
    def converted(part: Any) -> Any:
        if isinstance(part, dict) and part.get("type") == "thinking":
            return {**part, "thinking": form(part.get("thinking"))}
        return part

    return [
        {**message, "content": [converted(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else dict(message)
        for message in messages
    ]
