"""A live server with a worker: jobs are done by the very tasks, in a thread, as soon as they are committed."""

import threading

import pytest
from django.db import connection
from django.utils.module_loading import import_string

from atelier.accounts.models import APIKey
from atelier.jobs import queue
from atelier_client import Client


@pytest.fixture
def worker(monkeypatch):
    threads: list[threading.Thread] = []

    def work(name: str, pk: int) -> None:
        try:
            import_string(name)(pk)
        finally:
            connection.close()

    def send(model, pk: int) -> bool:
        threads.append(threading.Thread(target=work, args=(model.task, pk)))
        threads[-1].start()
        return True

    monkeypatch.setattr(queue, "send", send)
    yield
    for thread in threads:
        thread.join()


@pytest.fixture
def key(transactional_db, team, bob) -> str:
    return APIKey.issue(team, bob, "client")[1]


@pytest.fixture
def server(worker, live_server, key, tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("ATELIER_URL", live_server.url)
    monkeypatch.setenv("ATELIER_KEY", key)
    monkeypatch.setenv("ATELIER_CLIENT_CACHE", str(tmp_path / "cache"))
    return live_server.url


@pytest.fixture
def client_of_bob(server, key, project):
    with Client(server, key) as client:
        yield client
