"""Message lists in common formats, converted to the one schema: OpenAI, Mistral, ShareGPT, JSON in a cell."""

import json
from typing import Any

import orjson

from curation.chat import Message, Problem
from curation.checks.forms import calls_in, role_named
from curation.formats.column_names import MESSAGES
from curation.formats.readers.jsonl import LONG_NUMBER, too_nested, whole_number
from curation.formats.readers.rows import LIMITS, RowError

Notes = list[str]
# What other formats call the speaker of a turn and its text; `role` and `content` are the schema's own.
SPEAKERS = ("role", "from", "speaker", "author")
TEXTS = ("content", "value", "text", "message", "utterance")
BESIDE_TEXT = ("parts", "contents", "tool_calls", "function_call")  # say something without a text
SAYING = frozenset((*TEXTS, *BESIDE_TEXT))
# Keywords of JSON Schema and of a tool for which null is no value: Arrow gives every tool the keys of all.
KEYWORDS = frozenset(
    [
        "type",
        "description",
        "title",
        "properties",
        "items",
        "required",
        "enum",
        "format",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "additionalProperties",
        "additionalItems",
        "patternProperties",
        "propertyNames",
        "dependencies",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "$ref",
        "$defs",
        "definitions",
        "$schema",
        "$id",
        "$comment",
        "deprecated",
        "readOnly",
        "writeOnly",
        "function",
        "parameters",
        "name",
        "strict",
    ]
)
MAPS = ("properties", "patternProperties", "$defs", "definitions")  # their members are schemas
NULLED = "Keys of a tool's schema that are null, where null isn't a value, were left out."


def messages_of(value: Any, column: str, notes: Notes) -> list[Message]:
    """Return the messages in a cell: a list of them, of ShareGPT turns, an envelope of either, or JSON text of all that.

    Appends to `notes` what was read otherwise than it stands. Raises RowError.
    """
    value = from_json(value, column)
    if (
        type(value) is list
        and value
        and all(type(item) is dict and "role" in item and "content" in item for item in value)
    ):
        return [without_nones(item) for item in value]  # what most are
    turns = turns_in(value, column, notes) or by_speakers(value)
    if turns is None and isinstance(value, dict):
        turns = [value]
    if turns is None and value == []:
        text = f"The list of messages in “{column}” is empty, so there is nothing to learn from."
        raise row_error("messages-form", text)
    if turns is None and isinstance(value, list) and all(isinstance(item, dict) for item in value):
        turns = value
    if turns is None and isinstance(value, list):
        raise row_error("messages-form", f"Each message in “{column}” must be an object with a role and a content.")
    if turns is None:
        raise row_error("messages-form", f"The column “{column}” must hold a list of messages, not {shown(value)}.")
    return read_turns(turns, column)


def turns_in(value: Any, column: str, notes: Notes, strictly: bool = False) -> list[dict[str, Any]] | None:
    """Return the turns that a value holds; None for what is no conversation.

    A value may be a turn, a list of turns, an envelope with one, lists of speakers and texts side by side, or a list
    with one of these in it. `strictly`: every turn is from a known speaker, so that other data with a key `role`, as a
    crew of engineers and cooks, is none.
    """
    if isinstance(value, dict):
        if _is_turn(value, strictly):
            return [value]
        return _in_envelope(value, column, notes, strictly) or _side_by_side(value, strictly)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(item, str) and item.lstrip().startswith("{") for item in value):
        try:
            value = [read_json(item) for item in value]
        except orjson.JSONDecodeError:
            return None  # texts that begin so, such as “{name} asks”
    if all(isinstance(item, dict) and _is_turn(item, strictly) for item in value):
        return value
    return turns_in(value[0], column, notes, strictly) if len(value) == 1 else None


def _is_turn(value: dict[str, Any], strictly: bool) -> bool:
    for key in SPEAKERS:
        if key in value:
            speaker = value[key]
            known = role_named(speaker) is not None if strictly else isinstance(speaker, str)
            return known and not SAYING.isdisjoint(value)
    return False


