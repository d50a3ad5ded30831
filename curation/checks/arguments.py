"""The arguments of a call held against the tool's own schema: the basics of JSON Schema, read without following anything.

Patterns and references are left alone: a schema comes from a file, and may cost any time or point anywhere.
"""

from collections.abc import Iterator
from typing import Any

from curation.chat import Problem

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
DEEPEST = 20
MOST = 10  # problems of one call


def check_arguments(arguments: dict[str, Any], parameters: Any, where: str) -> list[Problem]:
    """Return where the arguments of a call differ from the parameters of its tool, at most MOST problems."""
    found = []
    for problem in _object(arguments, parameters, where, "", 0) if isinstance(parameters, dict) else ():
        found.append(problem)
        if len(found) == MOST:
            break
    return found


def _value(value: Any, schema: Any, where: str, path: str, depth: int) -> Iterator[Problem]:
    if not isinstance(schema, dict) or depth > DEEPEST:
        return
    place = f"{where}, argument {path}"
    if value is None and schema.get("nullable") is True:
        return
    if (wanted := _types(schema)) and not any(_is_a(value, name) for name in wanted):
        text = f"The argument “{path[:60]}” must be {_listed(wanted)}, not {_kind(value)}."
        yield Problem("argument-type", text, place)
        return
    choices = schema.get("enum") if isinstance(schema.get("enum"), list) else None
    if "const" in schema:
        choices = [schema["const"]]
    if choices and not any(_same(value, choice) for choice in choices):
        shown = ", ".join(str(choice)[:30] for choice in choices[:8])
        yield Problem("argument-choice", f"The argument “{path[:60]}” must be one of {shown}.", place)
    if isinstance(value, dict):
        yield from _object(value, schema, where, path, depth)
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _value(item, schema.get("items"), where, f"{path}[{number}]", depth + 1)


def _object(value: dict[str, Any], schema: dict[str, Any], where: str, path: str, depth: int) -> Iterator[Problem]:
    known = schema.get("properties")
    known = known if isinstance(known, dict) else {}
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            inner = _inside(path, name)
            text = f"The argument “{inner[:60]}” is missing, and the tool requires it."
            yield Problem("argument-missing", text, f"{where}, argument {inner}")
    others = schema.get("additionalProperties")
    open_ended = any(name in schema for name in ("patternProperties", "$ref", "anyOf", "oneOf", "allOf"))
    for name, item in value.items():
        inner = _inside(path, name)
        if name in known:
            yield from _value(item, known[name], where, inner, depth + 1)
        elif isinstance(others, dict):
            yield from _value(item, others, where, inner, depth + 1)
        elif others is not True and not open_ended and (others is False or known):
            # A schema that lists its arguments and doesn't close the list allows others, yet means none.
            text = f"The tool has no argument “{inner[:60]}”. It has {', '.join(known)[:200] or 'none'}."
            severity = "error" if others is False else "warning"
            yield Problem("argument-unknown", text, f"{where}, argument {inner}", severity=severity)


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _types(schema: dict[str, Any]) -> list[str]:
    """Return the types that a schema names; none when one of them is not JSON Schema's, for that one may be anything."""
    named = schema.get("type")
    named = named if isinstance(named, list) else [named]
    lower = [name.lower() for name in named if isinstance(name, str)]
    return lower if len(lower) == len(named) and all(name in TYPES for name in lower) else []


def _is_a(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, TYPES[name])


def _same(value: Any, choice: Any) -> bool:
    """Return whether two JSON values are equal: true is not 1."""
    return bool(value == choice) and isinstance(value, bool) == isinstance(choice, bool)


def _kind(value: Any) -> str:
    return _listed([next(name for name in TYPES if _is_a(value, name))])


def _listed(names: list[str]) -> str:
    words = [name if name == "null" else f"{'an' if name[0] in 'aio' else 'a'} {name}" for name in names]
    return " or ".join(words)
