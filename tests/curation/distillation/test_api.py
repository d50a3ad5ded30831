"""REST and commands of distillations and versions."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from atelier.accounts.models import APIKey
from curation import tasks
from curation.models import Dataset, Distillation, Record, Version
from curation.versions import freezes
from tests.curation.teacher import conversations, documents, endpoint, started, teacher_server

pytestmark = pytest.mark.django_db


def post(client, url, body=None, **headers):
    return client.post(url, json.dumps(body or {}), content_type="application/json", headers=headers)


@pytest.fixture
def root(project):
    return f"/api/projects/{project.pk}"


def api_of(user):
    from django.test import Client

    _, key = APIKey.issue(user.memberships.get().team, user, "test")
    return Client(headers={"Authorization": f"Bearer {key}"})


def test_distil_by_rest_from_start_to_ledger(project, root, bob_api, monkeypatch):
    project.guidelines = "The guide"
    project.save()
    with teacher_server() as server:
        teacher, source = endpoint(project, server.url), documents(project, 3)
        body = {"dataset": source.pk, "teacher": teacher.pk, "template": "{{ text }}", "mark_accepted_by": "the sample"}
        made = post(bob_api, f"{root}/distillations", body)
        assert made.status_code == 201, made.content
        pk = made.json()["id"]
        tasks.distil(pk)
        assert server.calls[0]["messages"][0]["content"] == "The guide"
    found = bob_api.get(f"{root}/distillations/{pk}").json()
    assert (found["status"], found["ok"], found["total"]) == ("done", 3, 3)
    ledger = bob_api.get(f"{root}/distillations/{pk}/ledger", {"outcome": "ok"}).json()
    assert [row["outcome"] for row in ledger["items"]] == ["ok"] * 3
    assert ledger["next"] is None
    monkeypatch.setattr("curation.api.distillations.LEDGER_ROWS", 3)
    whole = bob_api.get(f"{root}/distillations/{pk}/ledger", {"outcome": "ok"}).json()
    assert whole == ledger  # a page that is just full is the last one all the same
    assert [job["id"] for job in bob_api.get(f"{root}/distillations").json()] == [pk]


def test_the_same_key_starts_one_distillation(project, root, bob_api):
    body = {
        "dataset": documents(project, 1).pk,
        "teacher": endpoint(project, "http://127.0.0.1:9/v1").pk,
        "template": "{{ text }}",
    }
    first, second = (
        post(bob_api, f"{root}/distillations", body, **{"Idempotency-Key": "k"}).json()["id"] for _ in range(2)
    )
    assert first == second
    assert post(bob_api, f"{root}/distillations", body, **{"Idempotency-Key": "k" * 200}).status_code == 422


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"template": "{{"}, "template"),
        ({"concurrency": 900}, "less than or equal to 64"),
        ({"filters": {"x__y": 1}}, "No filter"),
        ({"owner": 1}, ""),
    ],
)
def test_bad_bodies_get_a_sentence(project, root, bob_api, wrong, sentence):
    body = {
        "dataset": documents(project, 1).pk,
        "teacher": endpoint(project, "http://127.0.0.1:9/v1").pk,
        "template": "{{ text }}",
    }
    answer = post(bob_api, f"{root}/distillations", body | wrong)
    assert answer.status_code == 422
    assert sentence in str(answer.json()["detail"])
    assert not Distillation.objects.exists()


def test_the_preview_starts_nothing(project, root, bob_api):
    with teacher_server() as server:
        body = {
            "dataset": documents(project, 5).pk,
            "teacher": endpoint(project, server.url).pk,
            "template": "{{ text }}",
        }
        answer = post(bob_api, f"{root}/distillations/preview", body).json()
    assert [one["answer"] for one in answer["previews"]] == [f"Answer to: Brief number {n}" for n in (0, 2, 4)]
    assert answer["estimate"]["records"] == 5
    assert not Distillation.objects.exists()


def test_moves_and_retries(project, root, bob_api):
    with teacher_server(faults=["401"]) as server:
        job = started(project, endpoint(project, server.url), documents(project, 2), concurrency=1)
        url = f"{root}/distillations/{job.pk}"
        assert post(bob_api, f"{url}/pause").json()["status"] == "paused"
        assert post(bob_api, f"{url}/resume").json()["status"] == "queued"
        tasks.distil(job.pk)
        assert post(bob_api, f"{url}/cancel").status_code == 422
        assert post(bob_api, f"{url}/retry").json()["status"] == "queued"
    assert post(bob_api, f"{url}/explode").status_code == 422


def test_freeze_by_rest_and_export(project, root, bob_api):
    dataset = conversations(project, 20)
    made = post(bob_api, f"{root}/versions", {"dataset": dataset.pk, "seed": 4, "shares": {"train": 0.5, "test": 0.5}})
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    tasks.freeze(pk)
    found = bob_api.get(f"{root}/versions/{pk}").json()
    assert (found["status"], found["rows"], found["counts"]["validation"]) == ("done", 20, 0)
    assert len(found["content_hash"]) == 64
    lines = b"".join(bob_api.get(f"{root}/versions/{pk}/splits/train?bare=1")).splitlines()
    assert len(lines) == found["counts"]["train"]
    assert set(json.loads(lines[0])) == {"messages"}
    assert bob_api.get(f"{root}/versions/{pk}/splits/dev").status_code == 422
    assert bob_api.get(f"{root}/versions/{pk}/verify").json() == {"intact": True, "broken": []}
    assert post(bob_api, f"{root}/versions/{pk}/cancel").status_code == 422


def test_an_empty_or_unfit_version_is_refused(project, root, bob_api):
    for dataset in (conversations(project, 2, status="new"), documents(project, 2)):
        answer = post(bob_api, f"{root}/versions", {"dataset": dataset.pk})
        assert answer.status_code == 422
        assert answer.json()["detail"].endswith(".")
    assert not Version.objects.exists()


def test_roles_and_strangers(project, root, vic, charlie, team):
    job = started(project, endpoint(project, "http://127.0.0.1:9/v1"), documents(project, 1))
    version = freezes.create(conversations(project, 3), None)
    stranger, viewer = api_of(charlie), api_of(vic)
    for path in [
        "distillations",
        f"distillations/{job.pk}",
        f"distillations/{job.pk}/ledger",
        "versions",
        f"versions/{version.pk}",
    ]:
        assert stranger.get(f"{root}/{path}").status_code == 404, path
        assert viewer.get(f"{root}/{path}").status_code == 200, path
    for path, body in [
        ("distillations", {"dataset": 1, "teacher": 1, "template": "x"}),
        ("distillations/preview", {"dataset": 1, "teacher": 1, "template": "x"}),
        (f"distillations/{job.pk}/cancel", {}),
        (f"distillations/{job.pk}/budget", {}),
        ("versions", {"dataset": 1}),
        (f"versions/{version.pk}/cancel", {}),
    ]:
        assert post(stranger, f"{root}/{path}", body).status_code == 404, path
        assert post(viewer, f"{root}/{path}", body).status_code == 403, path


# --- commands ---


def run(*args, **options):
    out = StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def test_the_commands_queue_their_jobs(project):
    documents(project, 2)
    endpoint(project, "http://127.0.0.1:9/v1")
    result = json.loads(
        run("distil", "Raw briefs", "--into", "Done", "--no-wait", "--json", "--accepted-by", "the sample")
    )
    job = Distillation.objects.get(pk=result["id"])
    assert (job.status, job.template, job.target.name) == ("queued", "{{ text }}", "Done")
    conversations(project, 2, name="Talks")
    result = json.loads(run("freeze", "Talks", "--shares", "50,25,25", "--no-wait", "--json"))
    assert Version.objects.get(pk=result["id"]).shares == {"train": 0.5, "validation": 0.25, "test": 0.25}


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["distil", "Nothing"], "No dataset"),
        (["distil", "Raw briefs", "--teacher", "x"], "No teacher"),
        (["distil", "Raw briefs", "--budget", "x"], "number"),
        (["freeze", "Raw briefs"], "documents"),
        (["freeze", "Raw briefs", "--shares", "a"], "percentages"),
        (["export_version", "99"], "No version"),
    ],
)
def test_the_commands_refuse_with_a_sentence(project, args, sentence):
    documents(project, 1)
    endpoint(project, "http://127.0.0.1:9/v1")
    with pytest.raises(CommandError, match=sentence) as refused:
        run(*args)
    assert refused.value.returncode == 2


def test_export_version_writes_a_file_once(project, tmp_path):
    version = freezes.create(conversations(project, 10), None)
    with pytest.raises(CommandError, match="not frozen yet"):
        run("export_version", str(version.pk))
    tasks.freeze(version.pk)
    path = tmp_path / "train.jsonl"
    run("export_version", str(version), "--output", str(path))
    version.refresh_from_db()
    assert len(path.read_text().splitlines()) == version.counts()["train"]
    with pytest.raises(CommandError, match="already exists"):
        run("export_version", str(version.pk), "--output", str(path))
    with pytest.raises(CommandError, match="cannot be written: No such file or directory"):
        run("export_version", str(version.pk), "--output", str(tmp_path / "nowhere" / "train.jsonl"))
    assert Dataset.objects.count() == 1
    assert Record.objects.count() == 10
