"""REST of bulk actions: each with its options, preview, failures, undo; every role."""

import orjson
import pytest

from atelier.accounts.models import APIKey
from curation.datasets import settings
from curation.models import Dataset, Record, Task
from curation.records import derived


@pytest.fixture
def chats(project, alice) -> Dataset:
    dataset = settings.create(project, alice, "Chats")
    for n in range(3):
        make(dataset, f"number {n}")
    return dataset


def make(dataset: Dataset, text: str) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    )
    derived.complete(record).save()
    return record


@pytest.fixture
def keys(client, team, alice, bob, ann, vic, charlie) -> dict[str, str]:
    found = {user.username: APIKey.issue(team, user, "test")[1] for user in (alice, bob, ann, vic)}
    return found | {"charlie": APIKey.issue(charlie.teams.get(), charlie, "test")[1]}


def send(client, key: str, path: str, body=None, **headers):
    headers["Authorization"] = f"Bearer {key}"
    if body is None:
        return client.get(path, headers=headers)
    return client.post(path, orjson.dumps(body), content_type="application/json", headers=headers)


def root(dataset: Dataset) -> str:
    return f"/api/projects/{dataset.project_id}/datasets/{dataset.pk}/bulk"


WISHES = {
    "label": {"labels": ["good"]},
    "unlabel": {"labels": ["good"]},
    "replace": {"find": "number", "replace": "figure"},
    "mask": {},
    "fix": {"codes": ["html"]},
    "assign": {"users": ["ann"], "evenly": True},
    "key": {"place": "messages", "key": "id", "change": "remove"},
}
SMALLEST = {"label": "ann", "unlabel": "ann", "accept": "ann"}


@pytest.mark.parametrize("action", [*WISHES, "accept", "delete"])
def test_each_action_is_done_by_its_role_and_refused_to_smaller_ones(client, chats, keys, action):
    body = {"action": action, "filters": {}, "options": WISHES.get(action, {})}
    small = SMALLEST.get(action, "bob")
    wanted = {"alice": 202, "bob": 202, "ann": 202 if small == "ann" else 403, "vic": 403, "charlie": 404}
    assert {name: send(client, keys[name], root(chats), body).status_code for name in reversed(wanted)} == wanted


def test_a_replacement_is_previewed_done_listed_and_undone(client, chats, keys):
    hard = make(chats, "word " * 3000 + "!")
    wish = {
        "action": "replace",
        "filters": {},
        "options": {"find": r"(number|(\w+\s?)+$)", "replace": "x", "regex": True},
    }
    seen = send(client, keys["bob"], f"{root(chats)}/preview", wish).json()
    assert (seen["changing"], len(seen["examples"])) == (3, 3)
    assert seen["examples"][0]["diffs"][0][1][:2] == [["delete", "number"], ["insert", "x"]]
    job = send(client, keys["bob"], root(chats), wish, **{"Idempotency-Key": "once"}).json()
    again = send(client, keys["bob"], root(chats), wish, **{"Idempotency-Key": "once"}).json()
    assert (job["id"], job["changed"], job["left"]) == (again["id"], 3, 1)
    one = f"/api/projects/{chats.project_id}/bulk/{job['id']}"
    assert send(client, keys["vic"], f"{one}/failures").json()["items"][0]["record"] == hard.pk
    assert send(client, keys["charlie"], f"{one}/failures").status_code == 404
    assert send(client, keys["vic"], f"{one}/failures?after={2**63}").status_code == 422
    assert send(client, keys["ann"], f"{one}/undo", {}).status_code == 403
    undone = send(client, keys["bob"], f"{one}/undo", {}).json()
    assert (undone["changed"], undone["undoes"]) == (3, job["id"])


def test_previews_are_for_those_who_may_do_it(client, chats, keys):
    wish = {"action": "mask", "ids": [chats.records.first().pk]}
    seen = {name: send(client, keys[name], f"{root(chats)}/preview", wish).status_code for name in keys}
    assert seen == {"alice": 200, "bob": 200, "ann": 403, "vic": 403, "charlie": 404}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "replace", "filters": {}, "options": {"find": "(", "regex": True}},
        {"action": "replace", "filters": {}, "options": {"find": "a", "everything": True}},
        {"action": "label", "filters": {}},
        {"action": "copy", "filters": {}, "options": {"dataset": 999}},
        {"action": "accept"},
        {"action": "accept", "ids": []},
        {"action": "publish", "filters": {}},
    ],
)
def test_what_cannot_be_meant_is_told_with_a_sentence(client, chats, keys, body):
    answer = send(client, keys["bob"], root(chats), body)
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)
    assert not chats.bulk_actions.exists()


def test_the_former_name_of_an_action_is_refused_with_the_name_of_today(client, chats, keys):
    for path in (root(chats), f"{root(chats)}/preview"):
        answer = send(client, keys["bob"], path, {"action": "mend", "filters": {}})
        assert answer.status_code == 422
        assert answer.json()["detail"].endswith("body.action: the action `mend` is now called `fix`.")


@pytest.mark.parametrize(
    "wrong", [{"stauts": "new"}, {"_connector": "OR"}, {"pk__gt": 1}, {"": "x"}, {"q": "solar", "limit": 5}]
)
def test_a_filter_that_does_not_exist_takes_nothing(client, chats, keys, wrong):
    """Else a typo accepts, deletes or assigns everything."""
    wishes = {
        "bulk": {"action": "delete", "filters": wrong}, "bulk/preview": {"action": "mask", "filters": wrong},
        "queue/fill": {"filters": wrong}, "queue/assign": {"filters": wrong, "users": ["ann"]},
        "filters": {"name": "Mine", "filters": wrong},
    }  # fmt: skip
    for path, body in wishes.items():
        answer = send(client, keys["bob"], f"{root(chats)[:-5]}/{path}", body)
        assert answer.status_code == 422, path
        assert "No filter is called" in answer.json()["detail"]
        assert "Use ids, import, problems, q, split, status, unanswered_in" in answer.json()["detail"]
    assert chats.records.present().count() == 3
    assert not Task.objects.exists()


def test_a_filter_that_does_not_exist_lists_nothing(client, chats, keys):
    for path in ("records", "facets"):
        assert send(client, keys["bob"], f"{root(chats)[:-5]}/{path}?stauts=new").status_code == 422
        assert send(client, keys["bob"], f"{root(chats)[:-5]}/{path}?status=new").status_code == 200
