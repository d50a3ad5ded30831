"""The ASGI entry point of the web process, for uvicorn."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
os.environ["ATELIER_PROCESS"] = "web"  # read by the settings: requests share a pool of connections
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402 - Django is set up first
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from atelier.database import sqlite  # noqa: E402
from atelier.processes import waits  # noqa: E402
from atelier.web.handler import Handler  # noqa: E402

sqlite.hold_open()
waits.bound()
# Here and not by the server's options, so that it holds however the server is started. The server's own default, which
# believes whatever runs on this machine, is switched off where we start it (--no-proxy-headers).
application = ProxyHeadersMiddleware(Handler(), trusted_hosts=settings.TRUSTED_PROXIES)
