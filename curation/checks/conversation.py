"""The check of whether a conversation is trainable: the rules of mistral-common's finetuning mode, and what that mode misses.

Source of the rules: `mistral_common.protocol.instruct.validator` (1.13), the provider's fine-tuning guide.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from curation.chat import ROLES, Message, Problem, text_of, thinking_of
from curation.checks.forms import rewrite
from curation.checks.parts import check_content, check_unicode
from curation.checks.tools import IdRule, check_call, check_calls, check_id, check_tools

KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "tool_calls", "weight", "prefix"},
    "tool": {"role", "content", "tool_call_id", "name"},
}
OLD_KEYS = {"function_call": "tool_calls"}
AFTER = {
    "": {"system", "user"},
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"tool", "assistant"},
}


def check(messages: Any, tools: Any = None, *, id_rule: IdRule = "nine") -> list[Problem]:
    """Return the problems that keep a conversation from being trained on, in the order of its messages; empty when it is valid.

    `id_rule` is "nine" (letters and digits, tokenizers up to v11) or "any" (any non-empty string, from v13).
    """
    if tools is None and _is_good(messages):
        return []
    return _check_closely(messages, tools, id_rule)


def _is_good(messages: Any) -> bool:
    """Return whether this is a conversation of plain texts without any problem.

    Most conversations are, and this finds out at a tenth of the cost.
    """
    if not isinstance(messages, list):
        return False
    before = ""
    for message in messages:
        if not isinstance(message, dict) or len(message) != 2:
            return False
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or role == "tool" or role not in AFTER[before]:
            return False
        if not isinstance(content, str) or not content or content.isspace() or check_unicode(content, ""):
            return False
        before = role
    return before == "assistant"


def _check_closely(messages: Any, tools: Any, id_rule: IdRule) -> list[Problem]:
    problems = check_tools(tools)
    if not isinstance(messages, list) or not messages:
        return [*problems, Problem("no-messages", "There are no messages. A conversation needs at least two.")]
    for index, message in enumerate(messages):
        how: dict[str, Any] = {"last": index == len(messages) - 1, "id_rule": id_rule}
        problems += _with_ways_out(_check_message(message, index, **how), message, index, **how)
    known = [message for message in messages if isinstance(message, dict) and message.get("role") in ROLES]
    if len(known) == len(messages):
        problems += _check_order(messages)
        problems += _check_results(messages)
    return problems + check_calls(messages, tools)


def _check_message(message: Any, index: int, *, last: bool, id_rule: IdRule) -> list[Problem]:
    where = f"message {index + 1}"
    if not isinstance(message, dict):
        return [Problem("message-form", 'A message must be an object such as {"role": "user", "content": "…"}.', where)]
    role = message.get("role")
    if role == "function":
        return [Problem("old-role", "The role `function` is obsolete. Use `tool`.", where, fixable=True)]
    if role not in ROLES:
        return [Problem("unknown-role", f"The role is {_shown(role)}: it must be one of {', '.join(ROLES)}.", where)]
    problems = _check_keys(message, str(role), where)
    problems += check_content(message, where, last=last)
    problems += _check_emptiness(message, where)
    if role == "assistant":
        problems += _check_assistant(message, where, last, id_rule)
    if role == "tool":
        problems += check_id(message.get("tool_call_id"), "tool result", where, id_rule)
    return problems


def _with_ways_out(problems: list[Problem], message: Any, index: int, **how: Any) -> list[Problem]:
    """Return the problems, those as fixable that are gone when the message's foreign forms are rewritten."""
    if not isinstance(message, dict) or all(problem.fixable for problem in problems):
        return problems
    try:
        rewritten = copy.deepcopy(message)
        if not rewrite(rewritten):
            return problems
    except (RecursionError, TypeError):  # nested too deeply to be copied or written
        return problems
    left = {(problem.code, problem.where) for problem in _check_message(rewritten, index, **how)}
    return [replace(each, fixable=each.fixable or (each.code, each.where) not in left) for each in problems]


def _check_keys(message: Message, role: str, where: str) -> list[Problem]:
    problems = []
    for key in message:
        if key in OLD_KEYS and role == "assistant":
            problems.append(
                Problem("old-key", f"The key `{key}` is obsolete. Use `{OLD_KEYS[key]}`.", where, fixable=True)
            )
        elif key not in KEYS[role]:
            allowed = ", ".join(sorted(KEYS[role]))
            problems.append(
                Problem(
                    "unknown-key", f"The key {_shown(key)} isn't allowed in a {role} message. Use {allowed}.", where
                )
            )
    return problems


