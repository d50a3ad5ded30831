"""Foreign forms of a message, rewritten as the one schema: other roles, service keys, thoughts beside the text, odd calls.

Each rewriting is mechanical: nothing is guessed. What has two readings is left as it is, and stays a problem.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from curation.chat import Message, thinking_of
from curation.checks.parts import PART_KEYS

Notes = list[str]
# Roles of other formats, in small letters and with underscores; `call` is an assistant whose content is a call.
ROLE_NAMES = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "assistant": "assistant",
    "prompter": "user", "model": "assistant", "gpt": "assistant", "chatgpt": "assistant", "ai": "assistant",
    "bing": "assistant", "bard": "assistant", "tool": "tool",
    "function": "tool", "tool_response": "tool", "tool_result": "tool", "tool_output": "tool", "observation": "tool",
    "ipython": "tool", "function_response": "tool", "function_result": "tool", "tool_call": "call",
    "tool_calls": "call", "function_call": "call", "function_calls": "call",
}  # fmt: skip
LONGEST_NAME = 40  # characters of a role
THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts")
LEARNED = ("loss", "train", "trainable")
ARGUMENTS = ("arguments", "parameters", "input", "args")
TAGGED = re.compile(
    r"\A\s*<(think|thinking|thought|reasoning)>(.*?)</\1>|\A\s*\[THINK\](.*?)\[/THINK\]", re.DOTALL | re.IGNORECASE
)
# An end tag alone ends thoughts where it stands at a word or a line, and is spoken of where it stands between blanks.
END_ONLY = re.compile(
    r"\A(.*?)(?<=[\w.!?…)\n])(?:</(?:think|thinking|thought|reasoning)>|\[/THINK\])", re.DOTALL | re.IGNORECASE
)
KNOWN = {
    "system": {"role", "content"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "tool_calls", "weight", "prefix", "function_call"},
    "tool": {"role", "content", "tool_call_id", "name"},
}


def rewrite(message: Message) -> list[str]:
    """Rewrite a message in place, and return what was done, in words. A second time does nothing."""
    notes: Notes = []
    for step in STEPS:
        step(message, notes)
    return notes


def _turn(message: Message, notes: Notes) -> None:
    """Rename `from` and `value`, as ShareGPT's turns have them."""
    if "role" not in message and isinstance(message.get("from"), str):
        message["role"] = message.pop("from")
        notes.append("`from` became `role`")
        if "content" not in message and "value" in message:
            message["content"] = message.pop("value")
            notes.append("`value` became `content`")


def role_named(name: Any) -> str | None:
    """Return the role of this name in any format, in small or capital letters, `call` for calls; None if unknown."""
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return None
    # Most are written as they stand here, and a pattern is slow.
    return ROLE_NAMES.get(name) or ROLE_NAMES.get(re.sub(r"[\s_-]+", "_", name.strip().lower()))


def _role(message: Message, notes: Notes) -> None:
    role = message.get("role")
    known = role_named(role)
    if known in (None, role):
        return
    if known == "call":
        calls = calls_in(message.get("content"))
        if not calls or "tool_calls" in message:
            return
        message["tool_calls"] = calls
        del message["content"]
    message["role"] = "assistant" if known == "call" else known
    notes.append(f"the role `{str(role)[:20]}` became `{message['role']}`")


def _parts(message: Message, notes: Notes) -> None:
    """Turn Gemini's `parts` (or `contents`) into content, when all of them are texts, thoughts or calls."""
    for key in ("parts", "contents"):
        parts = message.get(key)
        if "content" in message or not isinstance(parts, list | str) or not parts:
            continue
        pieces = [parts] if isinstance(parts, str) else parts
        read = [_part(piece) for piece in pieces]
        calls = [part["call"] for part in read if part and "call" in part]
        results = [part["result"] for part in read if part and "result" in part]
        if None in read or (calls and "tool_calls" in message) or (results and len(read) > 1):
            continue
        del message[key]
        said = [part for part in read if part and "type" in part]
        if results:
            message |= {"role": "tool", **results[0]}
        elif said:
            plain = all(part["type"] == "text" for part in said)
            message["content"] = "".join(part["text"] for part in said) if plain else said
        if calls:
            message["tool_calls"] = calls
        notes.append(f"`{key}` became the content")


