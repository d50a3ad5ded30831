"""Webhooks: events reach a real server, signed; they are tried again with pauses; nothing private is called."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from atelier.jobs import broker, queue
from atelier.network import openings
from atelier.processes.supervisor import free_port
from atelier.webhooks import deliveries, events, hooks, sending
from atelier.webhooks.models import Delivery, Webhook
from curation import tasks
from curation.versions import freezes
from tests.curation.teacher import conversations
from tests.fakes.webhook_receiver import receiver

pytestmark = pytest.mark.django_db


def published(monkeypatch) -> list[tuple[str, list[int], str]]:
    """Return what is sent, as (task, arguments, queue), to a fake broker that keeps all of it."""
    sent: list[tuple[str, list[int], str]] = []
    app = SimpleNamespace(send_task=lambda task, args, queue: sent.append((task, args, queue)))
    monkeypatch.setattr(queue, "current_app", app)
    monkeypatch.setattr(broker, "waiting", lambda name: len([to for _, _, to in sent if to == name]))
    return sent


def hook_to(project, url: str, *wanted: str) -> tuple[Webhook, str]:
    return hooks.create(project, None, url, wanted or Webhook.Event.values)


def due_again(delivery: Delivery) -> Delivery:
    Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() - timedelta(seconds=5))
    deliveries.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Verify a delivery as docs/webhooks.md instructs the receiver."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(wanted, headers["webhook-signature"])


def test_an_event_arrives_signed_with_its_id_and_time(project):
    with receiver() as server:
        hook, secret = hook_to(project, server.url)
        events.emit(project, "imported", {"import": 7})
        delivery = hook.deliveries.get()
        deliveries.deliver(delivery.pk)
    [got] = server.got
    assert verified(secret, got.headers, got.body)
    assert not verified(secret, got.headers, got.body + b" ")
    assert got.headers["webhook-id"] == delivery.event_id
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 30
    body = json.loads(got.body)
    assert (body["type"], body["data"], body["project"]["id"]) == ("imported", {"import": 7}, project.pk)
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert delivery.tries[0]["status"] == 200
    assert delivery.tries[0]["reply"] == ""


def test_a_rolled_back_change_tells_nobody(project):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    with transaction.atomic():
        events.emit(project, "imported", {})
        transaction.set_rollback(True)
    assert not hook.deliveries.exists()


def test_the_worker_is_woken_after_the_commit_only(project, monkeypatch, django_capture_on_commit_callbacks):
    sent = published(monkeypatch)
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    with django_capture_on_commit_callbacks(execute=True):
        events.emit(project, "imported", {})
        assert not sent
    assert sent == [("atelier.webhooks.tasks.deliver", [hook.deliveries.get().pk], "webhooks")]


def test_only_who_asked_for_an_event_gets_it(project):
    asked, _ = hook_to(project, "http://127.0.0.1:9/a", "frozen")
    off, _ = hook_to(project, "http://127.0.0.1:9/b", "frozen")
    other, _ = hook_to(project, "http://127.0.0.1:9/c", "imported")
    Webhook.objects.filter(pk=off.pk).update(is_active=False)
    assert events.emit(project, "frozen", {}) == 1
    assert [hook.deliveries.count() for hook in (asked, off, other)] == [1, 0, 0]


def test_an_unknown_event_is_a_fault_of_ours(project):
    with pytest.raises(ValueError, match="No event"):
        events.emit(project, "melted", {})


def test_a_failed_try_is_repeated_with_growing_pauses_and_given_up_after_eight(project):
    with receiver((500, {}, "broken")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery, pauses = hook.deliveries.get(), []
        for _ in range(deliveries.TRIES):
            due_again(delivery)
            if delivery.due_at:
                pauses.append(round((delivery.due_at - timezone.now()).total_seconds() / 60))
        assert due_again(delivery).state == "failed"
    assert len(server.got) == 8
    assert pauses == [1, 5, 15, 60, 180, 360, 720]
    assert len({got.headers["webhook-id"] for got in server.got}) == 1
    assert delivery.tries[-1]["error"] == "127.0.0.1 answered 500."


@pytest.mark.parametrize(("header", "minutes"), [("600", 10), ("5", 1), ("nonsense", 1), ("9999999", 720)])
def test_retry_after_is_obeyed_when_it_is_longer_than_the_pause(project, header, minutes):
    with receiver((503, {"Retry-After": header}, "")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
    assert round((delivery.due_at - timezone.now()).total_seconds() / 60) == minutes


def test_where_nothing_listens_the_log_says_so():
    port = free_port("127.0.0.1", 20_000)
    reply = sending.post(f"http://127.0.0.1:{port}/h", b"{}", {}, openings.of("127.0.0.1", port))
    assert reply.error == f"Nothing answers at 127.0.0.1:{port}. Check the URL, and that the server is running."


def test_a_webhook_switched_off_meanwhile_is_not_called(project):
    with receiver() as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        Webhook.objects.update(is_active=False)
        assert due_again(hook.deliveries.get()).state == "failed"
    assert not server.got


def test_a_receiver_that_is_gone_is_not_asked_again(project):
    with receiver((410, {}, "")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        assert due_again(hook.deliveries.get()).state == "failed"


def test_what_is_not_due_is_left_alone_and_two_workers_send_once(project):
    with receiver() as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = hook.deliveries.get()
        Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() + timedelta(minutes=5))
        deliveries.deliver(delivery.pk)
        assert not server.got
        Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() - timedelta(minutes=5))
        assert deliveries._claim(delivery.pk) is not None
        deliveries.deliver(delivery.pk)
        assert not server.got


def test_redirects_are_not_followed(project):
    with receiver() as inner, receiver((302, {"Location": inner.url}, "")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
    assert not inner.got
    assert "sent a redirect, which is not followed" in delivery.tries[0]["error"]


def test_a_private_address_is_refused_when_it_is_entered_and_when_it_is_called(project, settings):
    with receiver() as server:
        hook, _ = hook_to(project, server.url)
        settings.WEBHOOK_PRIVATE_HOSTS = ()
        with pytest.raises(ValidationError, match="private network"):
            hooks.create(project, None, "http://127.0.0.1/x", ["frozen"])
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
        assert not server.got
    assert "private network" in delivery.tries[0]["error"]


def test_sending_again_starts_the_tries_over_and_keeps_the_log(project):
    with receiver((410, {}, "")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
        assert deliveries.send_again(delivery)
        assert not deliveries.send_again(delivery)
        server.answers = [(500, {}, "")]
        due_again(delivery)
    assert len(delivery.tries) == 2
    assert delivery.state == "waiting"
    assert (delivery.due_at - timezone.now()).total_seconds() <= 60


def test_the_sweep_wakes_what_is_due_and_lost_and_nothing_twice(project, monkeypatch):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    events.emit(project, "imported", {})
    sent = published(monkeypatch)
    assert deliveries.wake_due() == 0
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=10))
    assert deliveries.wake_due() == 1
    assert [args for _, args, _ in sent] == [[hook.deliveries.get().pk]]
    assert [deliveries.wake_due() for _ in range(50)] == [0] * 50, "one message is on its way"
    monkeypatch.setattr(broker, "waiting", lambda name: 0)  # and was lost with all that Redis held
    assert deliveries.wake_due() == 0, "it may still be on its way"
    Delivery.objects.update(woken_at=timezone.now() - timedelta(seconds=queue.WAKE_AGAIN_SECONDS + 1))
    assert deliveries.wake_due() == 1


def test_a_message_that_came_too_early_is_sent_again_when_the_time_has_come(project, monkeypatch):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    events.emit(project, "imported", {})
    Delivery.objects.update(due_at=timezone.now() + timedelta(seconds=60), woken_at=timezone.now())
    deliveries.deliver(hook.deliveries.get().pk)
    assert hook.deliveries.get().woken_at is None


def test_a_frozen_version_is_told_once_with_its_hash(project):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    version = freezes.create(conversations(project, 10), None)
    tasks.freeze(version.pk)
    tasks.freeze(version.pk)
    version.refresh_from_db()
    delivery = hook.deliveries.get()
    assert delivery.event == "frozen"
    assert delivery.body["data"]["content_hash"] == version.content_hash
    assert delivery.body["data"]["rows"] == 10


def test_a_failed_freeze_tells_nobody(project):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    dataset = conversations(project, 10)
    version = freezes.create(dataset, None)
    dataset.records.update(status="rejected")
    tasks.freeze(version.pk)
    assert not hook.deliveries.exists()


# --- pages and REST ------------------------------------------------------------------------------

FORM = {"url": "http://127.0.0.1:9/x", "events": ["frozen"], "is_active": "on"}


@pytest.fixture
def placed(project) -> dict[str, str]:
    """Return every URL, with a webhook and an abandoned delivery behind it."""
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    events.emit(project, "imported", {})
    delivery = hook.deliveries.get()
    page = f"/projects/{project.pk}/settings/webhooks/"
    rest = f"/api/projects/{project.pk}/webhooks"
    one, sent = f"{page}{hook.pk}", f"deliveries/{delivery.pk}"
    return {
        "index": f"GET {page}", "add": f"POST {page}", "page": f"GET {one}", "change": f"POST {one}",
        "secret": f"POST {one}/secret", "test": f"POST {one}/test", "ask": f"GET {one}/delete",
        "delivery": f"GET {one}/{sent}", "again": f"POST {one}/{sent}/again", "delete": f"POST {one}/delete",
        "rest list": f"GET {rest}", "rest one": f"GET {rest}/{hook.pk}", "rest log": f"GET {rest}/{hook.pk}/deliveries",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["index", "add", "page", "change", "secret", "test", "ask", "delivery", "again", "delete"]
)
def test_pages_are_for_editors(placed, name, as_alice, as_bob, as_ann, as_vic, as_charlie, client):
    method, address = placed[name].split()

    def status(who) -> int:
        return getattr(who, method.lower())(address, FORM).status_code

    assert status(client) == 302
    assert [status(who) for who in (as_charlie, as_vic, as_ann)] == [404, 403, 403]
    assert status(as_bob) in (200, 302)
    if name != "delete":
        assert status(as_alice) in (200, 302)


@pytest.mark.parametrize("name", ["rest list", "rest one", "rest log"])
def test_rest_is_for_editors(placed, name, team, bob, vic, charlie, bob_api, client):
    from atelier.accounts.models import APIKey

    _, address = placed[name].split()

    def status(user, of) -> int:
        _, key = APIKey.issue(of, user, "k")
        return client.get(address, headers={"Authorization": f"Bearer {key}"}).status_code

    assert status(charlie, charlie.memberships.get().team) == 404
    assert status(vic, team) == 403
    assert bob_api.get(address).status_code == 200
    assert client.get(address).status_code == 401


def test_the_secret_is_on_the_page_once(project, as_bob):
    page = as_bob.post(f"/projects/{project.pk}/settings/webhooks/", FORM)
    assert b"whsec_" in page.content
    assert page["Cache-Control"] == "no-store"
    hook = project.webhooks.get()
    assert b"whsec_" not in as_bob.get(f"/projects/{project.pk}/settings/webhooks/{hook.pk}").content
    old = hook.secret
    assert b"whsec_" in as_bob.post(f"/projects/{project.pk}/settings/webhooks/{hook.pk}/secret").content
    hook.refresh_from_db()
    assert hook.secret != old


def test_a_bad_address_comes_back_with_a_sentence(project, as_bob):
    page = as_bob.post(f"/projects/{project.pk}/settings/webhooks/", FORM | {"url": "ftp://example.com/"})
    assert page.status_code == 422
    assert b"begin with http" in page.content


def test_rest_makes_one_webhook_of_one_idempotency_key_and_pages_its_log(project, bob_api):
    address = f"/api/projects/{project.pk}/webhooks"
    body = {"url": "http://127.0.0.1:9/", "events": ["frozen", "imported"]}
    made = [
        bob_api.post(address, body, content_type="application/json", headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in made] == [201, 201]
    first, second = (answer.json() for answer in made)
    assert first["id"] == second["id"]
    assert first["secret"].startswith("whsec_")
    assert "secret" not in second
    for _ in range(5):
        events.emit(project, "imported", {})
    page = bob_api.get(f"{address}/{first['id']}/deliveries?limit=3").json()
    rest = bob_api.get(f"{address}/{first['id']}/deliveries?limit=3&after={page['next']}").json()
    assert len({item["id"] for item in page["items"] + rest["items"]}) == 5
    assert rest["next"] is None


def test_rest_changes_tests_and_deletes(project, bob_api):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    address = f"/api/projects/{project.pk}/webhooks/{hook.pk}"
    body = {"url": "http://127.0.0.1:9/new", "events": ["frozen"], "is_active": False}
    assert bob_api.put(address, body, content_type="application/json").json()["is_active"] is False
    sent = bob_api.post(f"{address}/test").json()
    assert (sent["event"], sent["state"]) == ("test", "waiting")
    deliveries.deliver(sent["id"])
    assert bob_api.get(f"{address}/deliveries").json()["items"][0]["state"] == "failed"
    assert bob_api.post(f"{address}/deliveries/{sent['id']}/again").json()["state"] == "waiting"
    assert bob_api.delete(address).status_code == 204
    assert bob_api.get(address).status_code == 404
