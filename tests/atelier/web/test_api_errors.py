"""Whatever is sent to the API, what is refused is JSON with a sentence, and shows nothing of the inside."""

import pytest
from django.db import OperationalError

pytestmark = pytest.mark.django_db


def refused(answer, status: int) -> str:
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("application/json")
    return answer.json()["detail"]


def test_an_unknown_address_is_said_in_a_sentence(bob_api, client):
    for caller in (bob_api, client):
        words = refused(caller.get("/api/nothing"), 404)
        assert words == "This URL does not exist. /api/docs lists all of them."


def test_a_method_that_an_address_lacks_names_those_it_takes(bob_api):
    answer = bob_api.delete("/api/projects")
    words = refused(answer, 405)
    assert words.startswith("DELETE isn't allowed at this URL. Allowed: ")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}


def test_a_body_that_is_not_json_is_called_so(bob_api):
    answer = bob_api.post("/api/projects", "{bad", content_type="application/json")
    assert refused(answer, 400) == "The body is not valid JSON."


@pytest.mark.parametrize(("body", "field"), [({"name": ""}, "name"), ({"name": "x" * 121}, "name"), ({}, "name")])
def test_a_refusal_names_the_field(bob_api, body, field):
    answer = bob_api.post("/api/projects", body, content_type="application/json")
    assert f"body.{field}: " in refused(answer, 422)


def test_a_database_that_is_down_is_said_in_json(bob_api, monkeypatch):
    def lost(*args, **kwargs):
        raise OperationalError("connection refused")

    monkeypatch.setattr("atelier.accounts.api.project_or_404", lost)
    assert refused(bob_api.get("/api/projects/1"), 503) == "The database does not answer. Try again in a moment."


def test_a_fault_of_ours_is_a_sentence_without_its_cause(bob_api, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("atelier.accounts.api.project_or_404", broken)
    bob_api.raise_request_exception = False
    words = refused(bob_api.get("/api/projects/1"), 500)
    assert words.startswith("Something went wrong on our side")
    assert "secret" not in words
