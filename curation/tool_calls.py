"""Calls of tools in a model's answer: their one form, what is wrong with them, how they read, and how two answers differ.

A call is {"id", "type": "function", "function": {"name", "arguments"}}; the arguments are the JSON text of an object.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atelier.characters import flaw

Call = dict[str, Any]
NAME_CHARS = 64  # of a function's name, as every provider has it
MOST_DEPTH = 60  # of arguments: deeper ones are kept as text, because walking through them would fail
UNREAD = "The arguments are not valid JSON or are nested too deeply, so they are kept as text."
NO_OBJECT = "The arguments are JSON, but not an object."


@dataclass(frozen=True)
class ReadableCall:
    """A call as people read it: the tool's name, its arguments one on a line, and sentences on what is wrong with it."""

    name: str
    arguments: str
    problems: tuple[str, ...] = ()


def call(name: str, arguments: Any, call_id: str) -> Call:
    """Return a call in the one form. Arguments that came as a value become its JSON text; none are an empty object."""
    if arguments is None or arguments == "":
        arguments = {}
    text = arguments if isinstance(arguments, str) else _json(arguments)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def listed(value: Any) -> list[Any]:
    """Return a message's calls, or a row's tools, as a list, in whatever form an imported record has them."""
    return list(value) if isinstance(value, list | tuple) else [value] if value else []


def name_of(found: Any) -> str:
    """Return the name of a call's function; empty when it has none."""
    name = _function_of(found).get("name")
    return name if isinstance(name, str) else ""


def arguments_of(found: Any) -> Any:
    """Return the arguments of a call as a value, or the text itself where that is no JSON, or nested too deeply."""
    arguments = _function_of(found).get("arguments")
    if not isinstance(arguments, str):
        return {} if arguments is None else _json(arguments) if _is_deep(arguments) else arguments
    try:
        value = json.loads(arguments, parse_constant=_refuse) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return arguments
    return arguments if _is_deep(value) else value


def _function_of(found: Any) -> Mapping[str, Any]:
    function = found.get("function") if isinstance(found, Mapping) else None
    return function if isinstance(function, Mapping) else {}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON.")


def _is_deep(value: Any) -> bool:
    """Return whether a value is nested deeper than `MOST_DEPTH`."""
    layer = [value]
    for _ in range(MOST_DEPTH):
        layer = [
            inner
            for one in layer
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not layer:
            return False
    return True


def _json(value: Any, **how: Any) -> str:
    """Return a value as JSON that a database and a page can hold: half a character is written by its code."""
    text = json.dumps(value, ensure_ascii=False, **how)
    return json.dumps(value, **how) if flaw(text) else text


def problems_of(found: Any, tools: Sequence[Any] = ()) -> tuple[str, ...]:
    """Return sentences on what is wrong with a call: no name, a tool that wasn't on offer, arguments that cannot be read."""
    name, arguments = name_of(found), arguments_of(found)
    offered = names_of(tools)
    problems = []
    if not name:
        problems.append("The call names no tool.")
    elif name not in offered:
        there = f" The tools on offer are {', '.join(sorted(offered))[:200]}." if offered else " No tools were offered."
        problems.append(f"The tool “{name[:NAME_CHARS]}” is unknown.{there}")
    if not isinstance(arguments, dict):
        problems.append(UNREAD if _is_unread(found, arguments) else NO_OBJECT)
    return tuple(problems)


def _is_unread(found: Any, arguments: Any) -> bool:
    given = _function_of(found).get("arguments")
    return isinstance(arguments, str) and (arguments == given or not isinstance(given, str))


def names_of(tools: Iterable[Any]) -> set[str]:
    """Return the names of the tools on offer."""
    functions = (tool.get("function", tool) for tool in tools if isinstance(tool, Mapping))
    names = (function.get("name") for function in functions if isinstance(function, Mapping))
    return {name for name in names if name and isinstance(name, str)}


def readable(calls: Iterable[Any], tools: Sequence[Any] = ()) -> list[ReadableCall]:
    """Return calls as people read them."""
    found = []
    for one in calls:
        arguments = arguments_of(one)
        text = arguments if isinstance(arguments, str) else _json(arguments, indent=2)
        found.append(ReadableCall(name_of(one), text, problems_of(one, tools)))
    return found


def as_text(calls: Iterable[Any]) -> str:
    """Return calls as lines of text, for downloads and for comparing two answers word by word."""
    return "\n".join(f"{name_of(one)}({_canonical(arguments_of(one))})" for one in calls)


def difference(wanted: Sequence[Any], made: Sequence[Any]) -> str:
    """Return a sentence on how the calls made differ from those wanted; empty when they are the same.

    Name and arguments are compared, whatever the order of keys and of the calls; ids are not. 2 and 2.0 are the same number.
    """
    missing = [(name_of(one), _canonical(arguments_of(one))) for one in wanted]
    extra = []
    for one in made:
        pair = (name_of(one), _canonical(arguments_of(one)))
        if pair in missing:
            missing.remove(pair)
        else:
            extra.append(pair)
    if not missing and not extra:
        return ""
    if not made:
        return f"No tool was called. The right call is {_listed(missing)}."
    if not wanted:
        return f"Called {_listed(extra)}, but no call is right here."
    if not extra:
        return f"A call is missing: {_listed(missing)}."
    if not missing:
        return f"A call too many: {_listed(extra)}."
    return f"Called {_listed(extra)} instead of {_listed(missing)}."


def _listed(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name[:NAME_CHARS]}({arguments[:200]})" for name, arguments in pairs)


def _canonical(value: Any) -> str:
    return _json(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Return a JSON value with whole floats as integers, so that 2.0 and 2 are one number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
