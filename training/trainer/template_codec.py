"""Conversations of models with a chat template, encoded prefix by prefix."""

import json
import re
from pathlib import Path
from typing import Any

from training.trainer.turns import EncodedRow, EncodedTurn, Message, Turn, UnusableRow, learned_turns, rows_of

PROBE = "This is where the answer ends."


class TemplateCodec:
    """Encodes for models with a chat template: the template is rendered prefix by prefix, as text."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if not self.tokenizer.chat_template:
            raise ValueError("the base has no chat template, so conversations cannot be encoded for it")
        self.control = sorted(
            (token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special),
            key=len,
            reverse=True,
        )
        self.refuse_endless(stops_of(folder, self.tokenizer.eos_token_id))

    def refuse_endless(self, stops: set[int]) -> None:
        """Raise ValueError when the template writes no end after an answer, or one that a server does not stop at."""
        try:
            whole = self.render([{"role": "user", "content": "Hello"}, {"role": "assistant", "content": PROBE}], None)
        except UnusableRow:
            return  # it wants other conversations than the shortest; each row says what it refuses
        end = whole.rpartition(PROBE)[2].rstrip("\n")
        if not end.strip():
            raise ValueError(
                "the base's chat template writes no end of turn after an answer, so the student would never learn to stop"
            )
        if not stops.intersection(self.tokenise(end, [])):
            names = ", ".join(sorted(repr(self.tokenizer.decode([stop])) for stop in stops)) or "nothing"
            raise ValueError(
                f"the base's chat template ends an answer with {end.strip()[:40]!r} and a server stops at {names}, so the "
                "tuned model's answers would not end"
            )

    def encode(self, messages: list[Message], tools: list[Any] | None = None) -> list[EncodedRow]:
        """Encode one conversation. Raises UnusableRow, also when the template leaves out tools, calls or results."""
        self.refuse_control(tools)
        hidden, names = self.hide([plain(message) for message in messages])
        self.refuse_unwritten(hidden, tools)
        return rows_of([self.turn(hidden, tools, turn, names) for turn in learned_turns(hidden)])

    def turn(self, messages: list[Message], tools: list[Any] | None, turn: Turn, names: list[str]) -> EncodedTurn:
        """The ids of one turn. Raises UnusableRow when the template does not write it behind its own prompt."""
        prompt = self.render(messages[: turn.start], tools, prompt=True)
        whole = self.render(messages[: turn.end], tools)
        if not whole.startswith(prompt):
            raise UnusableRow(
                f"the base's chat template writes message {turn.start + 1} differently from what it asks the model to "
                "continue, so its tokens cannot be told apart"
            )
        # What the template writes after the end of the turn is not the model's to say.
        answer = self.tokenise(whole[len(prompt) :].rstrip("\n"), names)
        return EncodedTurn(self.tokenise(prompt, names), answer, [True] * len(answer))

    def refuse_control(self, tools: list[Any] | None) -> None:
        """Raise UnusableRow when the tools on offer name a control token: a server renders them as text, then reads the token."""
        text = json.dumps(tools or [], ensure_ascii=False)
        for name in self.control:
            if json.dumps(name, ensure_ascii=False)[1:-1] in text:
                raise UnusableRow(
                    f"the tools on offer contain {name!r}, which a server reads as a control token and not as text"
                )

    def refuse_unwritten(self, messages: list[Message], tools: list[Any] | None) -> None:
        """Raise UnusableRow when the template passes over the tools on offer, a call, or a tool's result.

        Such a template renders a call as an empty message, so the student would learn to say nothing.
        """
        if tools and self.render(messages, tools) == self.render(messages, None):
            raise UnusableRow(
                "the base's chat template does not write the tools on offer, so the model would never see them"
            )
        for number, message in enumerate(messages, 1):
            calls = message.get("tool_calls") or []
            if not calls and message["role"] != "tool":
                continue
            written = bare(self.render(messages[:number], tools))
            if message["role"] == "tool" and bare(message["content"]) not in written:
                raise UnusableRow(f"the base's chat template does not write the tool result in message {number}")
            for call in calls:
                function = call["function"]
                wanted = [str(function.get("name")), *leaves(function.get("arguments"))]
                if any(bare(text) not in written for text in wanted):
                    raise UnusableRow(
                        f"the base's chat template does not write the tool call in message {number}, so the model would learn "
                        "to say nothing there"
                    )

    def hide(self, messages: list[Message]) -> tuple[list[Message], list[str]]:
        """Replace control tokens' names inside the texts by private-use characters while the template is rendered."""
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

    def tokenise(self, text: str, names: list[str]) -> list[int]:
        """Return the tokens of a piece; stand-ins become the ordinary characters of the name they replace."""
        if not any(stand_in(i) in text for i in range(len(names))):
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        ids: list[int] = []
        for part in split_keeping(text, self.control):
            data = part not in self.control
            written = restored(part, names) if data else part
            ids += self.tokenizer(written, add_special_tokens=False, split_special_tokens=data)["input_ids"]
        return ids


def stops_of(folder: Path, own: int | None) -> set[int]:
    """Return the ids at which a server ends an answer: the tokenizer's own, and those of the base's generation settings."""
    try:
        named = json.loads((folder / "generation_config.json").read_text("utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        named = None  # a base without them
    listed = named if isinstance(named, list) else [named]
    return {stop for stop in (own, *listed) if isinstance(stop, int)}


def stand_in(i: int) -> str:
    return chr(0xF0000 + i)


def restored(text: str, names: list[str]) -> str:
    for i, name in enumerate(names):
        text = text.replace(stand_in(i), name)
    return text


def split_keeping(text: str, marks: list[str]) -> list[str]:
    """Cut `text` at every mark, the marks kept as parts."""
    return [part for part in re.split("(" + "|".join(map(re.escape, marks)) + ")", text) if part]


def plain(message: Message) -> Message:
    """Return a message as templates take it: no empty keys, text parts joined, arguments as objects."""
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


def leaves(value: Any) -> list[str]:
    """The keys and single values of call arguments, as texts."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *leaves(item))]
    if isinstance(value, list):
        return [text for item in value for text in leaves(item)]
    return [value if isinstance(value, str) else json.dumps(value)] if value is not None else []


def bare(text: str) -> str:
    """A text without blanks, quotes and escapes, so that it is found whether a template writes JSON or Python's form."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\\+[ntrbf]?|[\s\"']", "", text).casefold()
