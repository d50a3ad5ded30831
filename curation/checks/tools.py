"""Checks of tools and tool calls: names, ids, arguments, parameter schemas."""

import re
from typing import Any, Literal

import orjson
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from curation.chat import Problem
from curation.checks.arguments import check_arguments

IdRule = Literal["nine", "any"]
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NINE = re.compile(r"[a-zA-Z0-9]{9}")


def id_is_good(value: Any, rule: IdRule) -> bool:
    """Return whether an id is valid: nine letters or digits up to tokenizer v11; any non-empty string from v13."""
    if not isinstance(value, str):
        return False
    return bool(NINE.fullmatch(value)) if rule == "nine" else bool(value)


def check_tools(tools: Any) -> list[Problem]:
    """Return problems of the tools a conversation offers."""
    if tools is None:
        return []
    if not isinstance(tools, list):
        return [Problem("tools-form", "`tools` must be a list of tools.", "tools")]
    problems: list[Problem] = []
    names: set[str] = set()
    for number, tool in enumerate(tools, 1):
        where = f"tool {number}"
        problems += _check_tool(tool, where)
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and name in names:
            problems.append(Problem("tool-twice", f"The tool “{name[:64]}” is listed twice. Keep one.", where))
        names.add(str(name))
    return problems


def _check_tool(tool: Any, where: str) -> list[Problem]:
    if isinstance(tool, dict) and "function" not in tool and "name" in tool:
        text = "This is the obsolete `functions` form. Use `tools`, each with its `type` and `function`."
        return [Problem("old-tool", text, where, fixable=True)]
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type", "function") != "function":
        text = 'A tool must look like {"type": "function", "function": {"name", "description", "parameters"}}.'
        return [Problem("tool-form", text, where)]
    return _check_name(function.get("name"), where) + _check_schema(function.get("parameters"), where)


def _check_name(name: Any, where: str) -> list[Problem]:
    if isinstance(name, str) and NAME.fullmatch(name):
        return []
    text = f"The function name “{str(name)[:70]}” must be 1 to 64 letters, digits, underscores or hyphens."
    return [Problem("function-name", text, where)]


def _check_schema(parameters: Any, where: str) -> list[Problem]:
    if parameters is None:
        return []
    try:
        # Anything but an object passes for a schema in the library; for parameters it is none.
        if isinstance(parameters, dict):
            Draft7Validator.check_schema(parameters)
            return []
        reason = "it is not an object"
    except SchemaError as error:
        reason = error.message[:120]
    except RecursionError:
        reason = "it is nested too deeply"
    return [Problem("tool-schema", f"The parameters aren't a JSON Schema ({reason}).", where)]


def check_call(call: Any, where: str, id_rule: IdRule) -> list[Problem]:
    """Return problems of one call in an assistant's `tool_calls`."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        text = 'A call must look like {"id", "type": "function", "function": {"name", "arguments"}}.'
        return [Problem("call-form", text, where)]
    problems = [
        Problem("unknown-key", f"The key “{str(key)[:40]}” isn't allowed in a call. Remove it.", where)
        for key in [*(call.keys() - {"id", "type", "function", "index"}), *(function.keys() - {"name", "arguments"})]
    ]
    if call.get("type", "function") != "function":
        problems.append(Problem("call-type", "The type of a call must be “function”.", where))
    problems += check_id(call.get("id"), "call", where, id_rule)
    return problems + _check_name(function.get("name"), where) + _check_arguments(function.get("arguments"), where)


def check_calls(messages: list[Any], tools: Any) -> list[Problem]:
    """Return problems of calls held against the tools on offer: a tool that isn't there, arguments that it doesn't take.

    Without any tools on offer there is nothing to hold them against.
    """
    offered = {
        str(function.get("name")): function.get("parameters")
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict) and isinstance(function := tool.get("function", tool), dict)
    }
    problems: list[Problem] = []
    for number, message in enumerate(messages if offered else (), 1):
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for place, call in enumerate(calls if isinstance(calls, list) else (), 1):
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                problems += _check_against(function, offered, f"message {number}, call {place}")
    return problems


def _check_against(function: dict[str, Any], offered: dict[str, Any], where: str) -> list[Problem]:
    name, arguments = function["name"], function.get("arguments")
    if name not in offered:
        text = f"The call is of “{name[:64]}”, which is not among the tools on offer ({', '.join(offered)[:200]})."
        return [Problem("unknown-tool", text, where)]
    try:
        value = orjson.loads(arguments) if isinstance(arguments, str) else arguments
    except orjson.JSONDecodeError:
        return []  # Reported as such already.
    return check_arguments(value, offered[name], where) if isinstance(value, dict) else []


def check_id(value: Any, what: str, where: str, id_rule: IdRule) -> list[Problem]:
    """Return problems of a call's id, or of a tool result's; `what` names which."""
    if id_is_good(value, id_rule):
        return []
    rule = "nine letters or digits" if id_rule == "nine" else "any text that is not empty"
    if value in (None, "", "null"):
        return [Problem("id-missing", f"The {what} has no call id. It must be {rule}.", where, fixable=True)]
    return [Problem("id-bad", f"The {what} has the id “{str(value)[:40]}”, which is not {rule}.", where, fixable=True)]


def _check_arguments(arguments: Any, where: str) -> list[Problem]:
    if isinstance(arguments, dict):
        text = "The arguments are an object. Write that object as a JSON string."
        return [Problem("arguments-object", text, where, fixable=True)]
    try:
        value = orjson.loads(arguments) if isinstance(arguments, str) else None
    except orjson.JSONDecodeError as error:
        return [Problem("arguments-json", f"The arguments are not valid JSON ({error.msg[:80]}).", where)]
    if not isinstance(value, dict):
        text = 'The arguments must be a JSON object written as a string, such as "{\\"city\\": \\"Lyon\\"}".'
        return [Problem("arguments-form", text, where)]
    return []
