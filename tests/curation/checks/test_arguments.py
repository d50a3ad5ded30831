"""Calls held against the tools on offer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from curation.checks.arguments import check_arguments
from curation.checks.conversation import check

VALVE = {
    "type": "object",
    "properties": {
        "valve": {"type": "string"},
        "turns": {"type": "integer"},
        "mode": {"enum": ["open", "shut"]},
        "at": {"type": "object", "properties": {"hour": {"type": "number"}}, "required": ["hour"], "additionalProperties": False},
        "tags": {"type": "array", "items": {"type": ["string", "null"]}},
    },
    "required": ["valve"],
}  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "open_valve", "parameters": VALVE}}]


def talk(name: str, arguments: Any) -> list[dict[str, Any]]:
    call = {"id": "abcdefg01", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return [
        {"role": "user", "content": "Open valve A."},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abcdefg01", "content": "ok"},
        {"role": "assistant", "content": "It is open."},
    ]


CASES = [
    ("close_window", {"valve": "A"}, "unknown-tool", "message 2, call 1", "error"),
    ("open_valve", {}, "argument-missing", "message 2, call 1, argument valve", "error"),
    ("open_valve", {"valve": 4}, "argument-type", "message 2, call 1, argument valve", "error"),
    ("open_valve", {"valve": "A", "colour": "red"}, "argument-unknown", "message 2, call 1, argument colour", "warning"),
    ("open_valve", {"valve": "A", "turns": True}, "argument-type", "message 2, call 1, argument turns", "error"),
    ("open_valve", {"valve": "A", "turns": 1.5}, "argument-type", "message 2, call 1, argument turns", "error"),
    ("open_valve", {"valve": None}, "argument-type", "message 2, call 1, argument valve", "error"),
    ("open_valve", {"valve": "A", "mode": "ajar"}, "argument-choice", "message 2, call 1, argument mode", "error"),
    ("open_valve", {"valve": "A", "at": {}}, "argument-missing", "message 2, call 1, argument at.hour", "error"),
    ("open_valve", {"valve": "A", "at": {"hour": 1, "day": 2}}, "argument-unknown", "message 2, call 1, argument at.day", "error"),
    ("open_valve", {"valve": "A", "tags": ["x", None, 3]}, "argument-type", "message 2, call 1, argument tags[2]", "error"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "code", "where", "severity"), CASES)
def test_a_call_is_held_against_the_tools_on_offer(name, arguments, code, where, severity) -> None:
    [problem] = check(talk(name, arguments), TOOLS)
    assert (problem.code, problem.where, problem.severity) == (code, where, severity)
    assert problem.message.endswith(".")


GOOD = [
    {"valve": "A"},
    {"valve": "A", "turns": 2, "mode": "open", "at": {"hour": 1.5}, "tags": ["x", None]},
    {"valve": "A", "turns": 2.0},
]


@pytest.mark.parametrize("arguments", GOOD)
def test_a_good_call_has_no_problem(arguments) -> None:
    assert check(talk("open_valve", arguments), TOOLS) == []


def test_without_tools_or_their_schema_nothing_is_held_against_a_call() -> None:
    assert check(talk("anything", {"a": 1})) == []
    assert check(talk("open_valve", {"a": 1}), [{"type": "function", "function": {"name": "open_valve"}}]) == []
    assert check_arguments({"a": 1}, {"type": "object", "properties": {}}, "") == []
    assert check_arguments({"a": 1}, {"type": "object", "properties": {"a": {"type": "str"}}}, "") == []
    assert check_arguments({"a": "x"}, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, "") == []


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
TYPE = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])
SCHEMA = st.recursive(
    st.fixed_dictionaries({}, optional={"type": TYPE | st.lists(TYPE, min_size=1, max_size=2, unique=True), "enum": st.lists(VALUE, min_size=1, max_size=2)}),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
        optional={"required": st.lists(st.sampled_from("abc"), unique=True, max_size=2), "additionalProperties": st.booleans() | inner},
    )
    | st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
    max_leaves=5,
)  # fmt: skip


@given(
    st.dictionaries(st.sampled_from("abc"), VALUE, max_size=3),
    st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), SCHEMA, max_size=3)},
        optional={
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "additionalProperties": st.booleans() | SCHEMA,
        },
    ),
)
def test_errors_are_those_of_json_schema(arguments, schema) -> None:
    errors = [problem for problem in check_arguments(arguments, schema, "") if problem.severity == "error"]
    assert bool(errors) == (not Draft7Validator(schema).is_valid(arguments)), errors
