"""The Celery application. Workers also reap: whoever runs wakes what was lost."""

import os
import signal
import threading
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "atelier.settings")
COLD_SECONDS = 5
app = Celery("atelier")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def start_reaper(**_: Any) -> None:
    from atelier.jobs import reaper

    reaper.start()


@worker_shutting_down.connect
def stop_reaper(**_: Any) -> None:
    from atelier.jobs import reaper

    reaper.stop()


@worker_shutting_down.connect
def end_for_certain(how: str = "", **_: Any) -> None:
    """After a cold shutdown's grace nothing is left to wait for, but without its broker a worker would hang for ever."""
    if how == "Cold":
        timer = threading.Timer(COLD_SECONDS, _end_hard)
        timer.daemon = True
        timer.start()


def _end_hard() -> None:
    """Kill the worker with its pool where they are a group of their own. Their jobs are in the database."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
