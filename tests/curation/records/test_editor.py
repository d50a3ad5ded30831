"""The editor: source texts, roles, messages that come and go, labels, metadata, tools; and two people at once."""

import json

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from curation.datasets import settings
from curation.models import Dataset, Record
from curation.records import changes, derived, editor, merge
from curation.records.editor import RecordForm


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


@pytest.fixture
def record(chats) -> Record:
    made = Record(
        dataset=chats,
        # PostgreSQL keeps the names of an object by their length: in this order on both databases.
        fields={"text": "the source", "nested": {"deep": ["inside"]}},
        messages=[{"role": "user", "content": "Say one"}, {"role": "assistant", "content": "one two three"}],
        metadata={"a": "b"},
        labels=["old"],
    )
    derived.complete(made).save()
    return made


def place(record: Record, name: str) -> str:
    return reverse(f"curation:{name}", args=[record.dataset.project_id, record.dataset_id, record.pk])


def test_source_texts_are_edited_at_any_depth(record, as_ann):
    sent = {"revision": 1, "text.fields.0": "another source", "text.fields.1.0.0": "deeper"}
    assert as_ann.post(place(record, "edit_record"), sent).status_code == 302
    record.refresh_from_db()
    assert record.fields == {"text": "another source", "nested": {"deep": ["deeper"]}}


def test_roles_change_and_messages_come_and_go(record, as_ann):
    sent = {
        "revision": 1,
        "role.messages.0": "system",
        "drop.messages.1": "1",
        "new.0.after": "messages.0",
        "new.0.role": "user",
        "new.0.text": "Say two\r\n",
        "new.1.after": "messages.1",
        "new.1.role": "assistant",
        "new.1.text": "two",
        "new.2.after": "messages.1",
        "new.2.role": "root",
        "new.2.text": " ",
    }
    as_ann.post(place(record, "edit_record"), sent)
    record.refresh_from_db()
    said = [(message["role"], message["content"]) for message in record.messages]
    assert said == [("system", "Say one"), ("user", "Say two\n"), ("assistant", "two")]
    change = record.changes.get()
    changes.restore(Record.objects.select_related("dataset").get(pk=record.pk), change.user, change)
    record.refresh_from_db()
    assert [message["content"] for message in record.messages] == ["Say one", "one two three"]


def test_a_message_is_added_without_a_script_and_nothing_is_saved_yet(record, as_ann):
    sent = {"revision": 1, "text.messages.1": "typed already", "add": "messages.0"}
    page = as_ann.post(place(record, "edit_record"), sent).content.decode()
    assert 'name="new.0.after" value="messages.0"' in page
    assert "typed already" in page
    assert not record.changes.exists()


def test_labels_metadata_and_tools_are_edited_and_bad_json_is_told(record, as_ann):
    sent = {"revision": 1, "labels": "good\n\nbeta", "metadata": '{"a": [1]}', "tools": "[]"}
    as_ann.post(place(record, "edit_record"), sent)
    record.refresh_from_db()
    assert (record.labels, record.metadata, record.tools) == (["beta", "good"], {"a": [1]}, [])
    for bad in (
        {"metadata": "{"},
        {"metadata": "[]"},
        {"tools": "{}"},
        {"metadata": '{"a": "\\u0000"}'},
        {"metadata": "NaN"},
    ):
        answer = as_ann.post(place(record, "edit_record"), {"revision": 2, "text.messages.1": "kept", **bad})
        assert answer.status_code == 422
        assert "kept" in answer.content.decode()
    assert record.changes.count() == 1


