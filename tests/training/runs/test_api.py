"""REST of training, and its commands."""

import json

import pytest
from django.core.management import CommandError, call_command

from atelier.accounts.models import APIKey
from tests.training.conftest import SLUG
from training.models import Pull, Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch):
    monkeypatch.setattr("atelier.jobs.queue.send", lambda model, pk: True)


def post(client, path: str, body: dict | None = None, **headers):
    return client.post(path, json.dumps(body or {}), content_type="application/json", headers=headers)


@pytest.fixture
def root(project) -> str:
    return f"/api/projects/{project.pk}"


def test_a_run_is_started_read_and_cancelled(root, version, bob_api):
    made = post(bob_api, f"{root}/runs", {"version": version.pk, "recipe": {"rank": 8}, "name": "by key"})
    assert made.status_code == 201, made.content
    run = made.json()
    assert (run["number"], run["status"], run["recipe"]["rank"]) == (1, "queued", 8)
    assert bob_api.get(f"{root}/runs/{run['id']}").json()["name"] == "by key"
    assert [r["id"] for r in bob_api.get(f"{root}/runs").json()] == [run["id"]]
    assert bob_api.get(f"{root}/runs/{run['id']}/metrics").json() == []
    assert bob_api.get(f"{root}/runs/{run['id']}/log").json() == {"log": ""}
    assert post(bob_api, f"{root}/runs/{run['id']}/cancel").json()["status"] == "cancelled"
    assert post(bob_api, f"{root}/runs/{run['id']}/resume").json()["status"] == "queued"


def test_the_same_key_gives_the_same_run(root, version, bob_api):
    headers = {"Idempotency-Key": "once"}
    first = post(bob_api, f"{root}/runs", {"version": version.pk}, **headers).json()
    again = post(bob_api, f"{root}/runs", {"version": version.pk}, **headers).json()
    assert first["id"] == again["id"]
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"recipe": {"rank": 0}}, "LoRA rank must be between"),
        ({"base": "gpt"}, "No base is called 'gpt'"),
        ({"colour": "red"}, "extra"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(root, version, bob_api, body, says):
    answer = post(bob_api, f"{root}/runs", {"version": version.pk, **body})
    assert answer.status_code == 422
    assert says.lower() in answer.content.decode().lower()


def test_a_move_that_makes_no_sense_is_refused(root, run, bob_api):
    answer = post(bob_api, f"{root}/runs/{run.pk}/stop")
    assert answer.status_code == 422
    assert "so it cannot be stopped" in answer.json()["detail"]


def test_bases_recipes_and_pulls(root, bob_api, data_folder):
    found = {base["base"]: base for base in bob_api.get(f"{root}/bases").json()}
    assert len(found) >= 12
    assert found[SLUG]["on_disk"] is False
    names = [field["name"] for field in bob_api.get(f"{root}/bases/{SLUG}/recipe").json()]
    assert "learning_rate" in names
    pull = post(bob_api, f"{root}/pulls", {"base": SLUG}).json()
    assert bob_api.get(f"{root}/pulls/{pull['id']}").json()["base"] == SLUG
    assert post(bob_api, f"{root}/pulls/{pull['id']}/cancel").json()["status"] == "cancelled"
    assert bob_api.get(f"{root}/adapters").json() == []


def test_strangers_get_404_and_viewers_403(root, team, run, charlie, vic, client):
    _, stranger = APIKey.issue(charlie.memberships.get().team, charlie, "k")
    _, viewer = APIKey.issue(team, vic, "k")
    pull = Pull.objects.create(project=run.project, slug=SLUG)
    moves = [f"{root}/runs/{run.pk}/{move}" for move in ("cancel", "pause", "resume", "stop")]
    for path, body in [
        (f"{root}/runs", {"version": run.version_id}),
        (f"{root}/pulls", {"base": SLUG}),
        (f"{root}/pulls/{pull.pk}/cancel", {}),
        *((move, {}) for move in moves),
    ]:
        assert post(client, path, body, Authorization=f"Bearer {stranger}").status_code == 404, path
        assert post(client, path, body, Authorization=f"Bearer {viewer}").status_code == 403, path
    for path in ("runs", f"runs/{run.pk}", f"runs/{run.pk}/metrics", f"runs/{run.pk}/log", "adapters", "bases"):
        assert client.get(f"{root}/{path}", headers={"Authorization": f"Bearer {stranger}"}).status_code == 404, path
        assert client.get(f"{root}/{path}", headers={"Authorization": f"Bearer {viewer}"}).status_code == 200, path


def test_the_command_queues_a_run_with_changed_fields(version, capsys):
    options = {"no_wait": True, "json": True, "set": ["epochs=2", "schedule=cosine", "fast_matmul=false"]}
    call_command("train", f"Rewrites v{version.number}", recipe='{"rank": 8}', **options)
    run = Run.objects.get(pk=json.loads(capsys.readouterr().out)["id"])
    assert (run.recipe["epochs"], run.recipe["schedule"], run.recipe["rank"]) == (2.0, "cosine", 8)
    assert run.recipe["fast_matmul"] is False


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"set": ["epochs"]}, "FIELD=VALUE"),
        ({"set": ["epochs=many"]}, "Epochs must be a number"),
        ({"recipe": "{"}, "not JSON"),
        ({"recipe": "/nowhere.json"}, "cannot be read"),
        ({"base": "gpt"}, "No base is called"),
    ],
)
def test_the_command_refuses_bad_input_with_a_sentence(version, options, says):
    with pytest.raises(CommandError, match=says) as refused:
        call_command("train", str(version.pk), **options)
    assert refused.value.returncode == 2


def test_the_command_names_the_versions_there_are(version):
    with pytest.raises(CommandError, match=r"Available: \d+: Rewrites v1"):
        call_command("train", "nothing")
