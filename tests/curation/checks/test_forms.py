"""Foreign forms of messages: each is rewritten as the one schema, once, and nothing is guessed."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.checks.conversation import check
from curation.checks.fixes import fix
from curation.checks.record_fixes import fix_record

ASK = {"role": "user", "content": "Ring the bell."}
DONE = {"role": "assistant", "content": "Rung."}
CALL = {"id": "abc123def", "type": "function", "function": {"name": "ring", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "abc123def", "content": "ok"}


def called(call: Any, result: Any = RESULT) -> list[dict[str, Any]]:
    return [ASK, {"role": "assistant", "tool_calls": call}, result, DONE]


FOREIGN: dict[str, tuple[list[Any], list[Any]]] = {
    "developer": ([{"role": "developer", "content": "Be brief."}, ASK, DONE], [{"role": "system", "content": "Be brief."}, ASK, DONE]),
    "model": ([ASK, {"role": "model", "content": "Rung."}], [ASK, DONE]),
    "Human and Assistant": ([{"role": "Human", "content": "Ring the bell."}, {"role": "Assistant", "content": "Rung."}], [ASK, DONE]),
    "USER": ([ASK | {"role": "USER"}, DONE], [ASK, DONE]),
    "from and value": ([{"from": "human", "value": "Ring the bell."}, {"from": "gpt", "value": "Rung."}], [ASK, DONE]),
    "empty service keys": ([ASK, DONE | {"annotations": [], "audio": None, "refusal": None, "function_call": None, "tool_calls": []}], [ASK, DONE]),
    "reasoning_content": ([ASK, DONE | {"reasoning_content": "A bell."}], [ASK, {"role": "assistant", "content": [{"type": "thinking", "thinking": "A bell."}, {"type": "text", "text": "Rung."}]}]),
    "empty reasoning": ([ASK, DONE | {"reasoning_content": ""}], [ASK, DONE]),
    "loss": ([ASK | {"loss": False}, DONE | {"loss": True}], [ASK, DONE | {"weight": 1}]),
    "train": ([ASK, DONE | {"train": False}, ASK, DONE], [ASK, DONE | {"weight": 0}, ASK, DONE]),
    "weight elsewhere": ([ASK | {"weight": 0}, DONE | {"weight": True}], [ASK, DONE | {"weight": 1}]),
    "a number": ([ASK, {"role": "assistant", "content": 42}], [ASK, {"role": "assistant", "content": "42"}]),
    "parts": ([{"role": "user", "parts": [{"text": "Ring "}, {"text": "the bell."}]}, {"role": "model", "parts": [{"text": "Rung."}]}], [ASK, DONE]),
    "contents": ([{"role": "user", "contents": ["Ring the bell."]}, DONE], [ASK, DONE]),
    "text calls": (called(json.dumps([CALL])), called([CALL])),
    "one call": (called(CALL), called([CALL])),
    "a flat call": (called([{"id": "abc123def", "name": "ring", "arguments": {}}]), called([CALL])),
    "a call as text in a list": (called([json.dumps(CALL)]), called([CALL])),
    "a function as text": (called([CALL | {"function": json.dumps(CALL["function"])}]), called([CALL])),
    "a tool's input": (called([{"id": "abc123def", "type": "tool_use", "name": "ring", "input": {}}]), called([CALL])),
    "an object as result": (called([CALL], RESULT | {"content": {"done": True}}), called([CALL], RESULT | {"content": '{"done":true}'})),
    "a number as result": (called([CALL], RESULT | {"content": 3}), called([CALL], RESULT | {"content": "3"})),
    "a list as result": (called([CALL], RESULT | {"content": [1, 2]}), called([CALL], RESULT | {"content": "[1,2]"})),
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_form_is_told_as_fixable_and_becomes_the_schemas_own(what: str) -> None:
    foreign, own = FOREIGN[what]
    before = copy.deepcopy(foreign)
    problems = check(foreign)
    assert problems
    assert all(problem.fixable or problem.code in ("call-unanswered", "result-unmatched") for problem in problems)
    fixed, _, notes = fix(foreign)
    assert (fixed, foreign) == (own, before)
    assert notes
    assert check(fixed) == []
    assert fix(fixed) == (own, None, [])


def test_roles_of_calls_and_results_become_calls_with_their_results() -> None:
    talk = [
        ASK,
        {"role": "tool_call", "content": '{"name": "ring", "arguments": {"times": 1}}'},
        {"role": "tool_response", "content": '{"done": true}'},
        DONE,
    ]
    fixed, _, _ = fix(talk)
    assert check(fixed) == []
    assert [message["role"] for message in fixed] == ["user", "assistant", "tool", "assistant"]
    assert fixed[1]["tool_calls"][0]["function"] == {"name": "ring", "arguments": '{"times":1}'}


def test_a_call_after_a_word_joins_it() -> None:
    said = {"role": "assistant", "content": "One moment."}
    talk = [ASK, said, {"role": "tool_call", "content": '{"name": "ring", "arguments": {}}'}, {"role": "tool_response", "content": "ok"}, DONE]  # fmt: skip
    fixed, _, _ = fix(talk)
    assert check(fixed) == []
    assert fixed[1]["content"] == "One moment."


LEFT = [
    [ASK, DONE | {"weight": 0.5}],
    [ASK, {"role": "bot", "content": "Rung."}],
    [ASK, {"role": "assistant", "content": {"answer": "Rung.", "score": 2}}],
    [ASK, DONE | {"loss": True, "weight": 0}],
    [ASK, DONE | {"citations": ["a"]}],
    [ASK, {"role": "tool_call", "content": "ring the bell"}],
    [ASK, {"role": "model", "parts": [{"inlineData": {"data": "aa"}}]}],
]


@pytest.mark.parametrize("talk", LEFT)
def test_what_has_two_readings_stays_a_problem(talk: list[Any]) -> None:
    fixed, _, _ = fix(talk)
    assert [problem for problem in check(fixed) if not problem.fixable]


def test_the_fix_of_a_record_does_it_for_both_answers() -> None:
    record = {
        "messages": [ASK],
        "chosen": [{"role": "model", "content": "Rung."}],
        "rejected": [DONE | {"refusal": None}],
    }
    columns, notes = fix_record(record, ["unknown-role"])
    assert columns == {"chosen": [DONE], "rejected": [DONE]}
    assert len(notes) == 2
    columns, _ = fix_record({"messages": [ASK | {"role": "Human"}], "chosen": [DONE], "rejected": [DONE]})
    assert columns == {"messages": [ASK]}


KEYS = ["from", "value", "parts", "contents", "reasoning_content", "thinking", "loss", "train", "weight", "content", "tool_calls", "annotations", "name", "tool_call_id", "function_call"]  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "{}", "hm</think>42", "<think>a</think>b", json.dumps(CALL), '{"name":"f","arguments":{}}', "0.5"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "text", "name", "arguments", "function", "id", "thought", "functionCall", "functionResponse", "response"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
ROLES = st.sampled_from(["system", "developer", "user", "Human", "assistant", "model", "Assistant", "tool", "tool_call", "tool_response", "function", "bot"])  # fmt: skip
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": ROLES}, optional=dict.fromkeys(KEYS, VALUE))
    | st.fixed_dictionaries({"from": ROLES, "value": VALUE}),
    max_size=4,
)


@given(MESSAGES)
def test_fixing_twice_changes_nothing_and_no_form_makes_it_fail(messages: list[Any]) -> None:
    before = copy.deepcopy(messages)
    check(messages)
    fixed, _, _ = fix(messages)
    assert messages == before
    assert fix(fixed)[::2] == (fixed, [])


def test_the_cases_of_odd_calls_are_good_afterwards() -> None:
    flat = [ASK, {"role": "assistant", "content": None, "tool_calls": [{"name": "ring", "arguments": {"times": 1}}]}, {"role": "tool", "content": {"done": True}}, DONE]  # fmt: skip
    fixed, _, _ = fix(flat)
    assert check(fixed) == []
    assert fixed[2]["tool_call_id"] == fixed[1]["tool_calls"][0]["id"]
