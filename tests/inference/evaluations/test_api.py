"""Evaluations by REST and by command."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from atelier.jobs import claims
from inference import endpoints
from inference.evaluations import job as evaluation_job
from inference.models import Evaluation
from tests.inference.asking import RULES, frozen, pair, teacher_server

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def version(project, alice):
    return frozen(project, alice)


def api(project, rest=""):
    return f"/api/projects/{project.pk}/evaluations{rest}"


def post(client, address, body, **headers):
    return client.post(address, json.dumps(body), content_type="application/json", headers=headers)


def test_an_evaluation_by_rest_from_start_to_scores(bob_api, project, version):
    with teacher_server(reply=lambda body: "Short.") as server:
        ids = [model.pk for model in pair(project, server.url)]
        body = {"version": version.pk, "endpoints": ids, "rules": RULES}
        made = post(bob_api, api(project), body, **{"Idempotency-Key": "k"})
        assert made.status_code == 201
        pk = made.json()["id"]
        assert post(bob_api, api(project), body, **{"Idempotency-Key": "k"}).json()["id"] == pk
        assert bob_api.get(api(project, f"/{pk}/scores")).status_code == 422
        claims.execute(Evaluation, pk, lambda claim: evaluation_job.run(claim, endpoints.client_for))
    status = bob_api.get(api(project, f"/{pk}")).json()
    assert (status["status"], status["counts"]["ok"]) == ("done", status["total"])
    scores = bob_api.get(api(project, f"/{pk}/scores")).json()
    assert scores["endpoints"][str(ids[0])]["every"]["value"] == 1.0
    page = bob_api.get(api(project, f"/{pk}/answers")).json()
    assert len(page["items"]) == status["total"]
    assert page["items"][0]["verdicts"][0]["ok"] is True
    assert bob_api.get(api(project, f"/{pk}/answers?fails=any")).json()["items"] == []
    assert len(bob_api.get(api(project)).json()) == 1


def test_rest_refuses_with_sentences_and_by_role(bob_api, bob, project, version, team):
    ids = [model.pk for model in pair(project, URL)]
    good = {"version": version.pk, "endpoints": ids}
    for body, status in (
        ({**good, "version": 10**6}, 404), ({**good, "endpoints": [10**6]}, 404), ({**good, "endpoints": []}, 422),
        ({**good, "rules": "[["}, 422), ({**good, "more": 1}, 422), ({**good, "split": "all"}, 422),
    ):  # fmt: skip
        answer = post(bob_api, api(project), body)
        assert answer.status_code == status
        assert answer.json()["detail"]
    pk = post(bob_api, api(project), good).json()["id"]
    assert post(bob_api, api(project, f"/{pk}/cancel"), {}).json()["status"] == "cancelled"
    assert post(bob_api, api(project, f"/{pk}/retry"), {}).json()["status"] == "queued"
    assert post(bob_api, api(project, f"/{pk}/retry"), {}).status_code == 422
    bob.memberships.filter(team=team).update(role="viewer")
    assert post(bob_api, api(project), good).status_code == 403
    assert post(bob_api, api(project, f"/{pk}/cancel"), {}).status_code == 403
    assert bob_api.get(api(project, f"/{pk}")).status_code == 200
    bob.memberships.filter(team=team).delete()
    assert bob_api.get(api(project, f"/{pk}")).status_code == 401


def test_the_command_queues_and_says_what_there_is(project, version):
    pair(project, URL)
    out = io.StringIO()
    call_command(
        "evaluate",
        f"{version.dataset.name} v1",
        "--endpoint",
        "Base",
        "--endpoint",
        "Tuned",
        "--no-wait",
        "--json",
        stdout=out,
    )
    assert json.loads(out.getvalue())["status"] == "queued"
    made = Evaluation.objects.get()
    assert [entrant["name"] for entrant in made.entrants] == ["Base", "Tuned"]
    for wrong, sentence in (
        (["999", "--endpoint", "Base"], "No version is called"), ([str(version.pk), "--endpoint", "None"], "No endpoint is called"),
        ([str(version.pk), "--endpoint", "Base", "--rules", "/no/such"], "cannot be read"),
        ([str(version.pk), "--endpoint", "Base", "--limit", "0"], "at least 1"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=sentence):
            call_command("evaluate", *wrong, "--no-wait")


@pytest.mark.django_db(transaction=True)
def test_the_command_does_the_work_here_and_prints_the_table(project, alice, tmp_path):
    version = frozen(project, alice)
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    with teacher_server(reply=lambda body: "Short.") as server:
        pair(project, server.url)
        out = io.StringIO()
        call_command(
            "evaluate",
            str(version.pk),
            "--endpoint",
            "Base",
            "--endpoint",
            "Tuned",
            "--rules",
            str(rules),
            "--here",
            stdout=out,
        )
    assert "Follows every rule" in out.getvalue()
    assert "100%" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_ends_with_1_when_it_failed(project, alice):
    version = frozen(project, alice, count=60)
    with teacher_server(faults=["401"] * 200) as server:
        pair(project, server.url)
        with pytest.raises(SystemExit) as ended:
            call_command("evaluate", str(version.pk), "--endpoint", "Base", "--here", stdout=io.StringIO())
    assert ended.value.code == 1
