"""Tools and the calls of them: names, ids, arguments, parameter schemas."""

import re
from typing import Any, Literal

import orjson
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError

from curation.chat import Problem

IdRule = Literal["nine", "any"]
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NINE = re.compile(r"[a-zA-Z0-9]{9}")


def id_is_good(value: Any, rule: IdRule) -> bool:
    """Nine letters or digits up to tokenizer v11; any non-empty string from v13."""
    if not isinstance(value, str):
        return False
    return bool(NINE.fullmatch(value)) if rule == "nine" else bool(value)


def check_tools(tools: Any) -> list[Problem]:
    """Problems of the tools a conversation offers."""
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
            problems.append(Problem("tool-twice", f"The tool “{name[:64]}” is offered twice: keep one.", where))
        names.add(str(name))
    return problems


def _check_tool(tool: Any, where: str) -> list[Problem]:
    if isinstance(tool, dict) and "function" not in tool and "name" in tool:
        text = "This is the old `functions` form: it is `tools` now, each with its `type` and `function`."
        return [Problem("old-tool", text, where, mendable=True)]
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
    return [Problem("tool-schema", f"The parameters are no JSON Schema ({reason}).", where)]


def check_call(call: Any, where: str, id_rule: IdRule) -> list[Problem]:
    """Problems of one call in an assistant's `tool_calls`."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        text = 'A call must look like {"id", "type": "function", "function": {"name", "arguments"}}.'
        return [Problem("call-form", text, where)]
    problems = [
        Problem("unknown-key", f"The key “{str(key)[:40]}” means nothing in a call: remove it.", where)
        for key in [*(call.keys() - {"id", "type", "function", "index"}), *(function.keys() - {"name", "arguments"})]
    ]
    if call.get("type", "function") != "function":
        problems.append(Problem("call-type", "The type of a call is “function”.", where))
    problems += check_id(call.get("id"), "call", where, id_rule)
    return problems + _check_name(function.get("name"), where) + _check_arguments(function.get("arguments"), where)


def check_id(value: Any, what: str, where: str, id_rule: IdRule) -> list[Problem]:
    """Problems of a call's id, or of a tool result's; `what` names which."""
    if id_is_good(value, id_rule):
        return []
    rule = "nine letters or digits" if id_rule == "nine" else "any text that is not empty"
    if value in (None, "", "null"):
        return [Problem("id-missing", f"The {what} has no call id: it must be {rule}.", where, mendable=True)]
    return [Problem("id-bad", f"The {what} has the id “{str(value)[:40]}”, which is not {rule}.", where, mendable=True)]


def _check_arguments(arguments: Any, where: str) -> list[Problem]:
    if isinstance(arguments, dict):
        text = "The arguments are an object: they must be that object written as a JSON string."
        return [Problem("arguments-object", text, where, mendable=True)]
    try:
        value = orjson.loads(arguments) if isinstance(arguments, str) else None
    except orjson.JSONDecodeError as error:
        return [Problem("arguments-json", f"The arguments are not valid JSON ({error.msg[:80]}).", where)]
    if not isinstance(value, dict):
        text = 'The arguments must be a JSON object written as a string, such as "{\\"city\\": \\"Lyon\\"}".'
        return [Problem("arguments-form", text, where)]
    return []
