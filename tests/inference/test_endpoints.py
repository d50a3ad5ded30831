"""Endpoints: pages and REST for every role; keys that are never shown; clients and test calls."""

import json
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from atelier.accounts.models import APIKey
from atelier.processes import sandbox
from curation.chat import Sampling
from inference import endpoints
from inference.clients.errors import refused_field
from inference.forms.endpoints import EndpointForm
from inference.models import Deployment, Endpoint
from tests.curation.teacher import teacher_server

pytestmark = pytest.mark.django_db
ADDRESS = "http://127.0.0.1:9/v1"


@pytest.fixture
def endpoint(project):
    made = Endpoint(project=project, name="Large", kind="openai", url=ADDRESS, model="large", is_teacher=True)
    made.set_key("sk-very-secret")
    made.save()
    return made


def url(name, project, *args):
    return reverse(f"inference:{name}", args=[project.pk, *args])


def values(**more):
    return {"name": "New", "url": ADDRESS, "model": "m", "price_in": "1", "price_out": "2", "is_teacher": "on"} | more


def test_every_role_and_stranger(project, endpoint, as_alice, as_vic, as_bob, as_charlie):
    reads = [url("endpoints", project), url("endpoint", project, endpoint.pk)]
    edits = [url("new_endpoint", project, "openai")]
    posts = [
        url(name, project, endpoint.pk) for name in ("try_endpoint", "archive_endpoint", "restore_endpoint", "endpoint")
    ]
    for address in reads + edits:
        assert as_charlie.get(address).status_code == 404, address
    for address in reads:
        assert as_vic.get(address).status_code == 200, address
    for address in edits:
        assert as_vic.get(address).status_code == 403, address
    for address in posts:
        assert as_charlie.post(address).status_code == 404, address
        assert as_vic.post(address).status_code == 403, address
    from_environment = url("environment_endpoint", project)
    assert as_charlie.post(from_environment).status_code == 404
    assert as_bob.post(from_environment).status_code == 403
    assert as_alice.post(from_environment).status_code == 302


def test_an_empty_page_says_what_to_add(project, as_bob):
    assert "Add the teacher" in as_bob.get(url("endpoints", project)).content.decode()


def test_adding_keeps_the_key_encrypted_and_never_shows_it(project, as_bob):
    response = as_bob.post(url("new_endpoint", project, "openai"), values(key="sk-very-secret"))
    made = Endpoint.objects.get()
    assert response.url == url("endpoint", project, made.pk)
    assert made.key == "sk-very-secret"
    assert "secret" not in made.sealed_key
    for address in (response.url, url("endpoints", project)):
        assert "sk-very-secret" not in as_bob.get(address).content.decode()


def test_an_empty_key_keeps_the_stored_one(project, endpoint, as_bob):
    as_bob.post(url("endpoint", project, endpoint.pk), values(name="Renamed"))
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.key) == ("Renamed", "sk-very-secret")


def test_a_new_address_drops_the_key_that_belonged_to_the_old_one(project, endpoint, as_bob):
    """Else whoever may edit could have the key sent to a server of their own."""
    as_bob.post(url("endpoint", project, endpoint.pk), values(url="http://localhost:1/v1"))
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.key) == ("http://localhost:1/v1", "")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"url": "http://10.0.0.1/v1"}, "private network"),
        ({"url": "http://169.254.169.254/"}, "private network"),
        ({"url": f"{ADDRESS}/load_lora_adapter?x="}, "a query"),
        ({"url": f"{ADDRESS}#x"}, "a fragment"),
        ({"url": f"{ADDRESS}/../metrics"}, "path of the URL contains"),
        ({"url": f"{ADDRESS}/%2e%2e/metrics"}, "path of the URL contains"),
        ({"url": "file:///etc/passwd"}, "http://"),
        ({"url": "http://user:pw@host/v1"}, "user name"),
        ({"price_in": "-1"}, "0"),
        ({"name": "Large"}, "already"),
        ({"model": ""}, "required"),
    ],
)
def test_bad_values_get_a_sentence(project, endpoint, as_bob, wrong, sentence):
    response = as_bob.post(url("new_endpoint", project, "openai"), values(**wrong))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert Endpoint.objects.count() == 1