def _part(piece: Any) -> dict[str, Any] | None:
    """Return a part in the schema's form, a call or a result; None for what is neither."""
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    if not isinstance(piece, dict):
        return None
    if isinstance(piece.get("type"), str) and piece["type"] in PART_KEYS:
        return piece
    text = piece.get("text")
    if isinstance(text, str) and piece.keys() <= {"text", "thought"}:
        return (
            {"type": "thinking", "thinking": text} if piece.get("thought") is True else {"type": "text", "text": text}
        )
    for key in ("functionCall", "function_call"):
        if isinstance(piece.get(key), dict) and len(piece) == 1 and (call := call_of(piece[key])):
            return {"call": call}
    for key in ("functionResponse", "function_response"):
        result = piece.get(key)
        if (
            isinstance(result, dict)
            and len(piece) == 1
            and isinstance(result.get("name"), str)
            and "response" in result
        ):
            return {"result": {"name": result["name"], "content": _json(result["response"])}}
    return None


def _thoughts(message: Message, notes: Notes) -> None:
    """Move thoughts beside the text into a thinking part before it."""
    for key in THOUGHTS:
        value = message.get(key)
        if not isinstance(value, str) or not value.strip() or message.get("role") != "assistant":
            continue
        content = message.get("content")
        if not (content is None or isinstance(content, str | list)):
            continue
        del message[key]
        notes.append(f"`{key}` became a thinking part")
        if thinking_of(message).strip() == value.strip():
            continue
        text = [{"type": "text", "text": content}] if isinstance(content, str) and content.strip() else []
        message["content"] = [
            {"type": "thinking", "thinking": value},
            *(content if isinstance(content, list) else text),
        ]


def _weight(message: Message, notes: Notes) -> None:
    """Turn `loss` and `train` into `weight`; only an assistant's message has one."""
    is_answer = message.get("role") == "assistant"
    for key in LEARNED:
        value = message.get(key)
        if value is None or value not in (0, 1) or ("weight" in message and message["weight"] != value):
            continue
        del message[key]
        if is_answer:
            message["weight"] = int(value)
        notes.append(f"`{key}` became `weight`" if is_answer else f"`{key}` was removed: only answers are learned")
    weight = message.get("weight")
    if not is_answer and str(message.get("role")) in KNOWN and weight in (0, 1):
        del message["weight"]
        notes.append("`weight` was removed: only answers are learned")
    elif (isinstance(weight, bool | float) and weight in (0, 1)) or (isinstance(weight, str) and weight in ("0", "1")):
        message["weight"] = int(weight)
        notes.append(f"the weight became {int(weight)}")


def _service_keys(message: Message, notes: Notes) -> None:
    """Remove keys that a service adds and that hold nothing."""
    known = KNOWN.get(str(message.get("role")))
    if known is None:
        return
    for key in [key for key in message if key not in known or key in ("name", "tool_calls", "function_call", "weight")]:
        if message[key] is None or message[key] in ("", [], {}):
            del message[key]
            notes.append(f"the empty key `{str(key)[:30]}` was removed")


def _calls(message: Message, notes: Notes) -> None:
    calls = message.get("tool_calls")
    if message.get("role") != "assistant" or not calls:
        return
    if isinstance(calls, str | dict):
        if not (read := calls_in(calls)):
            return
        message["tool_calls"] = read
        notes.append("the calls were read from a text" if isinstance(calls, str) else "the call became a list of calls")
    elif isinstance(calls, list):
        for place, call in enumerate(calls):
            if not _is_call(call) and (read_call := call_of(call)):
                calls[place] = read_call
                notes.append("a call got the usual form")


