"""The message schema that all of Atelier uses, and the protocol of chat clients.

A message is a dict: `role` (system, user, assistant, tool), `content` (a string, or a list of parts of type `text`,
`thinking`, `image_url`), `tool_calls`, `tool_call_id`, `name`, `weight`.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from atelier.characters import storable
from curation.answers import half_reason, is_blank, sounds_like_refusal
from curation.tool_calls import Call

Message = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
# Every blank of Latin-1 as one, and all else as x.
_BLANKS = bytes(ord(" ") if chr(code).isspace() else ord("x") for code in range(256))


@dataclass(frozen=True)
class Problem:
    """A problem of a conversation: a code to group by, and a sentence that states what is wrong and what would be right.

    `severity` is "error" for what cannot be trained on as it is, "warning" for what is worth a look.
    """

    code: str
    message: str
    where: str = ""
    fixable: bool = False
    severity: str = "error"


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters of an answer. Temperature 0 is greedy; `max_tokens` bounds the answer."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Sampling":
        """Read sampling parameters from JSON, known keys only. Raises ValueError with a sentence for values out of range."""
        known = {key: data[key] for key in ("temperature", "top_p", "max_tokens", "seed") if data.get(key) is not None}
        sampling = cls(**known)
        if not 0 <= sampling.temperature <= 2:
            raise ValueError("The temperature must be between 0 and 2.")
        if not 0 < sampling.top_p <= 1:
            raise ValueError("top_p must be above 0 and at most 1.")
        if not 1 <= sampling.max_tokens <= 40960:
            raise ValueError("max_tokens must be between 1 and 40960.")
        if sampling.seed is not None and not 0 <= sampling.seed < 2**31:
            raise ValueError("The seed must be a whole number from 0 to 2147483647.")
        return sampling


@dataclass(frozen=True)
class Answer:
    """An answer of an endpoint: its visible text, its reasoning if any, tokens, and wall seconds. A database can store it.

    `finish_reason` is the endpoint's word for why it ended, empty when it said none; `refusal` is what it wrote in place
    of an answer; `tool_calls` are in the form of `curation.tool_calls`.
    """

    text: str
    reasoning: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    finish_reason: str = "stop"
    model: str = ""
    refusal: str = ""
    tool_calls: tuple[Call, ...] = ()

    def __post_init__(self) -> None:
        for name in ("text", "reasoning", "finish_reason", "model", "refusal"):
            object.__setattr__(self, name, storable(str(getattr(self, name))))

    @property
    def is_whole(self) -> bool:
        """Return whether the endpoint wrote it to its end: half an answer is no example and no measure of a model."""
        return not self.half_reason

    @property
    def half_reason(self) -> str:
        """Return a sentence that states why it isn't whole; empty when it is."""
        return half_reason(self.finish_reason, bool(self.tool_calls))

    @property
    def is_blank(self) -> bool:
        """Return whether it has nothing that can be seen: no text, and no call of a tool."""
        return not self.tool_calls and is_blank(self.text)

    @property
    def is_refusal(self) -> bool:
        """Return whether the endpoint says that it refuses, or the text begins as refusals do."""
        return bool(self.refusal) or sounds_like_refusal(self.text)


@dataclass(frozen=True)
class Delta:
    """A piece of a streamed answer; the last one has the whole in `answer`."""

    text: str = ""
    reasoning: str = ""
    answer: Answer | None = None


class ClientError(Exception):
    """A failed call. `retryable` states whether trying again may help; `retry_after` is in seconds, if given.

    `is_busy`: the endpoint gets too many calls, so that this one did not count and others should go slower. The message may repeat what an endpoint said, and a database can store it.
    """

    def __init__(
        self, message: str, retryable: bool = False, retry_after: float | None = None, is_busy: bool = False
    ) -> None:
        message = storable(message)
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.is_busy = is_busy
        self.refused_field = ""  # a field of the request that the endpoint says it doesn't take


class ChatClient(Protocol):
    """A client of anything that answers chat completions. `tools` are those on offer, which the answer may call."""

    async def complete(self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()) -> Answer:
        """Return one whole answer. Raises ClientError."""
        ...

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, tools: Sequence[Any] = ()
    ) -> AsyncIterator[Delta]:
        """Yield the answer piece by piece; calls come with the whole one. Raises ClientError while iterating."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def text_of(message: Mapping[str, Any]) -> str:
    """Return the visible text of a message: string content, or its text parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(
            str(part.get("text", "")) for part in content if isinstance(part, dict) and part.get("type") == "text"
        )
    return ""


def answer_message(text: str, thoughts: str = "", tool_calls: Sequence[Call] = ()) -> Message:
    """Return an answer as a message, its thoughts as a part before the text, if there are any."""
    content: Any = text
    if thoughts.strip():
        parts = [{"type": "thinking", "thinking": thoughts.strip(), "closed": True}]
        content = [*parts, {"type": "text", "text": text}] if text else parts
    message = {"role": "assistant", "content": content}
    return message | ({"tool_calls": list(tool_calls)} if tool_calls else {})


def parted_prompt(text: str) -> Any:
    """Return a base's own system prompt as a content in which `[THINK]…[/THINK]` is a thinking part; a string without one.

    Only for a prompt that comes with the base: such marks in anybody else's text are text.
    """
    before, opened, rest = text.partition("[THINK]")
    thought, closed, after = rest.partition("[/THINK]")
    if not (opened and closed):
        return text
    texts = [{"type": "text", "text": part} if part else None for part in (before, after)]
    thinking = {"type": "thinking", "thinking": thought, "closed": True}
    return [part for part in (texts[0], thinking, texts[1]) if part]


def count_words(text: str) -> int:
    """Count the words that `text.split()` finds, at a third of its cost where the text is Latin-1, for no word is created."""
    try:
        seen = text.encode("latin-1").translate(_BLANKS)
    except UnicodeEncodeError:
        return len(text.split())
    return seen.count(b" x") + seen.startswith(b"x")


def thinking_of(message: Mapping[str, Any]) -> str:
    """Return the reasoning of a message: its `thinking` parts joined, in whichever form they are written."""
    content = message.get("content")
    if not isinstance(content, list):
        return ""
    return "".join(
        thinking_text(part.get("thinking"))
        for part in content
        if isinstance(part, dict) and part.get("type") == "thinking"
    )


def thinking_text(thinking: Any) -> str:
    """Return the text of a `thinking` value: a string as mistral-common writes it, or the provider's list of text parts."""
    if isinstance(thinking, str):
        return thinking
    if isinstance(thinking, list):
        return "".join(str(part.get("text", "")) for part in thinking if isinstance(part, dict))
    return ""


def with_thinking_as_text(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with every `thinking` as a string: the form mistral-common reads."""
    return _with_thinking(messages, thinking_text)


def with_thinking_as_parts(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with every `thinking` as a list of text parts: the form the provider's API reads."""
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
