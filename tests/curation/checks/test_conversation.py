"""Every rule of a trainable conversation, one row of the table each; and what may be fixed."""

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.chat import text_of, thinking_of, with_thinking_as_parts, with_thinking_as_text
from curation.checks.conversation import check
from curation.checks.fixes import fix

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Weather in Lyon?"}
ANSWER = {"role": "assistant", "content": "Sunny."}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


def call(**changes: Any) -> dict[str, Any]:
    return {
        "id": "abc123XYZ",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Lyon"}'},
    } | changes


def calling(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": list(calls) or [call()], **more}


RESULT = {"role": "tool", "tool_call_id": "abc123XYZ", "content": "21 °C"}


def function(**parts: Any) -> dict[str, Any]:
    return {"name": "weather", "arguments": "{}"} | parts


def thinking(text: str = "Hm.", **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, **more}


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": url}


TEXT = {"type": "text", "text": "Sunny."}


def said(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


GOOD = {
    "one turn": [USER, ANSWER],
    "with a system message": [SYSTEM, USER, ANSWER],
    "a call, its result, the answer": [USER, calling(), RESULT, ANSWER],
    "two calls with two results": [
        USER, calling(call(), call(id="def456UVW")), RESULT, RESULT | {"tool_call_id": "def456UVW"}, ANSWER,
    ],
    "a call at the end": [USER, calling()],
    "content None beside a call": [USER, calling(content=None), RESULT, ANSWER],
    "text beside a call": [USER, calling(content="I look it up."), RESULT, ANSWER],
    "thinking then text": [USER, said("assistant", thinking(closed=True), TEXT)],
    "thinking as parts": [USER, said("assistant", {"type": "thinking", "thinking": [TEXT]}, TEXT)],
    "thinking in the system message": [said("system", thinking(), TEXT), USER, ANSWER],
    "an image and a question": [said("user", TEXT, image("https://a.example/b.png")), ANSWER],
    "an image in an object": [said("user", image({"url": "data:image/png;base64,aa"})), ANSWER],
    "weight 0 and 1": [USER, ANSWER | {"weight": 0}, USER, ANSWER | {"weight": 1}],
}  # fmt: skip

BAD = [
    ("no-messages", []),
    ("no-messages", "hello"),
    ("message-form", ["hello", ANSWER]),
    ("unknown-role", [{"role": "bot", "content": "x"}, ANSWER]),
    ("old-role", [USER, calling(), RESULT | {"role": "function"}, ANSWER]),
    ("old-key", [USER, {"role": "assistant", "function_call": function()}]),
    ("last-not-assistant", [USER, ANSWER, USER]),
    ("system-late", [USER, SYSTEM, ANSWER]),
    ("system-late", [SYSTEM, SYSTEM, USER, ANSWER]),
    ("assistant-first", [ANSWER]),
    ("assistant-first", [SYSTEM, ANSWER]),
    ("tool-first", [RESULT, ANSWER]),
    ("two-assistants", [USER, ANSWER, ANSWER]),
    ("two-users", [USER, USER, ANSWER]),
    ("role-order", [USER, calling(), RESULT, USER, ANSWER]),
    ("empty-content", [USER, {"role": "assistant", "content": "  "}]),
    ("empty-content", [{"role": "user"}, ANSWER]),
    ("empty-content", [said("user", {"type": "text", "text": ""}), ANSWER]),
    ("empty-beside-calls", [USER, calling(content=""), RESULT, ANSWER]),
    ("content-form", [USER | {"content": 7}, ANSWER]),
    ("unknown-key", [USER | {"mood": "good"}, ANSWER]),
    ("unknown-key", [USER | {"weight": 1}, ANSWER]),
    ("unknown-key", [USER, said("assistant", TEXT | {"style": "bold"})]),
    ("unknown-key", [USER, calling(call(extra=1))]),
    ("part-form", [USER, said("assistant", "text")]),
    ("unknown-part", [USER, said("assistant", {"type": "audio"})]),
    ("part-out-of-place", [said("user", thinking(), TEXT), ANSWER]),
    ("part-out-of-place", [USER, said("assistant", TEXT, {"type": "image_url", "image_url": "https://a.example"})]),
    ("part-value", [USER, said("assistant", {"type": "text"}, TEXT)]),
    ("part-value", [USER, said("assistant", {"type": "thinking", "thinking": 1}, TEXT)]),
    ("part-value", [USER, said("assistant", thinking(closed="no"), TEXT)]),
    ("part-value", [said("user", TEXT, {"type": "image_url", "image_url": "javascript:alert(1)"}), ANSWER]),
    ("text-before-thinking", [USER, said("assistant", TEXT, thinking())]),
    ("thinking-open", [USER, said("assistant", thinking(closed=False), TEXT)]),
    ("thinking-open", [USER, said("assistant", thinking(closed=False)), USER, ANSWER]),
    ("bad-weight", [USER, ANSWER | {"weight": 0.5}]),
    ("bad-weight", [USER, ANSWER | {"weight": True}]),
    ("prefix", [USER, ANSWER | {"prefix": True}]),
    ("calls-form", [USER, {"role": "assistant", "tool_calls": {}, "content": "x"}]),
    ("call-form", [USER, calling("weather")]),
    ("call-type", [USER, calling(call(type="code"))]),
    ("id-missing", [USER, calling(call(id=None))]),
    ("id-missing", [USER, calling(), {"role": "tool", "content": "1"}, ANSWER]),
    ("id-bad", [USER, calling(call(id="call_123"))]),
    ("call-id-twice", [USER, calling(call(), call())]),
    ("result-unmatched", [USER, calling(), RESULT | {"tool_call_id": "zzz999zzz"}, ANSWER]),
    ("call-unanswered", [USER, calling(), USER, ANSWER]),
    ("function-name", [USER, calling(call(function=function(name="get weather")))]),
    ("function-name", [USER, calling(call(function=function(name="x" * 65)))]),
    ("arguments-json", [USER, calling(call(function=function(arguments="{city: Lyon}")))]),
    ("arguments-form", [USER, calling(call(function=function(arguments="[1]")))]),
    ("arguments-form", [USER, calling(call(function=function(arguments=None)))]),
    ("arguments-object", [USER, calling(call(function=function(arguments={"city": "Lyon"})))]),
    ("nul", [USER | {"content": "a\x00b"}, ANSWER]),
    ("half-character", [USER | {"content": "a\ud800b"}, ANSWER]),
]

BAD_TOOLS = [
    ("tools-form", {"name": "weather"}),
    ("tool-form", ["weather"]),
    ("tool-form", [{"type": "function"}]),
    ("tool-form", [TOOLS[0] | {"type": "browser"}]),
    ("old-tool", [{"name": "weather", "parameters": {}}]),
    ("function-name", [{"type": "function", "function": {"name": "a b"}}]),
    ("tool-schema", [{"type": "function", "function": {"name": "a", "parameters": {"type": "objekt"}}}]),
    ("tool-schema", [{"type": "function", "function": {"name": "a", "parameters": []}}]),
    ("tool-twice", TOOLS * 2),
]


@pytest.mark.parametrize("messages", GOOD.values(), ids=GOOD)
def test_a_good_conversation_has_no_problems(messages: list[Any]) -> None:
    assert check(messages, TOOLS) == []


@pytest.mark.parametrize(("code", "messages"), BAD, ids=[f"{code}-{n}" for n, (code, _) in enumerate(BAD)])
def test_each_rule_is_reported(code: str, messages: Any) -> None:
    problems = check(messages, TOOLS)
    assert code in {problem.code for problem in problems}
    assert all(problem.message.endswith((".", "?")) for problem in problems)


@pytest.mark.parametrize(("code", "tools"), BAD_TOOLS)
def test_each_rule_for_tools_is_reported(code: str, tools: Any) -> None:
    assert code in {problem.code for problem in check([USER, ANSWER], tools)}


def test_a_problem_names_its_message() -> None:
    [problem] = check([USER, ANSWER, USER])
    assert problem.where == "message 3"
    assert problem.message.startswith("The last message must be from the assistant, not from the user")


def test_any_id_is_good_for_newer_tokenizers() -> None:
    messages = [USER, calling(call(id="call_123")), RESULT | {"tool_call_id": "call_123"}, ANSWER]
    assert check(messages, TOOLS, id_rule="any") == []


def test_such_an_id_is_bad_for_older_ones() -> None:
    assert {problem.code for problem in check([USER, calling(call(id="call_123"))])} == {"id-bad"}


FIXED = [
    ("the old function form", [
        USER, {"role": "assistant", "content": "", "function_call": {"name": "weather", "arguments": {"city": "Lyon"}}},
        {"role": "function", "name": "weather", "content": "21"}, ANSWER,
    ]),
    ("bad ids, the same in call and result", [
        USER, calling(call(id="call_1"), call(id="call_2")), RESULT | {"tool_call_id": "call_2"},
        RESULT | {"tool_call_id": "call_1"}, ANSWER,
    ]),
    ("ids used twice in two turns", [USER, calling(), RESULT, ANSWER, USER, calling(), RESULT, ANSWER]),
    ("no ids at all", [USER, calling(call(id=None)), {"role": "tool", "content": "21"}, ANSWER]),
    ("empty content beside calls", [USER, calling(content=""), RESULT, ANSWER]),
    ("trailing turns", [USER, ANSWER, USER]),
    ("arguments as an object", [USER, calling(call(function=function(arguments={"a": None})))]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "messages"), FIXED, ids=[what for what, _ in FIXED])
def test_what_can_be_fixed_is_good_afterwards(what: str, messages: list[Any]) -> None:
    before = copy.deepcopy(messages)
    assert all(
        problem.fixable for problem in check(messages) if problem.code not in ("call-unanswered", "result-unmatched")
    )
    fixed, _, notes = fix(messages)
    assert check(fixed) == []
    assert notes
    assert messages == before
    assert fix(fixed)[0] == fixed
    assert fix(fixed)[2] == []


def test_results_follow_their_calls_when_ids_are_replaced() -> None:
    messages = FIXED[1][1]
    fixed, _, _ = fix(messages)
    first, second = fixed[1]["tool_calls"]
    assert [fixed[2]["tool_call_id"], fixed[3]["tool_call_id"]] == [second["id"], first["id"]]


def test_functions_become_tools() -> None:
    _, tools, notes = fix([USER, ANSWER], [{"name": "weather", "parameters": {}}])
    assert tools == [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    assert "weather" in notes[0]


def test_what_cannot_be_fixed_is_left_as_it_is() -> None:
    messages = [USER, ANSWER, ANSWER]
    assert fix(messages) == (messages, None, [])
    assert fix([USER]) == ([USER], None, [])


def test_thinking_is_converted_both_ways() -> None:
    as_text = [USER, said("assistant", thinking("First, then.", closed=True), TEXT)]
    as_parts = with_thinking_as_parts(as_text)
    assert as_parts[1]["content"][0]["thinking"] == [{"type": "text", "text": "First, then."}]
    assert with_thinking_as_text(as_parts) == as_text
    assert thinking_of(as_parts[1]) == thinking_of(as_text[1]) == "First, then."
    assert text_of(as_text[1]) == "Sunny."


KEYS = [
    "role", "content", "type", "text", "thinking", "closed", "image_url", "tool_calls", "function", "id", "name",
    "arguments", "tool_call_id", "function_call", "weight",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
ROLE = st.sampled_from(["system", "user", "assistant", "tool", "function"])
OTHERS = ("content", "tool_calls", "function_call", "tool_call_id", "weight")
MESSAGE = st.fixed_dictionaries({"role": ROLE}, optional=dict.fromkeys(OTHERS, JSON))


@given(st.lists(MESSAGE | JSON, max_size=5), JSON)
@example([{"role": "assistant", "function_call": {}, "tool_calls": True}], None)
def test_nothing_that_json_can_hold_makes_checks_or_fixes_fail(messages: list[Any], tools: Any) -> None:
    check(messages, tools)
    fixed, _, _ = fix(messages, tools if isinstance(tools, list) else None)
    check(fixed)
