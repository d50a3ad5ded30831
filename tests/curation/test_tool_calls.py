"""Calls of tools: what is wrong with one, and how those of two answers differ."""

import json

import pytest

from curation import tool_calls

TOOLS = [{"type": "function", "function": {"name": "weather"}}]


def call(name, arguments):
    return tool_calls.call(name, arguments, "a")


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ([("w", '{"a": 1, "b": 2}')], [("w", '{"b":2,"a":1}')]),
        ([("w", {"a": {"x": 1, "y": [1, 2]}})], [("w", '{"a": {"y": [1, 2], "x": 1}}')]),
        ([("w", '{"a": 2.0}')], [("w", '{"a": 2}')]),
        ([("w", "{}")], [("w", "")]),
        ([("w", "{}"), ("v", '{"a": 1}')], [("v", '{"a": 1}'), ("w", "{}")]),
        ([], []),
        ([("w", '{"a": "\\u00e9"}')], [("w", '{"a": "é"}')]),
    ],
)
def test_the_same_calls_are_the_same_whatever_the_order(wanted, made):
    assert tool_calls.difference([call(*one) for one in wanted], [call(*one) for one in made]) == ""


@pytest.mark.parametrize(
    ("wanted", "made", "words"),
    [
        ([("w", "{}")], [], "No tool was called"),
        ([], [("w", "{}")], "but no call is right"),
        ([("w", "{}")], [("v", "{}")], "instead of w"),
        ([("w", '{"a": 1}')], [("w", '{"a": "1"}')], "instead of"),
        ([("w", '{"a": 1}')], [("w", '{"a": true}')], "instead of"),
        ([("w", '{"a": [1, 2]}')], [("w", '{"a": [2, 1]}')], "instead of"),
        ([("w", "{}")], [("w", "{}"), ("w", "{}")], "A call too many"),
        ([("w", "{}"), ("w", "{}")], [("w", "{}")], "A call is missing"),
        ([("w", '{"a": 1}')], [("w", '{"a": 1')], "instead of"),
        ([("w", '{"a": null}')], [("w", "{}")], "instead of"),
    ],
)
def test_other_calls_are_told_in_words(wanted, made, words):
    assert words in tool_calls.difference([call(*one) for one in wanted], [call(*one) for one in made])


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (call("weather", '{"a": '), "not valid JSON"),
        (call("weather", "[1]"), "not an object"),
        (call("weather", '"{}"'), "not an object"),
        (call("stocks", "{}"), "“stocks” is unknown"),
        (call("", "{}"), "names no tool"),
        ({"function": None}, "names no tool"),
        ({}, "names no tool"),
    ],
)
def test_what_is_wrong_with_a_call_is_said(found, words):
    assert any(words in problem for problem in tool_calls.problems_of(found, TOOLS))


def test_a_good_call_has_no_problem_and_reads_well():
    (found,) = tool_calls.readable([call("weather", '{"city": "Lyon"}')], TOOLS)
    assert (found.name, found.arguments, found.problems) == ("weather", '{\n  "city": "Lyon"\n}', ())


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": "\\ud800"}',
        '{"\\udc00": 1}',
        {"a": "\ud800"},
        '{"a": ' + "[" * 900 + "]" * 900 + "}",
        '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"a": ' + "9" * 5000 + "}",
        '{"a": NaN}',
        '{"a": 1e999}',
    ],
)
def test_arguments_of_any_kind_can_be_shown_compared_and_stored(arguments):
    calls = [call("weather", arguments)]
    (found,) = tool_calls.readable(calls, TOOLS)
    for text in (found.arguments, tool_calls.as_text(calls), tool_calls.difference([], calls), json.dumps(calls)):
        assert text.encode()
    assert tool_calls.difference(calls, calls) == ""


@pytest.mark.parametrize("deep", ["[" * 900 + "]" * 900, "NaN"])
def test_arguments_that_cannot_be_read_stay_text(deep):
    text = f'{{"a": {deep}}}'
    (found,) = tool_calls.readable([call("weather", text)], TOOLS)
    assert (found.arguments, found.problems) == (text, (tool_calls.UNREAD,))


@pytest.mark.parametrize("found", ["weather", None, 3, {"function": "weather"}, {"function": {"name": ["weather"]}}])
def test_a_call_of_another_form_has_no_name(found):
    assert tool_calls.problems_of(found, TOOLS)[0] == "The call names no tool."
    assert tool_calls.difference([found], []).startswith("No tool was called")


@pytest.mark.parametrize(
    "tools", [["weather"], [{"name": ["x"]}], [{"function": {"name": {"x": 1}}}], [{"name": 1}, {"name": "x"}]]
)
def test_tools_of_another_form_are_not_on_offer(tools):
    assert "is unknown" in tool_calls.problems_of(call("weather", "{}"), tools)[0]


@pytest.mark.parametrize(("value", "calls"), [(None, []), ({"id": "a"}, [{"id": "a"}]), ("x", ["x"]), ([1], [1])])
def test_calls_are_listed_in_whatever_form_a_record_has_them(value, calls):
    assert tool_calls.listed(value) == calls