def test_two_editors_at_once_lose_nothing(record, as_ann, as_bob):
    as_bob.post(place(record, "edit_record"), {"revision": 1, "text.messages.1": "Bob's answer", "labels": "old\nbob"})
    mine = {"revision": 1, "text.messages.1": "Ann's answer", "text.fields.0": "Ann's source", "labels": "old\nann"}
    answer = as_ann.post(place(record, "edit_record"), mine)
    assert answer.status_code == 409
    clash = answer.context["clashes"]
    assert [(each.name, each.theirs, each.mine) for each in clash] == [("messages.1", "Bob's answer", "Ann's answer")]
    decided = {
        "revision": 2,
        "base": 1,
        "mine": answer.context["mine"],
        "take.messages.1": "text",
        "text.messages.1": "Bob's and Ann's answer",
    }
    assert as_ann.post(place(record, "merge_record"), decided).status_code == 302
    record.refresh_from_db()
    assert record.messages[1]["content"] == "Bob's and Ann's answer"
    assert record.fields["text"] == "Ann's source"
    assert record.labels == ["ann", "bob", "old"]
    assert record.changes.first().action == "merge"


def test_what_both_wrote_in_one_text_is_put_together_to_begin_with(record, as_ann, as_bob):
    text = record.messages[1]["content"] + " The rest stays as it is."
    as_bob.post(place(record, "edit_record"), {"revision": 1, "text.messages.1": text})
    as_bob.post(place(record, "edit_record"), {"revision": 2, "text.messages.1": "Well: " + text})
    mine = {"revision": 2, "text.messages.1": text.replace("rest", "remainder")}
    page = as_ann.post(place(record, "edit_record"), mine).content.decode()
    assert "Well: " + text.replace("rest", "remainder") in page
    assert "Both changes are included." in page
    for clashing in ("Ill: " + text, "Short."):
        page = as_ann.post(place(record, "edit_record"), {"revision": 2, "text.messages.1": clashing}).content.decode()
        assert "Check whether anything of theirs is missing" in page


@pytest.mark.parametrize(("take", "left"), [("mine", 1), ("theirs", 3)])
def test_when_messages_moved_one_takes_one_side_whole(record, as_ann, as_bob, take, left):
    add = {"revision": 1, "new.0.after": "messages.1", "new.0.role": "user", "new.0.text": "more"}
    as_bob.post(place(record, "edit_record"), add)
    answer = as_ann.post(place(record, "edit_record"), {"revision": 1, "drop.messages.1": "1"})
    assert [each.is_text for each in answer.context["clashes"]] == [False]
    decided = {"revision": 2, "base": 1, "mine": answer.context["mine"], "take.messages": take}
    as_ann.post(place(record, "merge_record"), decided)
    record.refresh_from_db()
    assert len(record.messages) == left


def test_a_merge_that_comes_late_is_shown_again(record, as_ann, as_bob):
    as_bob.post(place(record, "edit_record"), {"revision": 1, "text.messages.1": "Bob's"})
    answer = as_ann.post(place(record, "edit_record"), {"revision": 1, "text.messages.1": "Ann's"})
    as_bob.post(place(record, "edit_record"), {"revision": 2, "text.messages.1": "Bob's second"})
    decided = {"revision": 2, "base": 1, "mine": answer.context["mine"], "take.messages.1": "mine"}
    again = as_ann.post(place(record, "merge_record"), decided)
    assert again.status_code == 409
    assert [(each.theirs, each.mine) for each in again.context["clashes"]] == [("Bob's second", "Ann's")]


def test_a_merge_is_for_annotators_and_takes_no_foreign_columns(record, as_ann, as_vic, as_charlie, ann):
    assert [who.post(place(record, "merge_record")).status_code for who in (as_vic, as_charlie)] == [403, 404]
    mine = merge.columns_of(record) | {"status": "accepted", "revision": 9}
    with pytest.raises(ValidationError):
        merge.read(json.dumps({"messages": {}}))
    assert "status" not in merge.read(json.dumps(mine))
    assert as_ann.post(place(record, "merge_record"), {"revision": 1, "base": "x", "mine": "{"}).status_code == 302
    assert not record.changes.exists()


def test_a_wish_for_nothing_changes_nothing(record):
    assert editor.values(record, RecordForm()) == {}
    assert RecordForm().with_one_more("tools.1") == RecordForm()
