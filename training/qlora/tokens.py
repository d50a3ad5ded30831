"""From a conversation to input ids and labels: loss on the assistant's tokens alone, the end of its turn included.

Two codecs, one for each family. Both check that the pieces they labelled add up to what the model will be served with,
and in both a control token's name inside a text stays text.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple, Protocol

IGNORED = -100  # The label that carries no loss (torch.nn.functional.cross_entropy).
Message = dict[str, Any]


class Encoded(NamedTuple):
    """One row: `input_ids` and `labels` of the same length; a label is its token or IGNORED."""

    input_ids: list[int]
    labels: list[int]


class UnusableRow(ValueError):
    """A row cannot be tokenised; the message says why, to follow on "row 12: "."""


class Codec(Protocol):
    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> Encoded:
        """Raises UnusableRow."""


def codec_for(folder: Path, kind: str) -> Codec:
    """The codec of a base: `kind` is chat-template or mistral-vN as in the catalogue."""
    if kind.startswith("mistral"):
        return MistralCodec(folder)
    return TemplateCodec(folder)


class TemplateCodec:
    """For models with a chat template: the template is rendered prefix by prefix, as text."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not self.tokenizer.chat_template:
            raise ValueError("the base has no chat template, so conversations cannot be written for it")
        self.control = sorted(
            (token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special),
            key=len,
            reverse=True,
        )

    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> Encoded:
        """Raises UnusableRow, also when the template does not write a prefix of the conversation as a prefix."""
        hidden, names = self.hide([plain(message) for message in messages])
        whole = self.render(hidden, tools)
        pieces, at = [], 0
        for start, end in self.answers(hidden, tools, whole):
            pieces += [(whole[at:start], False), (whole[start:end], True)]
            at = end
        pieces.append((whole[at:], False))
        encoded = self.label(pieces, names)
        self.check(encoded, whole, names)
        return encoded

    def hide(self, messages: list[Message]) -> tuple[list[Message], list[str]]:
        """Control tokens' names inside the texts, replaced by private-use characters while the template is rendered."""
        text = json.dumps(messages, ensure_ascii=False)
        names = [name for name in self.control if json.dumps(name, ensure_ascii=False)[1:-1] in text]
        if not names:
            return messages, []
        if any(stand_in(i) in text for i in range(len(names))):
            raise UnusableRow("it mixes control tokens with private-use characters")
        for i, name in enumerate(names):
            text = text.replace(json.dumps(name, ensure_ascii=False)[1:-1], stand_in(i))
        return json.loads(text), names

    def render(self, messages: list[Message], tools: list[Any] | None, prompt: bool = False) -> str:
        from jinja2 import TemplateError

        try:
            return str(
                self.tokenizer.apply_chat_template(
                    messages, tools=tools or None, tokenize=False, add_generation_prompt=prompt
                )
            )
        except (TemplateError, TypeError, KeyError, ValueError) as error:
            raise UnusableRow(f"the base's chat template refuses it: {error}") from error

    def answers(self, messages: list[Message], tools: list[Any] | None, whole: str) -> list[tuple[int, int]]:
        """Where the assistant's messages stand in the rendered text, as (start, end), those with weight 0 left out."""
        spans = []
        for i, message in enumerate(messages):
            if message["role"] != "assistant" or message.get("weight", 1) == 0:
                continue
            before = self.render(messages[:i], tools, prompt=True)
            after = self.render(messages[: i + 1], tools)
            if not (after.startswith(before) and whole.startswith(after)):
                raise UnusableRow(
                    f"the base's chat template writes message {i + 1} differently when others follow it, so its tokens "
                    "cannot be told apart (templates that drop earlier reasoning do so)"
                )
            # What the template writes after the end of the turn is not the model's to say.
            spans.append((len(before), len(after.rstrip("\n"))))
        return spans

    def label(self, pieces: list[tuple[str, bool]], names: list[str]) -> Encoded:
        """Each piece tokenised by itself: served prompts end just where an answer starts."""
        ids: list[int] = []
        labels: list[int] = []
        for text, learned in pieces:
            new = self.tokenise(text, names)
            ids += new
            labels += new if learned else [IGNORED] * len(new)
        return Encoded(ids, labels)

    def tokenise(self, text: str, names: list[str]) -> list[int]:
        """Tokens of a piece; stand-ins become the ordinary characters of the name they stand for."""
        if not any(stand_in(i) in text for i in range(len(names))):
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        ids: list[int] = []
        for part in split_keeping(text, self.control):
            data = part not in self.control
            written = restored(part, names) if data else part
            ids += self.tokenizer(written, add_special_tokens=False, split_special_tokens=data)["input_ids"]
        return ids

    def check(self, encoded: Encoded, whole: str, names: list[str]) -> None:
        """The pieces must add up to the whole: the same tokens, or at least the same text."""
        if names:
            return  # Served from text, the whole would hold control tokens where data was meant.
        together = list(self.tokenizer(whole, add_special_tokens=False)["input_ids"])
        if together != encoded.input_ids and self.tokenizer.decode(together) != self.tokenizer.decode(
            encoded.input_ids
        ):
            raise UnusableRow("its pieces do not add up to the whole under the base's tokenizer")


def stand_in(i: int) -> str:
    return chr(0xF0000 + i)


def restored(text: str, names: list[str]) -> str:
    for i, name in enumerate(names):
        text = text.replace(stand_in(i), name)
    return text


