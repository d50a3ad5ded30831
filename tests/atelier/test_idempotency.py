"""REST: what is sent twice under one key is made once."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet

from atelier.accounts.models import APIKey
from curation.annotation import comments, questions
from curation.models import Comment, Dataset, Mention, Question, SavedFilter
from curation.search import saved
from curation.search.filters import Filters
from inference.models import Endpoint
from tests.curation.annotation.conftest import make_record

MAKES = re.compile(r"\b(20[12])\b")
KEYLESS = {
    "say": "`index` is the turn that it shall be",
    "keep_preference": "a vote is saved once: again it is refused, with the record's number",
    "save_answer": "an answer is saved once: again it is refused, with the record's number",
    "send_test": "a test is sent each time it is asked for",
    "invite": "a name is invited once: again it replaces the invitation",
    "undo_bulk": "there is one undo of an action",
}


@pytest.fixture
def chats(project):
    return Dataset.objects.create(project=project, name="Chats", kind="conversations")


def post(client, path, body, key):
    return client.post(path, json.dumps(body), content_type="application/json", headers={"Idempotency-Key": key})


def test_every_call_that_makes_something_takes_a_key(client):
    """Those that answer 201 or 202; those that need none are named above with the reason."""
    found = client.get("/api/openapi.json").json()["paths"]
    posts = [ways["post"] for ways in found.values() if "post" in ways]
    makes = [one for one in posts if {"201", "202"} & set(one["responses"])]
    assert len(makes) > 15
    without = [
        one["operationId"].rpartition("_api_")[2]
        for one in makes
        if not any(given["name"] == "Idempotency-Key" for given in one.get("parameters", []))
    ]
    assert {name for name in without if not any(name.endswith(known) for known in KEYLESS)} == set()


def test_a_question_is_asked_once(chats, bob_api):
    path = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/questions"
    made = [post(bob_api, path, {"title": title, "kind": "comment"}, "k") for title in ("One", "Two", "One")]
    assert [answer.status_code for answer in made] == [201] * 3
    assert {answer.json()["id"] for answer in made} == {Question.objects.get().pk}
    assert post(bob_api, path, {"title": "Two", "kind": "comment"}, "other").json()["title"] == "Two"


def test_a_filter_is_saved_once(chats, bob_api):
    path = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/filters"
    made = [post(bob_api, path, {"name": name, "filters": {"status": "new"}}, "k") for name in ("One", "Two")]
    assert {answer.json()["id"] for answer in made} == {SavedFilter.objects.get().pk}


def test_a_comment_is_made_once_and_tells_once(chats, bob_api, ann):
    record = make_record(chats)
    path = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/records/{record.pk}/comments"
    made = [post(bob_api, path, {"text": "@ann see"}, "k") for _ in range(2)]
    assert {answer.json()["id"] for answer in made} == {Comment.objects.get().pk}
    assert Mention.objects.get().user == ann


def test_somebody_elses_key_shows_nobody_their_comment(team, chats, bob_api, ann):
    record = make_record(chats)
    path = f"/api/projects/{chats.project_id}/datasets/{chats.pk}/records/{record.pk}/comments"
    post(bob_api, path, {"text": "Bob's"}, "k")
    anns = bob_api.__class__(headers={"Authorization": f"Bearer {APIKey.issue(team, ann, 'test')[1]}"})
    assert post(anns, path, {"text": "Ann's"}, "k").json()["text"] == "Ann's"
    assert Comment.objects.count() == 2


def test_an_endpoint_is_added_once(project, bob_api):
    path = f"/api/projects/{project.pk}/endpoints"
    body = {"kind": "mistral", "name": "Large", "model": "mistral-large-latest", "key": "sk-secret"}
    made = [post(bob_api, path, body, "k") for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201], made[0].content
    assert {answer.json()["id"] for answer in made} == {Endpoint.objects.get().pk}
    assert post(bob_api, path, body, "other").status_code == 422  # the name is taken


def test_recorded_answers_are_added_once(project, bob_api):
    def sent():
        file = SimpleUploadedFile("answers.jsonl", b'{"id": "1", "prompt": "Say it", "answer": "It."}')
        path = f"/api/projects/{project.pk}/endpoints/recorded"
        return bob_api.post(path, {"name": "Replay", "file": file}, headers={"Idempotency-Key": "k"})

    assert {sent().json()["id"] for _ in range(2)} == {Endpoint.objects.get().pk}


@pytest.mark.parametrize("path", ["runs", "pulls", "comparisons", "evaluations", "endpoints", "versions", "exports"])
def test_a_key_has_at_most_80_characters(project, bob_api, path):
    answer = post(bob_api, f"/api/projects/{project.pk}/{path}", {}, "k" * 81)
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


@pytest.mark.parametrize("made", ["question", "filter", "comment"])
def test_the_same_at_the_same_moment_is_made_once(chats, bob, made, monkeypatch):
    """The other request is through between our look and our write."""
    record = make_record(chats)
    makes = {
        "question": lambda name: questions.create(chats, "k", title=name, kind="comment"),
        "filter": lambda name: saved.save(chats, bob, name, Filters(status="new"), "k"),
        "comment": lambda name: comments.post(record, bob, name, "k"),
    }
    first = makes[made]("The first")
    look = QuerySet.first

    def too_early(rows):
        monkeypatch.setattr(QuerySet, "first", look)

    monkeypatch.setattr(QuerySet, "first", too_early)
    assert makes[made]("The second") == first
    assert type(first).objects.count() == 1
