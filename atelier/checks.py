"""Django system checks of the installation."""

import sqlite3
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register

from atelier.network import client_address

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
            f"SQLite {sqlite3.sqlite_version} has a known rare fault with write-ahead logging, fixed in 3.51.3.",
            hint="Use PostgreSQL (DATABASE_URL) for data that you cannot import again, or back up var/db.sqlite3.",
            id="atelier.I001",
        )
    ]


@register(Tags.database, deploy=True)
def connections_are_shared(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql" or find_spec("psycopg_pool"):
        return []
    return [
        Info(
            "psycopg_pool is not installed, so every request opens its own connection.",
            hint="Run `make setup` to install everything in the lock file.",
            id="atelier.I002",
        )
    ]


@register(Tags.security)
def trusted_proxies_are_readable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"ATELIER_TRUSTED_PROXIES names {proxy!r}, which is neither an IP address nor a network.",
            hint="Write IP addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, separated by spaces.",
            id="atelier.E002",
        )
        for proxy in client_address.unreadable(settings.TRUSTED_PROXIES)
    ]