def _in_envelope(value: dict[str, Any], column: str, notes: Notes, strictly: bool) -> list[dict[str, Any]] | None:
    for key in MESSAGES:
        turns = turns_in(value.get(key), column, notes, strictly)
        if turns is None:
            continue
        others = [name for name, item in value.items() if name != key and item not in (None, "", [], {})]
        system = value.get("system")
        if isinstance(system, str) and system.strip():
            others.remove("system")
            if speaker_of(turns[0]) != "system":
                turns = [{"role": "system", "content": system}, *turns]
        if others:
            named = ", ".join(f"“{str(name)[:40]}”" for name in sorted(others)[:8])
            notes.append(f"“{column}” holds {named} beside its messages, which was left out.")
        return turns
    return None


def _side_by_side(value: dict[str, Any], strictly: bool) -> list[dict[str, Any]] | None:
    """Return the turns of an object of lists, as the datasets library stores a list of objects."""
    lists = {key: item for key, item in value.items() if isinstance(item, list)}
    length = len(next(iter(lists.values()), []))
    if not length or len(lists) < len(value) or any(len(item) != length for item in lists.values()):
        return None
    turns = [{key: item[place] for key, item in lists.items()} for place in range(length)]
    return turns if all(_is_turn(turn, strictly) for turn in turns) else None


def by_speakers(value: Any) -> list[dict[str, Any]] | None:
    """Return the turns of a list of objects whose keys are speakers, `{"human": …, "gpt": …}`; None for another thing."""
    if not isinstance(value, list) or not value:
        return None
    turns = []
    for item in value:
        if not isinstance(item, dict) or not item:
            return None
        for speaker, text in item.items():
            role = role_named(speaker)
            if role not in ("system", "user", "assistant") or not isinstance(text, str):
                return None
            turns.append({"role": role, "content": text})
    return turns


def speaker_of(turn: dict[str, Any]) -> str:
    """Return the role of a turn in the schema's words, `call` for calls, or as it stands."""
    speaker = next((turn[key] for key in SPEAKERS if key in turn), None)
    return role_named(speaker) or str(speaker)


def read_turns(turns: list[dict[str, Any]], column: str) -> list[Message]:
    """Return turns as messages of the schema. Raises RowError for a speaker that is unknown."""
    if any(_is_in_other_words(turn) for turn in turns):
        return _from_other_words(turns, column)
    return [without_nones(turn) for turn in turns]


def _is_in_other_words(turn: dict[str, Any]) -> bool:
    if "role" not in turn:
        return any(key in turn for key in SPEAKERS)
    return not any(key in turn for key in ("content", *BESIDE_TEXT)) and any(key in turn for key in TEXTS)


def tools_of(value: Any, column: str, notes: Notes) -> list[Any]:
    """Return the tools in a cell: a list, JSON text of one, or nothing. Raises RowError."""
    if value is None or value in ("", [], "[]", "null"):
        return []
    value = from_json(value, column)
    value = [value] if isinstance(value, dict) else value
    if not isinstance(value, list):
        raise row_error("tools-form", f"The column “{column}” must hold a list of tools, not {shown(value)}.")
    cleaned = [_without_null_keywords(tool) for tool in value]
    if cleaned != value:
        notes.append(NULLED)
    return cleaned


