"""Fixing a record: what changes, what stays, and that fixing twice changes nothing."""

import copy
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.checks.markup import without_html
from curation.checks.record import check
from curation.checks.record_fixes import FIXABLE, fix_record
from curation.formats import Draft
from tests.speed import patient


def chat(*texts: str) -> dict:
    roles = ("user", "assistant") * 9
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]}


def test_broken_characters_are_read_again_in_the_right_encoding():
    columns, notes = fix_record(chat("The cafÃ© doesnâ€™t open", "Fine."), ["mojibake"])
    assert columns["messages"][0]["content"] == "The café doesn’t open"
    assert notes == ["Broken characters were fixed in the messages."]


def test_html_goes_but_code_and_plain_signs_stay():
    text = "<p>Fish &amp; chips<br>a < b and `<b>x</b>`</p>"
    columns, notes = fix_record({"fields": {"text": text}}, ["html"])
    assert columns == {"fields": {"text": "Fish & chips\na < b and `<b>x</b>`\n"}}
    assert notes == ["Leftover HTML was removed in the fields: <p>, <br>, </p>, &amp;."]


def test_what_nobody_read_on_a_page_goes_with_its_content():
    text = "<p>Hello</p><script>alert(1)</script><STYLE type='a'>p {}</style >, you<!-- no --> there"
    assert without_html(text) == "Hello\n, you there"
    assert without_html("<script>never ends <b>x</b>") == "never ends x"
    begun = time.monotonic()
    without_html("<!-- <script> <style> " * 50_000)
    assert time.monotonic() - begun < patient(5)


def test_only_the_codes_that_are_asked_for_are_fixed():
    broken = chat("<p>Hi</p> a@b.example", "cafÃ©")
    assert fix_record(broken, ["mojibake"])[0]["messages"][0]["content"] == "<p>Hi</p> a@b.example"
    assert fix_record(broken, ["no-such-code"]) == ({}, [])


def test_personal_data_gets_one_placeholder_in_the_whole_record_and_in_arguments():
    call = {
        "id": "abcdefghi",
        "type": "function",
        "function": {"name": "mail", "arguments": '{"to": "a@b.example", "n": 1}'},
    }
    record = {
        "fields": {"author": "Marit Oloway", "note": "by Oloway"},
        "messages": [
            {"role": "user", "content": "Write to A@B.example for Marit"},
            {"role": "assistant", "tool_calls": [call]},
        ],
    }
    before = copy.deepcopy(record)
    columns, notes = fix_record(record)
    assert columns["fields"] == {"author": "[NAME_1]", "note": "by [NAME_1]"}
    assert columns["messages"][0]["content"] == "Write to [EMAIL_1] for [NAME_1]"
    function = columns["messages"][1]["tool_calls"][0]["function"]
    assert (json.loads(function["arguments"]), function["name"]) == ({"to": "[EMAIL_1]", "n": 1}, "mail")
    assert notes == ["Personal data was masked in 5 places."]
    assert record == before


def test_the_forms_rules_are_fixed_as_in_an_import():
    old = {"messages": [*chat("a", "b")["messages"], {"role": "user", "content": "c"}]}
    columns, notes = fix_record(old)
    assert len(columns["messages"]) == 2
    assert notes


def test_the_answers_of_a_preference_lose_what_follows_them_and_the_prompt_stays():
    answer = [{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    columns, _ = fix_record({"messages": chat("a")["messages"], "chosen": answer, "rejected": answer[:1]})
    assert columns == {"chosen": answer[:1]}


@pytest.mark.parametrize("code", sorted(FIXABLE - {"pii-name"}))
def test_each_fixable_code_is_one_that_checks_report(code):
    from pathlib import Path

    sources = "".join(
        path.read_text() for path in Path("curation/checks").glob("*.py") if path.name != "record_fixes.py"
    )
    assert f'"{code}"' in sources or code.startswith("pii-")


@given(st.text(alphabet="<>&;apbr/lt gcafÃ©@.x1`\n", max_size=60))
def test_fixing_twice_changes_nothing(text):
    once, _ = fix_record(chat("q", text))
    assert fix_record(chat("q", text) | once)[0] == {}


def test_a_fixed_text_has_its_problem_no_more():
    draft = Draft("conversations", messages=chat("<p>x cafÃ© a@b.example</p>", "y")["messages"])
    assert {p.code for p in check(draft)} == {"html", "mojibake", "pii-email"}
    draft.messages = fix_record({"messages": draft.messages})[0]["messages"]
    assert check(draft) == []