def calls_in(value: Any) -> list[dict[str, Any]]:
    """Return the calls that a value or its JSON text holds; nothing when any of it is no call."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return []
    items = value if isinstance(value, list) else [value]
    calls = [item if _is_call(item) else call_of(item) for item in items]
    return [call for call in calls if call] if all(calls) else []


def _is_call(call: Any) -> bool:
    return (
        isinstance(call, dict)
        and isinstance(call.get("function"), dict)
        and isinstance(call["function"].get("name"), str)
    )


def call_of(value: Any) -> dict[str, Any] | None:
    """Return a call in the schema's form, from a flat one, or from one whose function is JSON text; None for another thing."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        return value if _is_call(value) else call_of(value) if isinstance(value, dict) else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), str) and value["function"].lstrip().startswith("{"):
        try:
            value = {**value, "function": orjson.loads(value["function"])}
        except orjson.JSONDecodeError:
            return None
        return value if _is_call(value) else None
    given = [key for key in ARGUMENTS if key in value]
    name = value.get("name")
    rest = value.keys() - {"name", "id", "type", "call_id", *given}
    if not isinstance(name, str) or not name or len(given) > 1 or rest:
        return None
    arguments = value[given[0]] if given else {}
    if not isinstance(arguments, dict | str):
        return None
    made = {
        "type": "function",
        "function": {"name": name, "arguments": arguments if isinstance(arguments, str) else _json(arguments)},
    }
    own_id = value.get("id") or value.get("call_id")
    return {"id": own_id, **made} if isinstance(own_id, str) else made


def _content(message: Message, notes: Notes) -> None:
    """Write results and numbers as text. An object as a person's or a model's words is left: it may be anything."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if message.get("role") == "tool":
        parts = (
            isinstance(content, list)
            and content
            and all(isinstance(each, dict) and each.get("type") in list(PART_KEYS) for each in content)
        )
        if not parts:
            message["content"] = _json(content)
            notes.append("the result became JSON text")
    elif isinstance(content, int | float) and str(message.get("role")) in KNOWN:
        message["content"] = _json(content)
        notes.append("the content became text")
    elif isinstance(content, dict) and content.get("type") == "text" and isinstance(content.get("text"), str):
        message["content"] = content["text"]
        notes.append("the content's one part became text")


def _tagged(message: Message, notes: Notes) -> None:
    """Part thoughts in tags from the answer after them."""
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, str):
        return
    if parted := part_thoughts(content):
        thinking, answer = parted
        said = [{"type": "text", "text": answer}]
        message["content"] = [{"type": "thinking", "thinking": thinking}, *said] if thinking else answer
        notes.append("the thoughts in the text became a thinking part")


def part_thoughts(text: str) -> tuple[str, str] | None:
    """Return (thoughts, answer) of a text with thoughts in tags, or with their end tag alone; None without either part."""
    found = TAGGED.match(text) or (None if _is_quoted(text) else END_ONLY.match(text))
    if not found:
        return None
    thinking = next((group for group in reversed(found.groups()) if group is not None), "")
    answer = text[found.end() :].strip()
    # A second tag in what is left would be parted once more.
    if not answer or TAGGED.match(answer) or END_ONLY.match(answer):
        return None
    return thinking.strip(), answer


def _is_quoted(text: str) -> bool:
    """Return whether the tag is spoken of: in code, or with its begin tag before it in the text."""
    end = END_ONLY.match(text)
    before = end[1] if end else ""
    return before.count("`") % 2 == 1 or "<think" in before.lower() or "[think" in before.lower()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


STEPS: tuple[Callable[[Message, Notes], None], ...] = (
    _turn, _parts, _role, _calls, _content, _thoughts, _tagged, _weight, _service_keys,
)  # fmt: skip
