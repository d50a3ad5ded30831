"""Calls of tools: what is wrong with one, and how those of two answers differ."""

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
        ([], [("w", "{}")], "where no call is right"),
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