def split_keeping(text: str, marks: list[str]) -> list[str]:
    """`text` cut at every mark, the marks kept as parts."""
    import re

    return [part for part in re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if part]


def plain(message: Message) -> Message:
    """A message as templates take it: no empty keys, text parts joined, arguments as objects."""
    message = {key: value for key, value in message.items() if value is not None}
    content = message.get("content", "")
    if isinstance(content, list):
        if any(part.get("type") != "text" for part in content):
            raise UnusableRow("it has parts other than text, which this base's template does not take")
        content = "".join(part["text"] for part in content)
    message["content"] = content
    if message.get("tool_calls"):
        message["tool_calls"] = [with_object(call) for call in message["tool_calls"]]
    return message


def with_object(call: Message) -> Message:
    function = dict(call.get("function") or {})
    if isinstance(function.get("arguments"), str):
        try:
            function["arguments"] = json.loads(function["arguments"] or "{}")
        except ValueError as error:
            raise UnusableRow(f"the arguments of {function.get('name')} are not JSON") from error
    return {**call, "function": function}


class MistralCodec:
    """For Mistral models: mistral-common encodes, in its fine-tuning mode, and is watched message by message."""

    FILES = ("tekken.json", "tokenizer.model.v7m1", "tokenizer.model.v7", "tokenizer.model.v3", "tokenizer.model")

    def __init__(self, folder: Path) -> None:
        from mistral_common.protocol.instruct.validator import ValidationMode
        from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

        path = next((folder / name for name in self.FILES if (folder / name).exists()), None)
        if path is None:
            raise ValueError(f"the base has none of {', '.join(self.FILES)}, which mistral-common needs")
        self.tokenizer = MistralTokenizer.from_file(str(path), mode=ValidationMode.finetuning)

    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> Encoded:
        """Raises UnusableRow with mistral-common's own words."""
        from mistral_common.exceptions import MistralCommonException
        from mistral_common.protocol.instruct.request import ChatCompletionRequest
        from pydantic import ValidationError

        try:
            request = ChatCompletionRequest.from_openai([spoken(m) for m in messages], tools=tools or None)
            request = request.model_copy(update={"messages": self.weighted(request.messages, messages)})
            whole, pieces = self.watch(request, groups(messages))
        except (MistralCommonException, ValidationError, ValueError, AssertionError, TypeError, RuntimeError) as error:
            raise UnusableRow(
                f"mistral-common refuses it: {str(error).splitlines()[0] if str(error) else error!r}"
            ) from error
        if [token for piece, _ in pieces for token in piece] != whole:
            raise UnusableRow("its messages do not add up to the whole under mistral-common")
        labels = [token if learned else IGNORED for piece, learned in pieces for token in piece]
        return Encoded(whole, labels)

    @staticmethod
    def weighted(parsed: list[Any], messages: list[Message]) -> list[Any]:
        """Assistant messages in the class that fine-tuning expects, with the row's weight."""
        from mistral_common.protocol.instruct.messages import AssistantMessage, FinetuningAssistantMessage

        return [
            FinetuningAssistantMessage(**message.model_dump(), weight=source.get("weight"))
            if isinstance(message, AssistantMessage)
            else message
            for message, source in zip(parsed, messages, strict=True)
        ]

    def watch(self, request: Any, learned: list[bool]) -> tuple[list[int], list[tuple[list[int], bool]]]:
        """All tokens of the request, and the pieces it was put together from with whether each is learned.

        `learned` says it for the assistant's turns in their order; mistral-common forgets the weights on its way.
        """
        turns = iter(learned)
        instruct: Any = self.tokenizer.instruct_tokenizer
        pieces: list[tuple[list[int], bool]] = [(list(instruct.start()), False)]

        def noting(method: Any, assistant: bool) -> Any:
            def noted(*args: Any, **kwargs: Any) -> Any:
                result = method(*args, **kwargs)
                pieces.append((list(result if assistant else result[0]), assistant and next(turns)))
                return result

            return noted

        watched = {"encode_user_message": False, "encode_tool_message": False, "encode_system_message": False}
        try:
            for name, assistant in (watched | {"encode_assistant_message": True}).items():
                setattr(instruct, name, noting(getattr(instruct, name), assistant))
            whole = self.tokenizer.encode_chat_completion(request).tokens
        finally:
            for name in (*watched, "encode_assistant_message"):
                vars(instruct).pop(name, None)
        return list(whole), pieces


def groups(messages: list[Message]) -> list[bool]:
    """Whether each assistant turn is learned, neighbours of one weight being one turn, as mistral-common joins them."""
    turns, last = [], None
    for message in messages:
        now = (message.get("role"), message.get("weight"))
        if now[0] == "assistant" and now != last:
            turns.append(message.get("weight") != 0)
        last = now
    return turns


def spoken(message: Message) -> Message:
    """A message as mistral-common takes it: no empty keys, no weight, thinking as a string."""
    message = {key: value for key, value in message.items() if value is not None and key != "weight"}
    if isinstance(message.get("content"), list):
        message["content"] = [thought(part) for part in message["content"]]
    return message


def thought(part: Any) -> Any:
    """The provider's API writes `thinking` as a list of text parts, mistral-common as a string."""
    if isinstance(part, dict) and part.get("type") == "thinking" and isinstance(part.get("thinking"), list):
        return {**part, "thinking": "".join(piece.get("text", "") for piece in part["thinking"])}
    return part


def quiet_tokenizer() -> Any:
    """A tokenizer without tokens, for the trainer library insists on one: rows come to it tokenised."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
