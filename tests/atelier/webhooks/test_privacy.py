"""What a log of deliveries tells: replies of public receivers alone, and ids that say nothing of other teams."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from atelier.webhooks import events, sending
from atelier.webhooks.models import Delivery
from tests.atelier.webhooks.test_webhooks import due_again, hook_to
from tests.fakes.webhook_receiver import receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def outside(monkeypatch):
    """Treat this machine's receiver as one of the internet, where replies are stored."""
    monkeypatch.setattr("atelier.network.addresses.is_public", lambda address: True)
    monkeypatch.setattr("atelier.network.addresses.is_own", lambda address: False)


def test_of_a_public_receiver_the_reply_is_kept(project, outside):
    with receiver() as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        assert due_again(hook.deliveries.get()).tries[0]["reply"] == "thanks"


def test_of_a_long_reply_only_a_start_is_kept(project, outside):
    with receiver((200, {}, "x" * 100_000)) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
    assert len(delivery.tries[0]["reply"]) == sending.REPLY_BYTES


def test_what_a_receiver_replied_is_shown_as_text(project, as_bob, outside):
    with receiver((500, {}, "<script>alert(1)</script>")) as server:
        hook, _ = hook_to(project, server.url)
        events.emit(project, "imported", {})
        delivery = due_again(hook.deliveries.get())
    page = as_bob.get(f"/projects/{project.pk}/settings/webhooks/{hook.pk}/deliveries/{delivery.pk}").content
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert" in page


def test_event_ids_say_nothing_of_how_much_goes_on(project):
    hook, _ = hook_to(project, "http://127.0.0.1:9/")
    for _ in range(20):
        events.emit(project, "imported", {})
    found = list(hook.deliveries.order_by("pk"))
    ids = [delivery.event_id for delivery in found]
    assert len(set(ids)) == 20
    assert ids != sorted(ids)
    assert all(len(event_id) == len("evt_") + 22 for event_id in ids)
    assert not [delivery for delivery in found if str(delivery.pk) == delivery.event_id.removeprefix("evt_")]
    assert "id" not in found[0].body


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_keeps_the_ids_that_were_sent_and_drops_old_replies(project):
    """What was sent is known by its id; a reply of before may be a private host's."""
    hook = hook_to(project, "http://127.0.0.1:9/")[0]
    executor = MigrationExecutor(connection)
    executor.migrate([("webhooks", "0002_delivery_woken_at")])
    old = executor.loader.project_state([("webhooks", "0002_delivery_woken_at")]).apps.get_model("webhooks", "Delivery")
    tries = [{"at": "2026-11-21", "status": 500, "seconds": 0.1, "error": "e", "reply": "INNER"}]
    pks = [old.objects.create(webhook_id=hook.pk, event="frozen", tries=made).pk for made in (tries, [])]
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("webhooks"))
    sent, waiting = Delivery.objects.order_by("pk")
    assert [sent.event_id, waiting.event_id] == [f"evt_{pk}" for pk in pks]
    assert sent.tries == [{**tries[0], "reply": ""}]
    assert waiting.tries == []
    events.emit(project, "imported", {})
    assert len(hook.deliveries.order_by("-pk")[0].event_id) > 20
