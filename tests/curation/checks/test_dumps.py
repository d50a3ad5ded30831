"""Conversations written as JSON into a text, and answers within a prompt: found, and put right where that is mechanical."""

import json

import pytest

from curation.checks.dumps import undumped
from curation.checks.record_fixes import fix_record
from curation.checks.turns import check_turns
from curation.content import Draft


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def said(text: str, **more) -> dict:
    return {"role": "assistant", "content": text, **more}


U, A, B = user("Where is Oslo?"), said("In Norway."), said("In Sweden.")
HUMAN, GPT = {"from": "human", "value": U["content"]}, {"from": "gpt", "value": A["content"]}


def dump(value) -> str:
    return json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize(
    ("messages", "fixed"),
    [
        ([user(dump(U)), A], [U, A]),  # a turn
        ([user(dump(HUMAN)), said(dump(GPT))], [U, A]),  # ShareGPT's
        ([user(dump([HUMAN])), A], [U, A]),  # a list of one
        ([U, said(dump([U, A]))], [U, A]),  # the answer repeats the question
        ([U, said(dump({"messages": [U, A]}))], [U, A]),  # an envelope
        ([user(dump([U, A, user("And Rome?")])), B], [U, A, user("And Rome?"), B]),  # the history as a question
        ([said(dump({"conversations": [HUMAN, GPT]}))], [U, A]),  # all of it in one message
        ([U, said(dump(A), weight=0)], [U, said("In Norway.", weight=0)]),  # the weight stays
        ([user("\n " + dump({"role": "user", "content": "كيف 🛬"})), A], [user("كيف 🛬"), A]),
        ([user(dump([{"role": "system", "content": "Be brief."}, U])), A], [{"role": "system", "content": "Be brief."}, U, A]),
        ([user(dump({"role": "human", "content": "Hi"})), A], [user("Hi"), A]),  # another name of the role
    ],
)  # fmt: skip
def test_json_in_a_text_becomes_the_turns_that_it_says(messages, fixed):
    (found, *_) = [p for p in check_turns(Draft("conversations", messages=messages), "conversations") if p.code == "json-as-text"]  # fmt: skip
    assert found.fixable
    columns, notes = fix_record({"messages": messages}, ["json-as-text"])
    assert columns["messages"] == fixed
    assert notes
    assert fix_record({"messages": fixed}, ["json-as-text"]) == ({}, [])


@pytest.mark.parametrize(
    "messages",
    [
        [user(dump(A)), A],  # an answer in the user's mouth: who said it?
        [user(dump(["This is one output.", "This is another output."])), A],  # which of the two?
        [user(dump({"role": "user", "content": "Hi", "name": "Kim"})), A],  # holds more than who says what
        [user(dump({"messages": [U], "tools": []})), A],
        [user(dump({"role": "user", "content": {"a": 1}})), A],
        [user(dump({"role": "user", "content": ""})), A],
        [user(dump({"role": "user", "content": dump(U)})), A],  # a dump within a dump
        [U, A, user(dump([U, A])), B],  # ends with another role
        [U, said(dump([user("Another question"), A]))],  # two questions in a row
        [U, user(dump([{"role": "system", "content": "x"}, U])), A],  # a system message in mid-conversation
        [user(dump({"from": "critic", "value": "x"})), A],
    ],
)
def test_json_with_several_readings_stays_and_is_not_called_fixable(messages):
    problems = [p for p in check_turns(Draft("conversations", messages=messages), "conversations") if p.code == "json-as-text"]  # fmt: skip
    assert problems
    assert not any(problem.fixable for problem in problems)
    assert undumped(messages) is None
    assert fix_record({"messages": messages}, ["json-as-text"]) == ({}, [])


@pytest.mark.parametrize("text", ['{"role": "admin"}', "[1, 2]", '{"a": {"role": "user"}}', "[not json]", "{}", "[]"])
def test_other_json_is_not_touched(text):
    assert fix_record({"messages": [user(text), A]}, ["json-as-text"]) == ({}, [])


S = {"role": "system", "content": "Be brief."}
V = user("And Rome?")


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected", "fixed"),
    [
        ([U, A], [A], [B], ([U], [A], [B])),
        ([U, B], [A], [B], ([U], [A], [B])),  # the worse one in it
        ([S, U, A], [A], [B], ([S, U], [A], [B])),
        ([U], [U, A], [U, B], ([U], [A], [B])),  # whole talks as answers
        ([U, A], [U, A], [U, B], ([U], [A], [B])),
        ([S, U], [S, U, A], [S, U, B], ([S, U], [A], [B])),
        ([U], [U, A], [B], ([U], [A], [B])),  # only one of them
        ([U], [A], [U, B], ([U], [A], [B])),
        ([U, A, V, B], [B], [A], ([U, A, V], [B], [A])),  # several turns
        ([U, A], [A, V, B], [B, V, A], ([U], [A, V, B], [B, V, A])),
    ],
)
def test_a_prompt_ends_before_the_answers_and_both_begin_with_the_assistant(prompt, chosen, rejected, fixed):
    draft = Draft("preferences", messages=prompt, chosen=chosen, rejected=rejected)
    (problem,) = [p for p in check_turns(draft, "preferences") if p.code == "answer-in-prompt"]
    assert problem.fixable
    columns = {"messages": prompt, "chosen": chosen, "rejected": rejected}
    new, notes = fix_record(columns, ["answer-in-prompt"])
    columns |= new
    assert (columns["messages"], columns["chosen"], columns["rejected"]) == fixed
    assert notes
    after = Draft("preferences", **columns)
    assert not [p for p in check_turns(after, "preferences") if p.code == "answer-in-prompt"]
    assert fix_record(columns, ["answer-in-prompt"]) == ({}, [])


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected"),
    [
        ([A], [A], [B]),  # no prompt would be left
        ([S, A], [A], [B]),  # nobody would have asked
        ([U, A], [A], []),  # no two answers
        ([U], [U], [U, B]),  # an answer would be empty
        ([U], [U, V], [U, B]),  # an answer would begin with the user
        ([U, A], [A], [V, B]),
    ],
)
def test_a_prompt_with_an_answer_that_has_no_mechanical_repair_stays(prompt, chosen, rejected):
    columns = {"messages": prompt, "chosen": chosen, "rejected": rejected}
    problems = check_turns(Draft("preferences", **columns), "preferences")
    assert not any(problem.fixable for problem in problems if problem.code == "answer-in-prompt")
    assert fix_record(columns, ["answer-in-prompt"]) == ({}, [])


def test_a_preference_without_the_problem_is_left_alone():
    columns = {"messages": [U], "chosen": [A], "rejected": [B]}
    assert fix_record(columns, ["answer-in-prompt", "json-as-text"]) == ({}, [])
    assert fix_record({"messages": [U, A]}, ["answer-in-prompt"]) == ({}, [])


def test_json_in_the_answers_of_a_preference_is_read_after_its_prompt():
    columns = {"messages": [U], "chosen": [said(dump([U, A]))], "rejected": [said(dump(B))]}
    new, _ = fix_record(columns, ["json-as-text"])
    assert (new["chosen"], new["rejected"]) == ([A], [B])
