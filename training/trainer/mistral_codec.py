"""Conversations of Mistral models, encoded by mistral-common with the rules of the base's tokenizer."""

from pathlib import Path
from typing import Any

from curation.chat import parted_prompt
from training.trainer.turns import (
    EncodedRow,
    EncodedTurn,
    Message,
    Turn,
    UnusableRow,
    learned_turns,
    rows_of,
    without_thoughts,
)


class MistralCodec:
    """Encodes for Mistral models: mistral-common writes prompts as a server does, and answers in its fine-tuning mode."""

    FILES = ("tekken.json", "tokenizer.model.v7m1", "tokenizer.model.v7", "tokenizer.model.v3", "tokenizer.model")

    def __init__(self, folder: Path) -> None:
        from mistral_common.protocol.instruct.validator import ValidationMode
        from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

        path = next((folder / name for name in self.FILES if (folder / name).exists()), None)
        if path is None:
            raise ValueError(f"the base has none of {', '.join(self.FILES)}, which mistral-common needs")
        self.tokenizer = MistralTokenizer.from_file(str(path), mode=ValidationMode.finetuning)
        self.server = MistralTokenizer.from_file(str(path), mode=ValidationMode.test)
        own = folder / "SYSTEM_PROMPT.txt"
        self.own_prompt = own.read_text("utf-8").strip() if own.is_file() else ""
        self.version = self.tokenizer.instruct_tokenizer.tokenizer.version.version_num

    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> list[EncodedRow]:
        """Encode one conversation. Raises UnusableRow with mistral-common's own words."""
        from mistral_common.exceptions import MistralCommonException
        from pydantic import ValidationError

        try:
            whole = self.ids(self.tokenizer, messages, tools)
            turns = learned_turns(messages)
            return rows_of(
                [self.turn(messages, tools, turn, whole if turn.end == len(messages) else None) for turn in turns]
            )
        except UnusableRow:
            raise
        except (MistralCommonException, ValidationError, ValueError, AssertionError, TypeError, RuntimeError) as error:
            words = str(error).splitlines()[0] if str(error) else repr(error)
            raise UnusableRow(f"mistral-common refuses it: {words}") from error

    def turn(
        self, messages: list[Message], tools: list[Any] | None, turn: Turn, whole: list[int] | None
    ) -> EncodedTurn:
        """The ids of one turn; `whole` are those of messages[:turn.end] where they are known. Raises UnusableRow."""
        said = messages[turn.start : turn.end]
        before = without_thoughts(messages[: turn.start])
        if whole is None or before != messages[: turn.start]:
            whole = self.ids(self.tokenizer, [*before, *said], tools)
        prompt = self.ids(self.server, before, tools)
        if whole[: len(prompt)] != prompt:
            raise UnusableRow(f"message {turn.start + 1} would be learned behind another prompt than the one served")
        answer = whole[len(prompt) :]
        names = [call["id"] for message in said for call in message.get("tool_calls") or [] if call.get("id")]
        return EncodedTurn(prompt, answer, self.learned(answer, names))

    def ids(self, tokenizer: Any, messages: list[Message], tools: list[Any] | None) -> list[int]:
        """The ids of a conversation. Raises what mistral-common and pydantic raise."""
        from mistral_common.protocol.instruct.messages import AssistantMessage, FinetuningAssistantMessage
        from mistral_common.protocol.instruct.request import ChatCompletionRequest

        request = ChatCompletionRequest.from_openai([self.spoken(message) for message in messages], tools=tools or None)
        if tokenizer is self.tokenizer:
            parsed = [
                FinetuningAssistantMessage(**message.model_dump(), weight=source.get("weight"))
                if isinstance(message, AssistantMessage)
                else message
                for message, source in zip(request.messages, messages, strict=True)
            ]
            request = request.model_copy(update={"messages": parsed})
        return list(tokenizer.encode_chat_completion(request).tokens)

    def learned(self, answer: list[int], names: list[str]) -> list[bool]:
        """Which ids of an answer carry loss: all but the random ids of calls, which rules up to v11 write out."""
        learned = [True] * len(answer)
        if not names or self.version >= 13:
            return learned
        inner = self.tokenizer.instruct_tokenizer.tokenizer
        ends = [len(inner.decode(answer[:count])) for count in range(len(answer) + 1)]
        text, at = inner.decode(answer), 0
        for name in names:
            at = text.index(name, at)
            for place in range(len(answer)):
                if ends[place] < at + len(name) and ends[place + 1] > at:
                    learned[place] = False
            at += len(name)
        return learned

    def spoken(self, message: Message) -> Message:
        """A message as clients send it to a server that uses mistral-common: no empty keys, parts of text joined, thoughts in
        the form of the base's rules. Raises UnusableRow."""
        message = {key: value for key, value in message.items() if value is not None and key != "weight"}
        content = message.get("content")
        if self.own_prompt and self.version >= 13 and isinstance(content, str) and content.strip() == self.own_prompt:
            message["content"] = parted_prompt(self.own_prompt)
        if isinstance(message.get("content"), list):
            parts = [self.part(part) for part in message["content"]]
            is_text = all(part["type"] == "text" for part in parts)
            message["content"] = "".join(part["text"] for part in parts) if is_text else parts
        return message

    def part(self, part: Any) -> Any:
        """One part of a content. Raises UnusableRow for pictures, and for thoughts where the rules have none."""
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "thinking":
            # The provider's API writes `thinking` as a list of text parts, mistral-common as a string.
            thought = part.get("thinking")
            if isinstance(thought, list):
                thought = "".join(piece.get("text", "") for piece in thought)
            if self.version >= 13:
                return {**part, "thinking": thought}
            if self.version == 11:  # Magistral Small 2506 thinks in plain text
                return {"type": "text", "text": f"<think>\n{thought}\n</think>\n"}
            raise UnusableRow(
                f"it has a thinking part, and the rules of this base (v{self.version}) have no form for one"
            )
        if kind != "text":
            raise UnusableRow(f"it has a part of type {kind}, and only text is trained")
        return part
