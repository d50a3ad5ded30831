"""System checks of the installation."""

import sqlite3
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register

# Fixed a rare corruption when a WAL is checkpointed while another process resets it.
SQLITE_WAL_FIXED = (3, 51, 3)


@register(Tags.database, deploy=True)
def sqlite_is_recent(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
        return []
    if sqlite3.sqlite_version_info >= SQLITE_WAL_FIXED:
        return []
    return [
        Info(
            f"SQLite {sqlite3.sqlite_version} has a known rare fault with write-ahead logging, mended in 3.51.3.",
            hint="Use PostgreSQL (DATABASE_URL) for data you cannot import again, or back var/db.sqlite3 up.",
            id="atelier.I001",
        )
    ]


@register(Tags.database, deploy=True)
def connections_are_shared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql" or find_spec("psycopg_pool"):
        return []
    return [
        Info(
            "psycopg_pool is not installed: every request opens a connection of its own.",
            hint="Run `make setup`: it installs what the lock names.",
            id="atelier.I002",
        )
    ]


@register(Tags.security)
def secret_key_is_own(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.SECRET_KEY.startswith("change-me"):
        return [Error("ATELIER_SECRET_KEY is the example's: set one of your own.", id="atelier.E001")]
    return []
