"""A bulk action renames, moves or removes one key, by page and over REST, and never overwrites anything."""

import json

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from curation import bulk
from curation.bulk.keys import KeyChange, KeyTaken
from curation.datasets import settings
from curation.models import Dataset, Record
from curation.records import derived
from curation.search.filters import Filters
from curation.tasks import bulk as bulk_task

ODD = [
    "a.b",
    "a__b",
    "messages",
    "metadata__x",
    "'; DROP TABLE",
    "naïve 🛬",
    "<b>",
    " spaced ",
    "0",
    "$ref",
    "a\nb",
    "__class__",
]


@pytest.fixture
def chats(project, alice) -> Dataset:
    return settings.create(project, alice, "Chats")


def make(dataset: Dataset, *, metadata: dict | None = None, turns: list | None = None, **more) -> Record:
    turns = turns or [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    record = Record(dataset=dataset, messages=turns, metadata=metadata or {}, **more)
    derived.complete(record).save()
    return record


def act(dataset: Dataset, user, **options):
    job = bulk.begin(dataset, user, "key", Filters(), options=options)
    bulk_task(job.pk)
    job.refresh_from_db()
    assert job.status == "done", job.error
    return job


def test_a_metadata_key_is_renamed_in_its_place_and_the_action_can_be_undone(chats, bob):
    record, other = make(chats, metadata={"a": 1, "b": 2, "c": 3}), make(chats, metadata={"a": 1})
    job = act(chats, bob, place="metadata", key="b", change="rename", to="beta")
    record.refresh_from_db()
    assert list(record.metadata.items()) == [("a", 1), ("beta", 2), ("c", 3)] or record.metadata == {
        "a": 1,
        "beta": 2,
        "c": 3,
    }
    assert job.line == "1 record changed; 1 does not have the key."
    undo = bulk.begin_undo(job, bob)
    bulk_task(undo.pk)
    record.refresh_from_db()
    other.refresh_from_db()
    assert (record.metadata, other.metadata) == ({"a": 1, "b": 2, "c": 3}, {"a": 1})


def test_what_is_there_is_not_overwritten_but_listed_and_counted(chats, bob):
    same, differs = make(chats, metadata={"a": 1, "b": 1}), make(chats, metadata={"a": 1, "b": 2})
    job = act(chats, bob, place="metadata", key="a", change="rename", to="b")
    same.refresh_from_db()
    differs.refresh_from_db()
    assert (same.metadata, differs.metadata) == ({"b": 1}, {"a": 1, "b": 2})
    assert job.line == "1 record changed; 1 could not be changed; see the reasons below."
    assert job.failures.get().reason == "The metadata already has “b”, with another value."


@pytest.mark.parametrize("key", ODD)
def test_keys_are_data_whatever_they_look_like(chats, bob, key):
    record = make(chats, metadata={key: {"deep": [1]}, "else": 2})
    act(chats, bob, place="metadata", key=key, change="rename", to="plain")
    record.refresh_from_db()
    assert record.metadata == {"plain": {"deep": [1]}, "else": 2}
    act(chats, bob, place="metadata", key="plain", change="rename", to=key)
    record.refresh_from_db()
    assert record.metadata == {key: {"deep": [1]}, "else": 2}
    act(chats, bob, place="metadata", key=key, change="remove")
    record.refresh_from_db()
    assert record.metadata == {"else": 2}


def turn(role: str, text: str, **more) -> dict:
    return {"role": role, "content": text, **more}


@pytest.mark.parametrize(
    ("options", "turns", "wanted"),
    [
        ({"change": "rename", "key": "loss", "to": "weight"}, [turn("user", "a"), turn("assistant", "b", loss=0)],
         {"messages": [turn("user", "a"), turn("assistant", "b", weight=0)]}),
        ({"change": "remove", "key": "id"}, [turn("user", "a", id=1), turn("assistant", "b", id=2)],
         {"messages": [turn("user", "a"), turn("assistant", "b")]}),
        ({"change": "move", "key": "lang", "into": "metadata"}, [turn("user", "a", lang="no"), turn("assistant", "b", lang="no")],
         {"messages": [turn("user", "a"), turn("assistant", "b")], "metadata": {"lang": "no"}}),
        ({"change": "move", "key": "src", "into": "fields", "to": "source"}, [turn("user", "a", src="x"), turn("assistant", "b")],
         {"messages": [turn("user", "a"), turn("assistant", "b")], "fields": {"source": "x"}}),
        ({"change": "rename", "key": "text", "to": "content"}, [{"role": "user", "text": "a"}, turn("assistant", "b")],
         {"messages": [{"role": "user", "content": "a"}, turn("assistant", "b")]}),
        ({"change": "rename", "key": "nope", "to": "x"}, [turn("user", "a")], {}),
        ({"change": "move", "key": "who", "into": "system"}, [turn("user", "a", who="Be brief."), turn("assistant", "b")],
         {"messages": [turn("system", "Be brief."), turn("user", "a"), turn("assistant", "b")]}),
        ({"change": "remove", "key": "x"}, ["no message", turn("user", "a", x=None)], {"messages": ["no message", turn("user", "a")]}),
    ],
)  # fmt: skip
def test_keys_of_messages(options, turns, wanted):
    change = KeyChange.of({"place": "messages", "to": options.get("key", ""), "into": ""} | options)
    record = Record(messages=turns)
    before = json.dumps(turns)
    assert change.columns(record) == wanted
    assert json.dumps(record.messages) == before, "nothing is changed in place"


@pytest.mark.parametrize(
    ("options", "record"),
    [
        ({"change": "rename", "key": "loss", "to": "weight"}, {"messages": [turn("assistant", "b", loss=0, weight=1)]}),
        ({"change": "rename", "key": "loss", "to": "weight"}, {"messages": [turn("assistant", "b", loss=True, weight=1)]}),
        ({"change": "rename", "key": "value", "to": "content"}, {"chosen": [turn("assistant", "b", value="c")]}),
        ({"change": "move", "key": "lang", "into": "metadata"}, {"messages": [turn("user", "a", lang="no"), turn("assistant", "b", lang="en")]}),
        ({"change": "move", "key": "lang", "into": "metadata"}, {"messages": [turn("user", "a", lang="no")], "metadata": {"lang": "en"}}),
        ({"change": "move", "key": "lang", "into": "metadata"}, {"messages": [turn("user", "a", lang="no")], "chosen": [turn("assistant", "b", lang="en")]}),
        ({"change": "move", "key": "who", "into": "system"}, {"messages": [turn("system", "x"), turn("user", "a", who="y")]}),
        ({"change": "move", "key": "who", "into": "system"}, {"messages": [turn("user", "a", who=5)]}),
        ({"change": "move", "key": "who", "into": "system"}, {"messages": [turn("user", "a", who="  ")]}),
        ({"place": "metadata", "change": "move", "key": "who", "into": "system"}, {"metadata": {"who": "x"}}),
        ({"place": "metadata", "change": "move", "key": "a", "into": "fields"}, {"metadata": {"a": 1}, "fields": {"a": 2}}),
    ],
)  # fmt: skip
def test_collisions_are_refused_with_a_sentence(options, record):
    change = KeyChange.of({"place": "messages", "to": options["key"], "into": ""} | options)
    with pytest.raises(KeyTaken, match=r"\.$"):
        change.columns(Record(**record))


def test_a_system_prompt_in_the_metadata_becomes_the_system_message(chats, bob):
    record = make(chats, metadata={"system": "Be brief.", "x": 1})
    there = make(
        chats,
        metadata={"system": "Be brief."},
        turns=[turn("system", "Be brief."), turn("user", "a"), turn("assistant", "b")],
    )
    act(chats, bob, place="metadata", key="system", change="move", into="system")
    record.refresh_from_db()
    there.refresh_from_db()
    assert record.messages[0] == turn("system", "Be brief.")
    assert (record.metadata, there.metadata, len(there.messages)) == ({"x": 1}, {}, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"place": "messages", "key": "role", "change": "remove"}, "a message needs it"),
        ({"place": "messages", "key": "content", "change": "rename", "to": "text"}, "a message needs it"),
        ({"place": "messages", "key": "tool_calls", "change": "remove"}, "a message needs it"),
        ({"place": "metadata", "key": "", "change": "remove"}, "Enter the key"),
        ({"place": "metadata", "key": "a", "change": "rename"}, "another name"),
        ({"place": "metadata", "key": "a", "change": "rename", "to": "a"}, "another name"),
        ({"place": "metadata", "key": "a", "change": "move", "into": "metadata"}, "already there"),
        ({"place": "metadata", "key": "a", "change": "move", "into": "labels"}, "cannot be"),
        ({"place": "metadata", "key": "a", "change": "move"}, "cannot be"),
        ({"place": "tools", "key": "a", "change": "remove"}, "cannot be"),
        ({"place": "metadata", "key": "a", "change": "drop"}, "cannot be"),
        ({"place": "metadata", "key": "a", "change": "remove", "to": "b"}, "gets no other name"),
        ({"place": "metadata", "key": "a\x00", "change": "remove"}, "NUL|character"),
        ({"place": "metadata", "key": 5, "change": "remove"}, "must be a text"),
        ({"place": "metadata", "key": "k" * 201, "change": "remove"}, "at most 200"),
        ({"place": "metadata", "key": "a", "change": "remove", "where": "x"}, "no option"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_before_the_start(chats, bob, options, sentence):
    with pytest.raises(ValidationError, match=sentence):
        bulk.begin(chats, bob, "key", Filters(), options=options)


def test_documents_have_no_messages_to_change(project, alice):
    texts = settings.create(project, alice, "Texts", kind="documents")
    for options in ({"place": "messages", "key": "a", "change": "remove"}, {"place": "fields", "key": "a", "change": "move", "into": "system"}):  # fmt: skip
        with pytest.raises(ValidationError, match="Documents have no messages"):
            bulk.begin(texts, alice, "key", Filters(), options=options)


def test_the_page_previews_and_changes(chats, as_bob, as_ann):
    record = make(chats, metadata={"foo": "<i>bar</i>"}, turns=[turn("user", "a", x=1), turn("assistant", "b")])
    url = reverse("curation:bulk_form", args=[chats.project_id, chats.pk, "key"])
    assert "Change a key" in as_bob.get(url).text
    assert as_ann.get(url).status_code == 403
    query = {"o-go": "1", "o-place": "messages", "o-key": "x", "o-change": "rename", "o-to": "weight", "o-into": ""}
    page = as_bob.get(url, query).text
    assert "1 of 1 records would change" in page
    assert "weight" in page.split('id="preview"')[1]
    page = as_bob.get(url, query | {"o-key": "role"}).text
    assert "a message needs it" in page
    change = reverse("curation:change_records", args=[chats.project_id, chats.pk])
    sent = {
        "action": "key",
        "everything": "1",
        "sure": "1",
        "o-place": "metadata",
        "o-key": "foo",
        "o-change": "remove",
    }
    as_bob.post(change, sent)
    record.refresh_from_db()
    assert record.metadata == {}
    shown = as_bob.get(reverse("curation:record", args=[chats.project_id, chats.pk, record.pk])).text
    assert "changed a key" in shown


def test_rest_previews_changes_and_lists_what_could_not_be_changed(chats, api_of_alice):
    make(chats, metadata={"a": 1})
    blocked = make(chats, metadata={"a": 1, "b": 2})
    base = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/bulk"
    options = {"place": "metadata", "key": "a", "change": "rename", "to": "b"}
    body = {"action": "key", "filters": {}, "options": options}
    preview = api_of_alice.post(f"{base}/preview", json.dumps(body), content_type="application/json").json()
    assert (preview["looked"], preview["changing"], preview["failing"]) == (2, 1, 1)
    assert "already has" in preview["reason"]
    job = api_of_alice.post(base, json.dumps(body), content_type="application/json").json()
    assert (job["changed"], job["left"]) == (1, 1)
    failures = api_of_alice.get(f"/api/projects/{chats.project_id}/bulk/{job['id']}/failures").json()["items"]
    assert [one["record"] for one in failures] == [blocked.pk]
