"""The web process's entry point, for uvicorn."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
os.environ["ATELIER_PROCESS"] = "web"  # read by the settings: requests share a pool of connections
django.setup(set_prefix=False)

from atelier.handler import Handler  # noqa: E402 - Django is set up first

application = Handler()
