"""Migrations are not bound by the times that requests are."""

import pytest
from django.db import connection

from atelier import installation


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such times")
def test_migrations_have_no_limit_of_time_and_afterwards_all_is_as_before(monkeypatch):
    def bounds() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            return list(cursor.fetchone())

    seen = []
    before = bounds()
    monkeypatch.setattr(installation, "call_command", lambda *_, **__: seen.append(bounds()))
    installation._migrate()
    assert seen == [["0", "0"]]
    assert bounds() == before != ["0", "0"]