def test_recorded_answers_are_uploaded_and_checked(project, as_bob):
    address = url("new_endpoint", project, "recorded")
    bad = BytesIO(b'{"prompt": "a", "answer": "b"}\nnot json\n')
    bad.name = "a.jsonl"
    response = as_bob.post(address, {"name": "Sample", "file": bad})
    assert response.status_code == 422
    assert "line 2" in response.content.decode()
    good = BytesIO(b'{"id": "1", "prompt": "a", "answer": "b"}\n')
    good.name = "../../evil.jsonl"
    as_bob.post(address, {"name": "Sample", "file": good})
    made = Endpoint.objects.get()
    assert "evil" not in made.answers
    assert str(made) == "Sample (recorded answers)"
    assert endpoints.try_out(made).text.startswith("This endpoint replays 1 recorded")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"prompt": "a", "answer": ["b"]}', "line 2: this isn.*t a recorded answer"),
        (b'{"prompt": "a", "answer": null}', "line 2: this isn.*t a recorded answer"),
        (b'{"prompt": "a", "answer": "b", "id": ' + b"[" * 500_000 + b"]" * 500_000 + b"}", "line 2: this isn"),
        (b'{"prompt": "a", "answer": "b", "id": 1' + b"0" * 5000 + b"}", "line 2: this isn.*t a recorded answer"),
        (b'{"prompt": "a", "answer": "\xff"}', "line 2: this isn.*t a recorded answer"),
        (b'{"prompt": "a", "answer": "\\u0000"}', "line 2: the line contains a NUL character"),
        (b'{"prompt": "\\ud800", "answer": "b"}', "line 2: the line contains half a character"),
        (b'{"prompt": "a", "answer": "' + b"b" * (2 << 20) + b'"}', "line 2: the line is longer than 2 MB"),
    ],
    ids=["list", "null", "deep", "number", "latin", "nul", "half", "long"],
)
def test_recorded_answers_that_cannot_be_used_are_refused_with_a_sentence(project, line, sentence):
    whole = b'{"prompt": "x", "answer": "y"}\n' + line + b"\n"
    made = Endpoint(project=project, name="Sample", kind=Endpoint.Kind.RECORDED)
    with pytest.raises(ValidationError, match=sentence):
        endpoints.record_answers(made, ContentFile(whole))
    assert not made.answers


def test_recorded_answers_that_need_too_much_memory_are_refused(project, monkeypatch):
    monkeypatch.setattr(endpoints, "READING", sandbox.ChildLimits(seconds=10.0, memory=100 << 20))
    wide = "".join(
        json.dumps({"prompt": str(n), "answer": "é🙂" + "b" * 500_000}, ensure_ascii=False) + "\n" for n in range(60)
    )
    made = Endpoint(project=project, name="Sample", kind=Endpoint.Kind.RECORDED)
    with pytest.raises(ValidationError, match=r"more than the 100 MB of memory.*Upload fewer or shorter answers"):
        endpoints.record_answers(made, ContentFile(wide.encode()))


def test_there_is_no_page_for_other_kinds(project, as_bob):
    assert as_bob.get(url("new_endpoint", project, "served")).status_code == 404


def test_the_test_call_shows_the_answer_or_the_reason(project, endpoint, as_bob):
    address = url("try_endpoint", project, endpoint.pk)
    failed = as_bob.post(address, headers={"HX-Request": "true"}).content.decode()
    assert "does not accept connections" in failed
    with teacher_server(reply=lambda body: "<b>ready</b>") as server:
        Endpoint.objects.update(url=server.url)
        page = as_bob.post(address, headers={"HX-Request": "true"}).content.decode()
        assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert "&lt;b&gt;ready&lt;/b&gt;" in page


def test_a_test_call_is_cut_off(endpoint):
    with teacher_server(latency=5) as server:
        endpoint.url = server.url
        tried = endpoints.try_out(endpoint, seconds=0.3)
    assert not tried.ok
    assert "within" in tried.text


