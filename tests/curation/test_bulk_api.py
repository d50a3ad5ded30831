"""REST of bulk actions: each with its options, preview, failures, undo; every role."""

import orjson
import pytest

from atelier.accounts.models import APIKey
from curation import contents, datasets
from curation.models import Dataset, Record


@pytest.fixture
def chats(project, alice) -> Dataset:
    dataset = datasets.create(project, alice, "Chats")
    for n in range(3):
        make(dataset, f"number {n}")
    return dataset


def make(dataset: Dataset, text: str) -> Record:
    record = Record(
        dataset=dataset, messages=[{"role": "user", "content": text}, {"role": "assistant", "content": text}]
    )
    contents.complete(record).save()
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
    "mend": {"codes": ["html"]},
    "assign": {"users": ["ann"], "evenly": True},
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