def _without_null_keywords(value: Any, is_map: bool = False) -> Any:
    """Copy a tool without keys that Arrow made up; what may be null (`default`, `const`, an example) is the author's own."""
    if isinstance(value, list):
        return [_without_null_keywords(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: item if name in ("default", "const", "examples", "example", "enum") and not is_map
        else _without_null_keywords(item, name in MAPS and not is_map)
        for name, item in value.items()
        if item is not None or not (is_map or name in KEYWORDS)
    }  # fmt: skip


def from_json(value: Any, column: str) -> Any:
    """Return the value of a cell that may be JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return read_json(value)
    except orjson.JSONDecodeError as error:
        text = f"The column “{column}” must hold messages or tools as JSON: {error.msg[:80]}."
        raise row_error("cell-not-json", text) from error


def read_json(text: str) -> Any:
    """Return the value of JSON text, whole numbers beyond 64 bits as text.

    Raises orjson.JSONDecodeError, also for what nests deeper than a row may.
    """
    value, raw = orjson.loads(text), text.encode()
    if too_nested(0, raw):
        raise orjson.JSONDecodeError(f"nested deeper than {LIMITS.depth} levels, or too many values", text, 0)
    return json.loads(text, parse_int=whole_number) if LONG_NUMBER.search(raw) else value


def as_text(value: Any) -> str:
    """Return a cell as a name: text as it is, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, default=str).decode()


def without_nones(value: Any, key: str = "") -> Any:
    """Copy a message without the keys that are None: Arrow gives every message of a mixed column all keys of all.

    Arguments are the model's own words and stay as they are.
    """
    if isinstance(value, dict) and key != "arguments":
        # Most are strings, which are not asked again.
        return {
            name: item if type(item) is str else without_nones(item, name)
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [without_nones(item) for item in value]
    return value


def _from_other_words(turns: list[dict[str, Any]], column: str) -> list[Message]:
    messages: list[Message] = []
    open_calls: list[str] = []
    for number, turn in enumerate(turns, 1):
        speaker = next((key for key in SPEAKERS if key in turn), "from")
        role = role_named(turn.get(speaker))
        if role is None:
            known = "human, gpt, system, function_call, observation, and what other formats call them"
            said = (
                f"Turn {number} of “{column}” is from {shown(turn.get(speaker))}, which is unknown. Known are {known}."
            )
            raise row_error("unknown-speaker", said)
        text = next((key for key in TEXTS if key in turn), "content")
        extra = {key: item for key, item in turn.items() if key not in (speaker, text) and item is not None}
        if role == "call":
            calls = _calls(turn.get(text), number, column)
            open_calls += [call["id"] for call in calls]
            _add_calls(messages, calls, extra)
            continue
        message: Message = {"role": role, **({"content": turn[text]} if text in turn else {}), **extra}
        if role == "tool" and extra.get("tool_call_id") in open_calls:
            open_calls.remove(extra["tool_call_id"])
        elif role == "tool" and open_calls:
            message["tool_call_id"] = open_calls.pop(0)
        elif role != "tool":
            open_calls = []
        messages.append(without_nones(message))
    return messages


def _add_calls(messages: list[Message], calls: list[dict[str, Any]], extra: dict[str, Any]) -> None:
    """Add calls as a message, or to the assistant's message before them: two of one speaker cannot follow each other."""
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and isinstance(last.get("tool_calls", []), list):
        messages[-1] = last | extra | {"tool_calls": [*last.get("tool_calls", []), *calls]}
    else:
        messages.append({"role": "assistant", "tool_calls": calls, **extra})


def _calls(value: Any, turn: int, column: str) -> list[dict[str, Any]]:
    """Return the calls of a ShareGPT turn.

    ShareGPT has no call ids: each that has none gets one made from its place, nine characters long.
    """
    calls = calls_in(from_json(value, column))
    if not calls:
        text = f"Turn {turn} of “{column}” must be a call such as {{“name”, “arguments”}} in JSON."
        raise row_error("call-form", text)
    made = []
    for place, call in enumerate(calls):
        given, function = call.get("id"), dict(call["function"])
        arguments = function.get("arguments", {})
        function["arguments"] = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        name = given if isinstance(given, str) and given else f"c{turn % 10**5:05}{place % 1000:03}"
        made.append({"id": name, "type": "function", "function": function})
    return made


def row_error(code: str, text: str) -> RowError:
    """Return the error of a row from which no record can be made."""
    return RowError(Problem(code, text))


def shown(value: Any) -> str:
    """Return the start of a value in quotes."""
    text = str(value)
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"