def _check_emptiness(message: Message, where: str) -> list[Problem]:
    content, calls = message.get("content"), message.get("tool_calls") or message.get("function_call")
    if calls:
        blank = content is not None and not _says_something(message) and not thinking_of(message).strip()
        text = "Omit the empty content beside tool calls."
        return [Problem("empty-beside-calls", text, where, fixable=True)] if blank else []
    if not _says_something(message):
        return [
            Problem("empty-content", f"The {message['role']} message is empty. Write its text or remove it.", where)
        ]
    return []


def _says_something(message: Message) -> bool:
    """Return True for visible text, and for parts of another kind: an image alone is a question."""
    content = message.get("content")
    if isinstance(content, list) and any(isinstance(p, dict) and p.get("type") == "image_url" for p in content):
        return True
    # Content of a wrong type is reported as such, not as empty.
    if content is not None and not isinstance(content, str | list):
        return True
    return bool(text_of(message).strip())


def _check_assistant(message: Message, where: str, last: bool, id_rule: IdRule) -> list[Problem]:
    problems = []
    weight = message.get("weight")
    if weight is not None and (isinstance(weight, bool) or weight not in (0, 1)):
        problems.append(Problem("bad-weight", "The weight must be 0 (not learned) or 1 (learned).", where))
    if message.get("prefix"):
        problems.append(
            Problem("prefix", "`prefix` asks for a continuation and cannot be trained on. Remove it.", where)
        )
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        return [*problems, Problem("calls-form", "`tool_calls` must be a list of calls.", where)]
    for number, call in enumerate(calls or [], 1):
        problems += check_call(call, f"{where}, call {number}", id_rule)
    return problems


def _check_order(messages: Sequence[Message]) -> list[Problem]:
    """Check the role order: system, user, assistant, (tool, assistant)…, the last from the assistant."""
    problems: list[Problem] = []
    before = ""
    for index, message in enumerate(messages):
        role = str(message["role"])
        if role not in AFTER[before]:
            problems.append(_out_of_order(before, role, f"message {index + 1}"))
        before = role
    if before != "assistant":
        text = f"The last message must be from the assistant, not from {_the(before)}, because training learns from assistant messages."
        fixable = any(message["role"] == "assistant" for message in messages)
        problems.append(Problem("last-not-assistant", text, f"message {len(messages)}", fixable))
    return problems


def _out_of_order(before: str, role: str, where: str) -> Problem:
    if role == "system":
        return Problem("system-late", "Only one system message is allowed, at the very start.", where)
    if not before or (before == "system" and role != "user"):
        text = (
            f"The conversation begins with {_the(role)}. It must begin with the user, after an optional system message."
        )
        return Problem(f"{role}-first", text, where)
    if before == role:
        text = f"Two {role} messages follow each other. Join them, or add the missing turn between them."
        return Problem(f"two-{role}s", text, where)
    expected = " or ".join(_the(name) for name in sorted(AFTER[before]))
    return Problem("role-order", f"After {_the(before)} comes {expected}, not {_the(role)}.", where)


def _check_results(messages: Sequence[Message]) -> list[Problem]:
    """Check that each tool result answers a call of the assistant message before it.

    Each call but the last ones must be answered.
    """
    problems: list[Problem] = []
    waiting: dict[str, str] = {}
    seen: set[str] = set()
    for index, message in enumerate(messages):
        where = f"message {index + 1}"
        if message["role"] == "tool":
            problems += _check_result(message, waiting, where)
            continue
        if waiting:
            names = ", ".join(waiting)
            problems.append(Problem("call-unanswered", f"No tool result answers the call {names}. Add it.", where))
        waiting = {}
        for call in _calls(message):
            name = call.get("id")
            if not isinstance(name, str) or not name:
                continue
            if name in seen:
                text = f"The call id {_shown(name)} is used twice. Each call needs its own id."
                problems.append(Problem("call-id-twice", text, where, fixable=True))
            seen.add(name)
            waiting[name] = where
    return problems


def _check_result(message: Message, waiting: dict[str, str], where: str) -> list[Problem]:
    name = message.get("tool_call_id")
    if not isinstance(name, str) or not name:
        return []  # Reported as a missing id already.
    if waiting.pop(name, None) is None:
        text = f"The tool result answers {_shown(name)}, no open call of the assistant before it. Use that call's id."
        return [Problem("result-unmatched", text, where)]
    return []


def _calls(message: Message) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _the(role: str) -> str:
    return {"tool": "a tool result", "system": "a system message"}.get(role, f"the {role}")


def _shown(value: Any) -> str:
    text = str(value)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
