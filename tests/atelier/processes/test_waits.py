"""The web process waits for its children without a connection that others want."""

import pytest
from django.db import connection, transaction

from atelier.processes import sandbox, waits
from curation.imports.reader import FileReader


@pytest.fixture
def bound(monkeypatch):
    for name in ("before_wait", "ROOM_SECONDS", "PER_ASKER"):
        monkeypatch.setattr(sandbox, name, getattr(sandbox, name))
    waits.bound()


@pytest.fixture
def closed(monkeypatch) -> list[bool]:
    calls: list[bool] = []
    close = connection.close
    monkeypatch.setattr(connection, "close", lambda: (calls.append(True), close()))
    return calls


@pytest.mark.django_db(transaction=True)
def test_a_file_is_read_without_a_connection(bound, closed, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,answer\na,b\n")
    connection.ensure_connection()
    with FileReader(path) as file:
        assert file.inspect("rows.csv").columns == ("prompt", "answer")
        assert closed
        if connection.vendor == "postgresql":
            assert connection.connection is None
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        del closed[:]
        file.suggest("documents")
        assert closed, "before each answer"


@pytest.mark.django_db(transaction=True)
def test_not_within_a_transaction(bound, closed, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,answer\na,b\n")
    with transaction.atomic(), FileReader(path) as file:
        file.inspect("rows.csv")
        assert not closed


@pytest.mark.django_db
def test_a_request_asks_for_its_team(project, as_vic):
    assert as_vic.get(f"/projects/{project.pk}/").status_code == 200
    assert sandbox.asker.get() == f"team {project.team_id}"


def test_the_web_process_is_bound_so():
    import subprocess
    import sys

    code = "from atelier import asgi; from atelier.processes import sandbox; print(sandbox.ROOM_SECONDS, sandbox.PER_ASKER, sandbox.before_wait.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["5.0", "2", "give_connection_back"]
