"""Automatic fixes of a conversation's problems: shown first, applied on request."""

import copy
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import orjson

from curation.chat import Message
from curation.checks.forms import rewrite, role_named
from curation.checks.tools import IdRule, id_is_good

Notes = list[str]
ROUNDS = 6


def fix(
    messages: Sequence[Message], tools: Sequence[Any] | None = None, *, id_rule: IdRule = "nine"
) -> tuple[list[Message], list[Any] | None, Notes]:
    """Return fixed copies of the messages and tools, and what was done, in words; the arguments stay as they were.

    Fixing what was fixed changes nothing.
    """
    notes: Notes = []
    fixed = [copy.deepcopy(message) for message in messages]
    new_tools = _fix_tools(tools, notes)
    if all(isinstance(message, dict) for message in fixed):
        fixed = _with_forms_fixed(fixed, notes)
        _fix_ids(fixed, id_rule, notes)
        fixed = _without_trailing_turns(fixed, notes)
    return fixed, new_tools, notes


def _fix_tools(tools: Sequence[Any] | None, notes: Notes) -> list[Any] | None:
    if tools is None:
        return None
    fixed = []
    for tool in tools:
        if isinstance(tool, dict) and "function" not in tool and "name" in tool:
            fixed.append({"type": "function", "function": copy.deepcopy(tool)})
            notes.append(f"`functions` became `tools`: {str(tool['name'])[:64]}.")
        else:
            fixed.append(copy.deepcopy(tool))
    return fixed


def fix_forms(messages: Sequence[Message]) -> tuple[list[Message], Notes]:
    """Return copies of messages in the schema's own forms, and what was done; their ids and their order stay."""
    notes: Notes = []
    fixed = [copy.deepcopy(message) for message in messages]
    return (_with_forms_fixed(fixed, notes) if all(isinstance(each, dict) for each in fixed) else fixed), notes


def _with_forms_fixed(messages: list[Message], notes: Notes) -> list[Message]:
    roles = [str(message.get("role", message.get("from"))).strip().lower() for message in messages]
    for number, message in enumerate(messages, 1):
        for _ in range(ROUNDS):  # one form may lie within another
            before = len(notes)
            notes += [f"Message {number}: {note}." for note in rewrite(message)]
            _fix_message(message, number, notes)
            if len(notes) == before:
                break
    return _with_calls_joined(roles, messages, notes)


def _with_calls_joined(roles: Sequence[str], messages: list[Message], notes: Notes) -> list[Message]:
    """Join calls that had a role of their own with the assistant's message before them."""
    joined: list[Message] = []
    calls: list[dict[str, Any]] = []  # of the last message
    for was_role, message in zip(roles, messages, strict=True):
        own = calls_of(message)
        follows = joined and joined[-1].get("role") == "assistant" and message.get("role") == "assistant"
        if follows and role_named(was_role) == "call" and own:
            calls += own
            joined[-1]["tool_calls"] = calls
            notes.append("A call joined the assistant's message before it.")
        else:
            joined.append(message)
            calls = own
    return joined


def _fix_message(message: Message, number: int, notes: Notes) -> None:
    if message.get("role") == "function":
        message["role"] = "tool"
        notes.append(f"Message {number}: the role `function` became `tool`.")
    calls = message.get("tool_calls") or []
    can_take = message.get("role") == "assistant" and isinstance(calls, list)
    if can_take and isinstance(message.get("function_call"), dict):
        message["tool_calls"] = [*calls, {"type": "function", "function": message.pop("function_call")}]
        notes.append(f"Message {number}: `function_call` became `tool_calls`.")
    for call in calls_of(message):
        _fix_arguments(call, number, notes)
    # None says the same as absence, so dropping it needs no note.
    if calls_of(message) and _is_blank(message.get("content")) and message.pop("content", None) is not None:
        notes.append(f"Message {number}: the empty content beside the tool calls was removed.")


def _fix_arguments(call: dict[str, Any], number: int, notes: Notes) -> None:
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        function["arguments"] = orjson.dumps(function["arguments"]).decode()
        notes.append(f"Message {number}: the arguments of a call became a JSON string.")


def calls_of(message: Message) -> list[dict[str, Any]]:
    """Return the well-formed tool calls of a message."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _is_blank(content: Any) -> bool:
    if isinstance(content, list):
        return all(
            isinstance(p, dict) and p.get("type") == "text" and not str(p.get("text", "")).strip() for p in content
        )
    return content is None or (isinstance(content, str) and not content.strip())


def _fix_ids(messages: list[Message], id_rule: IdRule, notes: Notes) -> None:
    """Replace bad, missing and duplicate ids by new ones, the same in the call and in its result."""
    used: set[str] = set()
    taken = {str(call.get("id")) for message in messages for call in calls_of(message)}
    renamed: dict[str, str] = {}
    waiting: dict[str, dict[str, Any]] = {}  # calls without a result, by their ids
    for number, message in enumerate(messages, 1):
        if message.get("role") == "tool":
            _fix_result(message, number, waiting, renamed, notes)
            continue
        renamed, waiting = {}, {}
        for place, call in enumerate(calls_of(message)):
            old = call.get("id")
            if not id_is_good(old, id_rule) or old in used:
                call["id"] = _new_id(f"{number}/{place}/{old}", used, taken)
                if isinstance(old, str) and old and old != "null":
                    renamed[old] = call["id"]
                notes.append(f"Message {number}: a call got the id {call['id']}.")
            used.add(str(call["id"]))
            waiting[str(call["id"])] = call


def _fix_result(
    message: Message, number: int, waiting: dict[str, dict[str, Any]], renamed: dict[str, str], notes: Notes
) -> None:
    """Match a result to its call: by id, else by the call's old id, else (no id at all) by name or order."""
    old = message.get("tool_call_id")
    new = old if isinstance(old, str) and old in waiting else renamed.get(str(old)) if old else None
    if new is None and (not isinstance(old, str) or old in ("", "null")):
        new = _by_name(message.get("name"), waiting.values()) or next(iter(waiting), None)
    if new is None:
        return  # It matches nothing: reported, not guessed at.
    waiting.pop(str(new), None)
    if new != old:
        message["tool_call_id"] = new
        notes.append(f"Message {number}: the tool result now answers the call {new}.")


def _by_name(name: Any, waiting: Iterable[dict[str, Any]]) -> Any:
    for call in waiting if name else ():
        function = call.get("function")
        if isinstance(function, dict) and function.get("name") == name:
            return call.get("id")
    return None


def _new_id(seed: str, used: set[str], taken: set[str]) -> str:
    """Return nine hexadecimal digits that depend on the place alone, so fixing the same row twice gives the same row."""
    for salt in range(1000):
        new = sha256(f"{salt}:{seed}".encode("utf-8", "replace")).hexdigest()[:9]
        if new not in used and new not in taken:
            return new
    raise AssertionError("a thousand ids of nine digits were all taken")


def _without_trailing_turns(messages: list[Message], notes: Notes) -> list[Message]:
    end = len(messages)
    while end and messages[end - 1].get("role") != "assistant":
        end -= 1
    if 0 < end < len(messages):
        count = len(messages) - end
        notes.append(f"Removed what came after the last assistant message: {count} message(s).")
        return messages[:end]
    return messages
