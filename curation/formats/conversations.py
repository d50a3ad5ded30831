"""Message lists in common formats, converted to the one schema: OpenAI, Mistral, ShareGPT, JSON in a cell."""

from typing import Any

import orjson

from curation.chat import Message, Problem
from curation.formats.readers.rows import RowError

# ShareGPT's words, and those of its descendants.
SPEAKERS = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant", "system": "system",
    "function_call": "function_call", "observation": "tool", "tool": "tool", "function_response": "tool",
}  # fmt: skip


def messages_of(value: Any, column: str) -> list[Message]:
    """Return the messages in a cell: a list of them, of ShareGPT turns, or either as JSON text. Raises RowError."""
    value = from_json(value, column)
    if isinstance(value, dict):
        value = value.get("messages", value.get("conversations", [value]))
    if value == []:
        raise _error(
            "messages-form", f"The list of messages in “{column}” is empty, so there is nothing to learn from."
        )
    if not isinstance(value, list):
        raise _error("messages-form", f"The column “{column}” must hold a list of messages, not {_shown(value)}.")
    if not all(isinstance(item, dict) for item in value):
        raise _error("messages-form", f"Each message in “{column}” must be an object with a role and a content.")
    if "from" in value[0] and "role" not in value[0]:
        return _from_sharegpt(value, column)
    return [without_nones(message) for message in value]


def answers_of(value: Any, column: str) -> list[Message]:
    """Return an answer given as text or as messages; text becomes one assistant message. Raises RowError."""
    if isinstance(value, dict) and "role" in value:
        return [without_nones(value)]
    if isinstance(value, list) or (isinstance(value, str) and _looks_like_messages(value)):
        return messages_of(value, column)
    return [{"role": "assistant", "content": as_text(value)}]


def tools_of(value: Any, column: str) -> list[Any]:
    """Return the tools in a cell: a list, JSON text of one, or nothing. Raises RowError."""
    if value is None or value in ("", [], "[]", "null"):
        return []
    value = from_json(value, column)
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list):
        raise _error("tools-form", f"The column “{column}” must hold a list of tools, not {_shown(value)}.")
    return [without_nones(tool) if isinstance(tool, dict) else tool for tool in value]


def from_json(value: Any, column: str) -> Any:
    """Return the value of a cell that may be JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        text = f"The column “{column}” must hold messages or tools as JSON: {error.msg[:80]}."
        raise _error("cell-not-json", text) from error


def as_text(value: Any) -> str:
    """Return a cell as the text of a message: text as it is, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=str).decode()


def without_nones(value: Any, key: str = "") -> Any:
    """Copy a value without the keys that are None: Arrow gives every row of a mixed column all keys of all rows.

    Arguments are the model's own words and `default` is a value, so both stay as they are.
    """
    if isinstance(value, dict) and key != "arguments":
        # Most are strings, which are not asked again.
        return {
            name: item if type(item) is str else without_nones(item, name)
            for name, item in value.items()
            if item is not None or name == "default"
        }
    if isinstance(value, list):
        return [without_nones(item) for item in value]
    return value


def _looks_like_messages(text: str) -> bool:
    return text.startswith("[{") and ('"role"' in text[:200] or '"from"' in text[:200])


def _from_sharegpt(turns: list[dict[str, Any]], column: str) -> list[Message]:
    messages: list[Message] = []
    open_calls: list[str] = []
    for number, turn in enumerate(turns, 1):
        speaker = str(turn.get("from"))
        role = SPEAKERS.get(speaker)
        if role is None:
            known = "human, gpt, system, function_call, observation"
            raise _error(
                "unknown-speaker",
                f"Turn {number} of “{column}” is from {_shown(speaker)}, which is unknown. Known are {known}.",
            )
        extra = {key: value for key, value in turn.items() if key not in ("from", "value") and value is not None}
        if role == "function_call":
            calls = _calls(turn.get("value"), number, column)
            open_calls = [call["id"] for call in calls]
            messages.append({"role": "assistant", "tool_calls": calls, **extra})
            continue
        message: Message = {"role": role, "content": turn.get("value"), **extra}
        if role == "tool" and extra.get("tool_call_id") in open_calls:
            open_calls.remove(extra["tool_call_id"])
        elif role == "tool" and open_calls:
            message["tool_call_id"] = open_calls.pop(0)
        messages.append(without_nones(message))
    return messages


def _calls(value: Any, turn: int, column: str) -> list[dict[str, Any]]:
    """Return the calls of a ShareGPT turn.

    ShareGPT has no call ids: each that has none gets one made from its place, nine characters long.
    """
    calls = from_json(value, column)
    calls = calls if isinstance(calls, list) else [calls]
    made = []
    for place, call in enumerate(calls):
        if not isinstance(call, dict) or "name" not in call:
            text = f"Turn {turn} of “{column}” must be a call such as {{“name”, “arguments”}} in JSON."
            raise _error("call-form", text)
        arguments = call.get("arguments", {})
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        function = {"name": call["name"], "arguments": text}
        given = call.get("id")
        name = given if isinstance(given, str) and given else f"c{turn % 10**5:05}{place % 1000:03}"
        made.append({"id": name, "type": "function", "function": function})
    return made


def _error(code: str, text: str) -> RowError:
    return RowError(Problem(code, text))


def _shown(value: Any) -> str:
    text = str(value)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
