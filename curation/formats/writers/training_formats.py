"""Export rows in the forms of other tools: ShareGPT, Alpaca, prompt and completion, preference."""

from functools import cache, partial
from typing import Any

import orjson

from curation.chat import Message
from curation.content import Draft
from curation.formats.mapping import Mapping
from curation.formats.writers.base import Row, UnsupportedDraft, Writer, common, json_lines, reading, register

SPEAKER = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def sharegpt_row(draft: Draft) -> Row:
    """Return turns with `from` and `value`. Ids of calls, names and weights are beside them."""
    return {"conversations": [_turn(message) for message in draft.messages]} | common(draft)


def _turn(message: Message) -> dict[str, Any]:
    role, content = message.get("role"), message.get("content")
    rest = {key: value for key, value in message.items() if key not in ("role", "content", "tool_calls")}
    if role not in SPEAKER:
        raise UnsupportedDraft("ShareGPT has only the roles system, user, assistant and tool.")
    if content is not None and not isinstance(content, str):
        raise UnsupportedDraft("ShareGPT has no messages with several parts (thoughts, images).")
    if calls := message.get("tool_calls"):
        turn = {"content": content} if content is not None else {}
        return {
            "from": "function_call",
            "value": orjson.dumps([_call(call) for call in calls]).decode(),
            **turn,
            **rest,
        }
    if content is None:
        raise UnsupportedDraft("ShareGPT has no messages without text.")
    return {"from": SPEAKER[role], "value": content, **rest}


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or "name" not in function:
        raise UnsupportedDraft("A call has no function with a name.")
    return {"name": function["name"], "arguments": function.get("arguments", ""), "id": call.get("id", "")}


def alpaca_row(draft: Draft) -> Row:
    """Return the last question and answer, with the earlier ones as history."""
    messages = draft.messages
    for message in messages:
        if message.keys() != {"role", "content"} or not isinstance(message["content"], str):
            raise UnsupportedDraft("Alpaca has only plain texts, without calls, parts or weights.")
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    turns = messages[1:] if system else messages
    pairs = list(zip(turns[::2], turns[1::2], strict=False))
    in_turn = all((asked["role"], told["role"]) == ("user", "assistant") for asked, told in pairs)
    if not pairs or len(turns) % 2 or not in_turn:
        raise UnsupportedDraft("Alpaca has only alternating questions and answers.")
    texts = [[asked["content"], told["content"]] for asked, told in pairs]
    last = texts.pop()
    row = {"instruction": last[0], "input": "", "output": last[1], "system": system, "history": texts}
    return row | common(draft)


def completion_row(draft: Draft) -> Row:
    """Return the last answer as the completion and what comes before as the prompt: text, or messages if text would not do."""
    messages = draft.messages
    if len(messages) < 2 or messages[-1].get("role") != "assistant":
        raise UnsupportedDraft("There is no prompt before the last assistant message.")
    prompt, completion = messages[:-1], messages[-1:]
    texts = _plain(prompt, "user"), _plain(completion, "assistant")
    if None in texts:
        return {"prompt": prompt, "completion": completion} | common(draft)
    return {"prompt": texts[0], "completion": texts[1]} | common(draft)


def preference_row(draft: Draft) -> Row:
    """Return texts if each side is one plain message, else messages."""
    texts = _plain(draft.messages, "user"), _plain(draft.chosen, "assistant"), _plain(draft.rejected, "assistant")
    values = (draft.messages, draft.chosen, draft.rejected) if None in texts else texts
    return dict(zip(("prompt", "chosen", "rejected"), values, strict=True)) | common(draft)


def _plain(messages: list[Message], role: str) -> str | None:
    """Return the text of one plain message of the role; None if it is anything else, or might be read as something else."""
    if len(messages) != 1 or messages[0].keys() != {"role", "content"} or messages[0]["role"] != role:
        return None
    text = messages[0]["content"]
    return text if isinstance(text, str) and text and not text.startswith("[{") else None


@cache
def _completion(kind: str) -> Mapping:
    return reading(kind, "columns", "", roles={"prompt": "user", "completion": "assistant"})


TALKS = ("conversations",)
register(Writer(
    "sharegpt", "ShareGPT", ".jsonl", TALKS, sharegpt_row, json_lines,
    cache(partial(reading, style="sharegpt", messages="conversations")), about="Turns with “from” and “value”.",
))  # fmt: skip
register(Writer(
    "alpaca", "Alpaca", ".jsonl", TALKS, alpaca_row, json_lines, cache(partial(reading, style="alpaca", messages="")),
    about="Instruction and output, with earlier turns as history. Only alternating plain texts.",
))  # fmt: skip
register(Writer(
    "completion", "Prompt and completion", ".jsonl", TALKS, completion_row, json_lines, _completion,
    about="The last answer is the completion, everything before it is the prompt.",
))  # fmt: skip
register(Writer(
    "preference", "Preference", ".jsonl", ("preferences",), preference_row, json_lines,
    cache(partial(reading, messages="prompt")), about="Prompt, chosen and rejected.",
))  # fmt: skip