def test_archiving_takes_it_out_of_choices_and_restoring_brings_it_back(project, endpoint, as_bob):
    as_bob.post(url("archive_endpoint", project, endpoint.pk))
    assert not endpoints.teachers(project).exists()
    endpoint.refresh_from_db()
    with pytest.raises(ValidationError, match="archived"):
        endpoints.client_for(endpoint)
    assert "Archived (1)" in as_bob.get(url("endpoints", project)).content.decode()
    as_bob.post(url("restore_endpoint", project, endpoint.pk))
    assert endpoints.teachers(project).exists()


def test_a_served_endpoint_follows_its_deployment(project):
    deployment = Deployment.objects.create(project=project, base="smol", state="starting", seen_at=timezone.now())
    served = Endpoint.objects.create(project=project, name="Base", kind="served", deployment=deployment)
    with pytest.raises(ValidationError, match="starting"):
        endpoints.client_for(served)
    deployment.state, deployment.url = "ready", "http://127.0.0.1:9001"
    deployment.save()
    served.refresh_from_db()
    client = endpoints.client_for(served)
    assert client.model == "smol"


def test_the_environment_makes_a_teacher(project, monkeypatch):
    for name in ("MISTRAL_API_KEY", "ATELIER_TEACHER_URL", "ATELIER_TEACHER_MODEL", "ATELIER_TEACHER_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert endpoints.from_environment(project) is None
    monkeypatch.setenv("MISTRAL_API_KEY", "mk")
    made = endpoints.from_environment(project)
    assert (made.kind, made.model, made.key) == ("mistral", endpoints.MISTRAL_DEFAULT, "mk")
    monkeypatch.setenv("ATELIER_TEACHER_URL", ADDRESS)
    monkeypatch.setenv("ATELIER_TEACHER_MODEL", "own")
    made = endpoints.from_environment(project)
    assert (made.kind, made.model, made.url, made.key) == ("openai", "own", ADDRESS, "")
    assert endpoints.from_environment(project).pk == made.pk


async def test_a_patient_client_tries_again():
    class FlakyClient:
        calls = 0

        async def complete(self, messages, sampling, tools=()):
            from curation.chat import Answer, ClientError

            self.calls += 1
            if self.calls < 3:
                raise ClientError("later", retryable=True, retry_after=0.0)
            return Answer("done")

    answer = await endpoints.RetryingClient(FlakyClient()).complete([], Sampling())
    assert answer.text == "done"


# --- REST ---


def test_rest_adds_changes_tests_and_never_gives_the_key(project, bob_api):
    root = f"/api/projects/{project.pk}/endpoints"
    body = {"kind": "openai", "name": "Large", "url": ADDRESS, "model": "m", "key": "sk-very-secret"}
    made = bob_api.post(root, json.dumps(body), content_type="application/json")
    assert made.status_code == 201, made.content
    assert made.json()["has_key"] is True
    pk = made.json()["id"]
    changed = bob_api.patch(f"{root}/{pk}", json.dumps({"price_in": "2.5"}), content_type="application/json").json()
    assert (float(changed["price_in"]), changed["has_key"], changed["name"]) == (2.5, True, "Large")
    assert bob_api.post(f"{root}/{pk}/test").json()["ok"] is False
    assert bob_api.post(f"{root}/{pk}/archive").json()["archived_at"]
    assert "sk-very-secret" not in bob_api.get(root).content.decode() + made.content.decode()
    refused = bob_api.post(root, json.dumps(body | {"url": "http://10.1.1.1"}), content_type="application/json")
    assert refused.status_code == 422
    assert (
        bob_api.post(root, json.dumps(body | {"sealed_key": "x"}), content_type="application/json").status_code == 422
    )


def test_rest_adds_recorded_answers(project, bob_api):
    root = f"/api/projects/{project.pk}/endpoints/recorded"

    def sent(content: bytes):
        return bob_api.post(root, {"name": "Replay", "file": SimpleUploadedFile("answers.jsonl", content)})

    assert "line 1" in sent(b"nothing of use").json()["detail"]
    made = sent(b'{"id": "1", "prompt": "Say it", "answer": "It."}')
    assert (made.status_code, made.json()["kind"]) == (201, "recorded")
    assert endpoints.client_for(Endpoint.objects.get(pk=made.json()["id"])).kind == "recorded"


def test_rest_refuses_strangers_and_small_roles(project, endpoint, charlie, vic):
    from django.test import Client

    root = f"/api/projects/{project.pk}/endpoints"
    for user, read, write in ((charlie, 404, 404), (vic, 200, 403)):
        _, key = APIKey.issue(user.memberships.get().team, user, "t")
        client = Client(headers={"Authorization": f"Bearer {key}"})
        assert client.get(root).status_code == read
        assert client.get(f"{root}/{endpoint.pk}").status_code == read
        body = json.dumps({"kind": "openai", "name": "x", "url": ADDRESS, "model": "m"})
        assert client.post(root, body, content_type="application/json").status_code == write
        assert client.patch(f"{root}/{endpoint.pk}", "{}", content_type="application/json").status_code == write
        assert client.post(f"{root}/{endpoint.pk}/test").status_code == write


class Choosy:
    """A server that takes no `max_tokens`, no temperature and no seed, and says so as reasoning models do."""

    REFUSED = (
        ("max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
        ("temperature", "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) is supported."),
        ("seed", "Unrecognized request argument supplied: seed"),
    )  # fmt: skip

    def raw(self, body):
        refused = next((words for name, words in self.REFUSED if name in body), None)
        if refused:
            return {"error": {"message": refused, "code": 400}}
        return {"choices": [{"message": {"content": "ready"}, "finish_reason": "stop"}]}


def test_a_test_call_learns_the_fields_of_a_request_and_stores_them(project):
    with teacher_server() as server:
        server.plan.raw = Choosy().raw
        endpoint = Endpoint.objects.create(
            project=project,
            name="Choosy",
            kind="openai",
            url=server.url,
            model="m",
            more_fields={"reasoning_effort": "low"},
        )
        tried = endpoints.try_out(endpoint)
        assert (tried.ok, tried.text) == (True, "ready")
        assert tried.learned == (
            "Learned from its errors, and stored: the limit is sent as max_completion_tokens and temperature, seed are left out."
        )
        endpoint.refresh_from_db()
        assert (endpoint.tokens_field, endpoint.left_out) == ("max_completion_tokens", ["temperature", "seed"])
        assert endpoints.try_out(endpoint).learned == ""
    sent = server.calls[-1]
    assert sent.keys() == {"model", "messages", "top_p", "max_completion_tokens", "reasoning_effort"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {"error": {"message": "Use 'max_completion_tokens' instead of 'max_tokens'.", "param": "max_tokens"}},
            "max_tokens",
        ),
        ({"detail": [{"loc": ["body", "top_p"], "msg": "Extra inputs are not permitted"}]}, "top_p"),
        ({"message": "unknown field random_seed"}, "seed"),
        ({"error": {"message": "max_tokens is too large: 4096"}}, ""),
        ({"error": "The prompt is too long."}, ""),
        ("temperature is not supported", "temperature"),
        (None, ""),
    ],
)
def test_the_field_that_a_server_refuses_is_read_from_its_error(body, field):
    assert refused_field(body) == field


