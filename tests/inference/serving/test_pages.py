"""The page of models, its wishes, and their REST and command."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from atelier.accounts.models import APIKey
from inference.models import Deployment
from inference.serving import deployments
from tests.inference.models_fixtures import SLUG, adapter, base_on_disk  # noqa: F401

pytestmark = pytest.mark.django_db


def url(name: str, project, *args) -> str:
    return reverse(f"inference:{name}", args=[project.pk, *args])


@pytest.fixture
def deployment(project, adapter) -> Deployment:  # noqa: F811
    return deployments.deploy(project, SLUG, [adapter])


def make_ready(deployment: Deployment) -> None:
    Deployment.objects.update(
        state="ready",
        url="http://127.0.0.1:9/v1",
        seen_at=timezone.now(),
        loaded=[adapter.served_name for adapter in deployment.adapters.all()],  # noqa: F811,
    )


def test_strangers_get_404_and_viewers_may_only_look(project, deployment, as_charlie, as_vic, as_ann):
    writes = [url("deploy", project), url("stop_serving", project, deployment.pk)]
    assert as_charlie.get(url("models", project)).status_code == 404
    assert as_vic.get(url("models", project)).status_code == 200
    for path in writes:
        assert as_charlie.post(path).status_code == 404
        assert as_vic.post(path).status_code == 403
        assert as_ann.post(path).status_code == 403
    assert b"Stop serving" not in as_vic.get(url("models", project)).content


def test_deploy_and_stop_serving_by_button(project, adapter, as_bob):  # noqa: F811
    as_bob.post(url("deploy", project), {"adapter": adapter.pk})
    deployment = Deployment.objects.get()
    assert deployment.wanted == "up"
    as_bob.post(url("stop_serving", project, deployment.pk), {"adapter": adapter.pk})
    assert not deployment.adapters.exists()
    as_bob.post(url("stop_serving", project, deployment.pk))
    deployment.refresh_from_db()
    assert deployment.wanted == "down"


def test_ids_of_other_projects_are_not_found(project, team, deployment, adapter, as_bob):  # noqa: F811
    other = team.projects.create(name="Other")
    assert as_bob.post(url("deploy", other), {"adapter": adapter.pk}).status_code == 404
    assert as_bob.post(url("deploy", other), {"adapter": "1 OR 1=1"}).status_code == 404
    assert as_bob.post(url("stop_serving", other, deployment.pk)).status_code == 404


def test_a_base_that_is_not_here_is_refused_with_a_sentence(project, data_folder, as_bob):
    answer = as_bob.post(url("deploy", project), {"base": SLUG}, follow=True)
    assert "is not on this machine yet" in answer.content.decode()


def test_the_empty_page_says_what_to_do_first(project, as_bob):
    page = as_bob.get(url("models", project)).content.decode()
    assert "No adapter yet" in page
    assert "No models are being served" in page


def test_ready_models_lead_to_a_comparison(project, deployment, as_bob):
    assert "endpoints=" not in as_bob.get(url("models", project)).content.decode()
    make_ready(deployment)
    ids = ",".join(str(pk) for pk in deployment.endpoints.values_list("pk", flat=True))
    assert f"endpoints={ids}" in as_bob.get(url("models", project)).content.decode()


def test_the_poll_gets_the_served_part_alone_with_the_servers_words_as_text(project, deployment, as_bob):
    Deployment.objects.update(state="failed", message="RuntimeError: <b>no room</b>", seen_at=timezone.now())
    part = as_bob.get(url("models", project), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "&lt;b&gt;no room" in part
    assert "every 1s" in part


def test_rest_deploys_and_takes_down(project, adapter, bob_api):  # noqa: F811
    root = f"/api/projects/{project.pk}/deployments"
    body = json.dumps({"adapters": [adapter.pk]})
    made = bob_api.post(root, body, content_type="application/json").json()
    assert made["state"] == "waiting"
    assert [e["adapter"] for e in made["endpoints"]] == [None, adapter.pk]
    assert made["endpoints"][1]["endpoint_name"]
    make_ready(Deployment.objects.get())
    seen = bob_api.get(f"{root}/{made['id']}").json()
    assert all(endpoint["is_ready"] for endpoint in seen["endpoints"])
    assert bob_api.get(root).json()[0]["state"] == "ready"
    assert bob_api.delete(f"{root}/{made['id']}?adapter={adapter.pk}").json()["wanted"] == "up"
    assert bob_api.delete(f"{root}/{made['id']}").json()["wanted"] == "down"


def test_rest_keeps_strangers_and_viewers_out(project, deployment, team, charlie, vic, client):
    root = f"/api/projects/{project.pk}/deployments"
    _, stranger = APIKey.issue(charlie.memberships.get().team, charlie, "k")
    _, viewer = APIKey.issue(team, vic, "k")
    for key, write, read in ((stranger, 404, 404), (viewer, 403, 200)):
        headers = {"Authorization": f"Bearer {key}"}
        body = json.dumps({"base": SLUG})
        assert client.post(root, body, content_type="application/json", headers=headers).status_code == write
        assert client.delete(f"{root}/{deployment.pk}", headers=headers).status_code == write
        assert client.get(root, headers=headers).status_code == read
        assert client.get(f"{root}/{deployment.pk}", headers=headers).status_code == read


def test_the_command_wishes_and_says_how_it_goes(project, adapter, capsys):  # noqa: F811
    call_command("deploy", "run:1", json=True)
    assert json.loads(capsys.readouterr().out)["state"] == "waiting"
    make_ready(Deployment.objects.get())
    call_command("deploy", str(adapter.pk), wait=True, json=True)
    assert json.loads(capsys.readouterr().out)["state"] == "ready"
    call_command("deploy", SLUG, down=True, json=True)
    assert Deployment.objects.get().wanted == "down"


def test_the_command_ends_with_4_when_the_time_is_over(project, adapter):  # noqa: F811
    with pytest.raises(SystemExit) as ended:
        call_command("deploy", SLUG, wait=True, timeout=0.2)
    assert ended.value.code == 4


def test_the_command_names_what_there_is(project, adapter):  # noqa: F811
    with pytest.raises(CommandError, match="Available: smollm2-135m-instruct"):
        call_command("deploy", "gpt")


def test_the_home_page_says_what_waits_to_be_deployed(project, adapter, as_bob):  # noqa: F811
    assert "Deploy" in as_bob.get(reverse("project", args=[project.pk])).content.decode()
