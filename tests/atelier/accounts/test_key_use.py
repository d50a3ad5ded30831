"""A read by API key neither fails nor waits because somebody else writes."""

import threading
import time

import pytest
from django.db import connection, transaction

from atelier.accounts import key_use
from atelier.accounts.models import APIKey, Team
from tests.speed import patient


@pytest.fixture(autouse=True)
def forgotten():
    key_use._tried.clear()


def hold_the_lock(ready: threading.Event, end: threading.Event) -> None:
    """Hold a lock as another process would: SQLite's only write lock, or the row of every key on PostgreSQL."""
    try:
        with transaction.atomic():
            Team.objects.update(name="held")
            APIKey.objects.update(name="held")
            ready.set()
            end.wait(30)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_reads_by_key_go_on_while_the_write_lock_is_held(bob_api, project):
    ready, end = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold_the_lock, args=(ready, end))
    holder.start()
    try:
        assert ready.wait(60)
        times = []
        for _ in range(5):
            started = time.monotonic()
            assert bob_api.get("/api/projects").status_code == 200
            times.append(time.monotonic() - started)
    finally:
        end.set()
        holder.join()
    assert max(times) < patient(2), "it took 20 seconds and ended with 503"
    assert APIKey.objects.get().last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_the_connections_own_patience_comes_back(bob_api, project):
    def patience() -> str:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout" if connection.vendor == "sqlite" else "SHOW lock_timeout")
            return str(cursor.fetchone()[0])

    before = patience()
    assert bob_api.get("/api/projects").status_code == 200
    assert patience() == before
    assert APIKey.objects.get().last_used_at is not None


@pytest.mark.django_db
def test_a_key_is_noted_once_a_minute(bob_api, project):
    bob_api.get("/api/projects")
    first = APIKey.objects.get().last_used_at
    bob_api.get("/api/projects")
    assert APIKey.objects.get().last_used_at == first