@pytest.mark.parametrize(
    "more",
    ["[1]", '{"model": "other"}', '{"a": ', '{"a": "' + "x" * 5000 + '"}', "9" * 5000, "[" * 50_000, '{"a": NaN}'],
    ids=range(7),
)
def test_further_fields_of_a_request_are_checked(project, more):
    form = EndpointForm(
        {"name": "N", "url": "https://example.com/v1", "model": "m", "more_fields": more},
        kind="openai",
        project=project,
    )
    assert "more_fields" in form.errors
    assert more[:5] in str(form["more_fields"]).replace("&quot;", '"')


def test_the_fields_of_a_request_are_set_and_read_by_rest(project, endpoint, bob_api):
    root = f"/api/projects/{project.pk}/endpoints/{endpoint.pk}"
    wanted = {"tokens_field": "max_completion_tokens", "left_out": ["seed"], "more_fields": {"reasoning_effort": "low"}}
    changed = bob_api.patch(root, json.dumps(wanted), content_type="application/json").json()
    assert {name: changed[name] for name in wanted} == wanted
    kept = bob_api.patch(root, json.dumps({"name": "Other"}), content_type="application/json").json()
    assert {name: kept[name] for name in wanted} == wanted
    refused = bob_api.patch(root, json.dumps({"more_fields": {"model": "x"}}), content_type="application/json")
    assert "Atelier sets model itself" in refused.content.decode()
